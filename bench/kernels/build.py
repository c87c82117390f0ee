# SPDX-License-Identifier: GPL-2.0-only
"""Build the kernel halves and the agent; rebuild only what has changed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import child
from bench.errors import TargetError, check_room, writing
from bench.kernels import places
from bench.kernels.build_log import failed_folders, first_problem, first_warning
from bench.kernels.catalog import Kernel, read_config
from bench.kernels.module_sources import fingerprint, mirror, remove_modules
from bench.paths import ROOT

CORE = "ringcross_core"
"""The module that every kernel half needs."""


@dataclass(frozen=True)
class ModuleBuild:
    """The result of a build of all kernel halves.

    Attributes:
        folder: directory of the ``ringcross_*.ko`` without debug information. The modules with
            debug information stay in its sibling directory ``modules/``.
        failures: for each module that was not built, the first error, with paths relative to
            ``modules/``. Without :data:`CORE` no other module was built either.
        warning: the first warning; empty if there is none.
        log: the complete log.
    """

    folder: Path
    failures: Mapping[str, str] = field(default_factory=dict)
    warning: str = ""
    log: Path = Path()

    def error_of(self, module: str) -> str:
        """Why *module* cannot be used, as the compiler or linker says; empty if it can be."""
        return self.failures.get(CORE) or self.failures.get(module, "")


def build_modules(kernel: Kernel, source: Path | None = None, build: Path | None = None) -> Path:
    """Build every kernel half against *kernel*; a warning is an error.

    Args and returns: as :func:`compile_modules`, of which this returns the folder.

    Raises:
        TargetError: a tool is missing, or the build has an error or a warning.
    """
    built = compile_modules(kernel, source, build)
    problem = next(iter(built.failures.values()), built.warning)
    if problem:
        raise TargetError(
            f"The build of the modules failed: {problem} (complete log: {built.log})."
        )
    return built.folder


def compile_modules(
    kernel: Kernel, source: Path | None = None, build: Path | None = None
) -> ModuleBuild:
    """Build the kernel halves against *kernel*, outside the source tree.

    One that has an error is left out, and the others are built. A user may have a compiler or a
    kernel that warns about code which works, so a warning is only recorded.

    Args:
        kernel: the kernel to build against.
        source: the ``modules/`` folder; by default the repository's.
        build: folder for builds; by default :func:`bench.kernels.places.build_folder`.

    Raises:
        TargetError: a tool is missing, or the build failed in a step that belongs to no module.
    """
    source = source or ROOT / "modules"
    folder = (build or places.build_folder()) / kernel.release
    tree, ready = folder / "modules", folder / "ko"
    stamp, log = folder / "modules.stamp", folder / "modules.log"
    command = module_command(kernel, tree)
    with writing("the module build"):
        folder.mkdir(parents=True, exist_ok=True)
    with places.locked(folder):
        current = fingerprint(source, [*_identity(kernel), *command])
        before = _read_stamp(stamp)
        same = before.get("fingerprint") == current
        if same and not before["failures"]:
            return ModuleBuild(ready, {}, before["warning"], log)
        with writing("the module build"):
            stamp.unlink(missing_ok=True)
            if not _continues(before, kernel, same):
                shutil.rmtree(tree, ignore_errors=True)
        failures, warning = _make_modules(source, tree, command, log)
        warning = warning or (before["warning"] if same else "")
        with writing("the module build"):
            if not _strip_modules(tree, ready) and not failures:
                raise TargetError(f"The build created no ringcross_*.ko: read {log}.")
            stamp.write_text(
                json.dumps(
                    {
                        "kernel": _identity(kernel),
                        "fingerprint": current,
                        "failures": failures,
                        "warning": warning,
                    }
                )
            )
    return ModuleBuild(ready, failures, warning, log)


def _make_modules(
    source: Path, tree: Path, command: Sequence[str], log: Path
) -> tuple[dict[str, str], str]:
    """Build in *tree* all modules that can be built.

    Nothing is linked while a module has an error, and symbols are looked up only when all of them
    compile. So the build is repeated without the modules that failed, until none does.

    Returns:
        The failures and the first warning, as in :class:`ModuleBuild`.
    """
    failures: dict[str, str] = {}
    warning = ""
    words = [*command, "--keep-going", "--output-sync=target"]
    while True:
        left_out = {module.removeprefix("ringcross_") for module in failures}
        with writing("the module build"):
            places.discard_future(tree)
            mirror(source, tree, left_out)
        folders = {kernel.parent.name for kernel in tree.glob("*/kernel.c")}
        status, text = _run_make(words, log, append=bool(failures))
        warning = warning or first_warning(text)
        found = failed_folders(text, folders, tree) if status else {}
        failures |= {f"ringcross_{folder}": line for folder, line in found.items()}
        if CORE in failures:
            with writing("the module build"):
                remove_modules(tree)
            return {CORE: failures[CORE]}, warning
        if not status:
            return failures, warning
        if not found:
            raise _failed("The build of the modules", text, status, log)


def check_modules(kernel: Kernel, source: Path | None = None, build: Path | None = None) -> None:
    """Check every kernel half with sparse: address spaces, endianness, lock balance.

    Args:
        kernel: the kernel whose headers are used.
        source: as for :func:`build_modules`.
        build: as for :func:`build_modules`.

    Raises:
        TargetError: sparse is missing, or it reports a problem.
    """
    _need("sparse", "sparse")
    source = source or ROOT / "modules"
    folder = (build or places.build_folder()) / kernel.release
    tree, log = folder / "sparse", folder / "sparse.log"
    with writing("the check of the modules"):
        folder.mkdir(parents=True, exist_ok=True)
        mirror(source, tree)
    # C=2 checks every file, even if it need not be compiled.
    _make([*module_command(kernel, tree), "C=2"], log, "The sparse check of the modules")


def build_agent(source: Path | None = None, build: Path | None = None) -> Path:
    """Build the static agent.

    Args:
        source: the folder with the agent's makefile; by default ``bench/agent``.
        build: folder for builds; by default :func:`bench.kernels.places.build_folder`.

    Returns:
        Path of ``ringcross_agent`` without debug information. The file with debug information
        stays in the parent directory.

    Raises:
        TargetError: a tool is missing, or the build has an error or a warning.
    """
    source = source or ROOT / "bench" / "agent"
    folder = (build or places.build_folder()) / "agent"
    _need("make", "make")
    with writing("the agent build"):
        folder.mkdir(parents=True, exist_ok=True)
    with places.locked(folder):
        with writing("the agent build"):
            places.discard_future(folder)
        # The agent's makefile finds out what has changed.
        command = ["make", *_makefile(source, folder), f"OUT={folder}"]
        _make(command, folder / "agent.log", "The build of the agent")
        agent, ready = folder / "ringcross_agent", folder / "stripped" / "ringcross_agent"
        if not agent.exists():
            raise TargetError(f"The build created no ringcross_agent: read {folder / 'agent.log'}.")
        # Equal times, because the clock may have been set back since the last build.
        made = agent.stat().st_mtime_ns
        if not ready.exists() or ready.stat().st_mtime_ns != made:
            with writing("the agent build"):
                _strip(agent, ready)
                os.utime(ready, ns=(made, made))
    return ready


def _makefile(source: Path, folder: Path) -> tuple[str, str]:
    """Return make's option for the makefile in *source*, which names files beside the folder."""
    if places.fit(source):
        return "-C", str(source)
    checkout = source.parent.parent
    link = places.link(checkout, folder)
    return "-f", str(link / source.relative_to(checkout) / "Makefile")


def module_command(kernel: Kernel, tree: Path) -> list[str]:
    """Return the command that builds the modules in *tree* against *kernel*."""
    _need("make", "make")
    compiler = _compiler(kernel)
    config = read_config(kernel.config)
    command = ["make", "-C", str(kernel.headers), f"M={tree}", "W=1", f"CC={compiler}"]
    if "CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=y" in config and _major(compiler) < 14:
        # gcc 14 added the option; without it, kbuild falls back to -falign-functions.
        command.append("CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=")
    if (kernel.headers / "vmlinux").exists():
        # BTF is debug information, not code. A build would need the pahole that fits this kernel.
        command.append("CONFIG_DEBUG_INFO_BTF_MODULES=")
    # A module's bytes must not depend on the repository's path: its size changes counts.
    flags = [f"-fmacro-prefix-map={tree}/="]
    if _major(compiler) < _kernel_compiler(config):
        # The headers use attributes that an older compiler does not know.
        flags.append("-Wno-attributes")
    return [*command, f"KCFLAGS={' '.join(flags)}", "modules"]


def _kernel_compiler(config: str) -> int:
    """Return the major version of the gcc that built the kernel; 0 if it was not gcc."""
    match = re.search(r"^CONFIG_GCC_VERSION=(\d+)\d{4}$", config, re.MULTILINE)
    return int(match[1]) if match else 0


def _compiler(kernel: Kernel) -> str:
    """Return the compiler that built *kernel* if it is installed, otherwise ``gcc``."""
    match = re.search(r'CONFIG_CC_VERSION_TEXT="\S*?(gcc-\d+)', read_config(kernel.config))
    if match and shutil.which(match[1]):
        return match[1]
    _need("gcc", "gcc")
    return "gcc"


def _major(compiler: str) -> int:
    text = child.run([compiler, "-dumpversion"]).stdout
    match = re.match(r"\d+", text)
    return int(match[0]) if match else 0


def _need(tool: str, package: str) -> None:
    if shutil.which(tool) is None:
        raise TargetError(f"{tool} is missing: install the package {package}.")


def _make(command: Sequence[str], log: Path, what: str) -> None:
    """Run *command* with its output in *log*; a warning is an error."""
    status, text = _run_make(command, log)
    if status or first_problem(text):
        raise _failed(what, text, status, log)


def _run_make(command: Sequence[str], log: Path, append: bool = False) -> tuple[int, str]:
    """Run *command* with its output in *log*; return its exit status and the output."""
    with writing(f"the log of the build ({log})"), log.open("a+" if append else "w+") as out:
        out.write(f"$ {' '.join(command)}\n")
        out.flush()
        start = out.tell()
        jobs = f"-j{len(os.sched_getaffinity(0))}"
        result = subprocess.run(
            [*command, jobs], stdout=out, stderr=subprocess.STDOUT, env=child.environment()
        )
    text = log.read_bytes()[start:].decode(errors="replace")
    check_room(text, f"a build in {log.parent}")
    return result.returncode, text


def _failed(what: str, text: str, status: int, log: Path) -> TargetError:
    problem = first_problem(text) or f"make ended with status {status}"
    return TargetError(f"{what} failed: {problem} (complete log: {log}).")


def _identity(kernel: Kernel) -> list[str]:
    """Return what changes when the headers of a kernel with the same release change."""
    return [kernel.release, kernel.package_version, kernel.build_id, str(kernel.headers)]


def _continues(before: Mapping[str, Any], kernel: Kernel, same: bool) -> bool:
    """Whether make may keep the objects of the build whose record is *before*.

    Headers from a package are older than the objects of another kernel with the same release, so
    make would not compile them again. Nor does an object that is kept repeat its warnings.
    """
    return before.get("kernel") == _identity(kernel) and (same or not before["warning"])


def _strip_modules(tree: Path, ready: Path) -> list[Path]:
    """Replace *ready* by stripped copies of the modules in *tree*; return those in *tree*."""
    shutil.rmtree(ready, ignore_errors=True)
    ready.mkdir()
    modules = sorted(tree.glob("ringcross_*.ko"))
    for module in modules:
        _strip(module, ready / module.name)
    return modules


def _strip(binary: Path, target: Path) -> None:
    """Copy *binary* to *target* without its debug information.

    Debug information is most of the file, and loading reads every byte under the measured clock.
    It also names the build folder, so counts would differ between two clones of the repository.
    """
    _need("strip", "binutils")
    target.parent.mkdir(exist_ok=True)
    part = target.with_suffix(".part")
    result = child.run(["strip", "--strip-debug", "-o", part, binary])
    if result.returncode:
        check_room(result.stderr, f"a build in {target.parent}")
        raise TargetError(f"{binary.name} cannot be stripped ({result.stderr.strip()}): run again.")
    part.replace(target)


def _read_stamp(path: Path) -> dict[str, Any]:
    """The record of a finished build; empty if there is none, or it is of another version."""
    try:
        record = json.loads(path.read_text(errors="replace"))
    except (OSError, ValueError):
        return {}
    known = isinstance(record, dict) and {"fingerprint", "failures", "warning"} <= record.keys()
    return record if known else {}
