# SPDX-License-Identifier: GPL-2.0-only
"""Build the kernel halves and the agent; rebuild only what has changed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench import child
from bench.errors import TargetError, check_room, writing
from bench.kernels import places
from bench.kernels.catalog import Kernel, read_config
from bench.paths import ROOT

AGENT = ("user.c", "program.c", "hostile.c")
"""Files in a channel's folder that are linked into the agent."""

_PROBLEM = re.compile(r"(?:\b(?:warning|error|fatal error|WARNING|ERROR):|\*\*\* )")
# These lines concern the host's compiler, clock or pahole, not the code that is built.
_HARMLESS = re.compile(
    r"warning: +(?:the compiler differs|pahole version differs|Clock skew detected)"
    r"|Skipping BTF generation"
)


def build_modules(kernel: Kernel, source: Path | None = None, build: Path | None = None) -> Path:
    """Build every kernel half against *kernel*, outside the source tree.

    Args:
        kernel: the kernel to build against.
        source: the ``modules/`` folder; by default the repository's.
        build: folder for builds; by default :func:`bench.kernels.places.build_folder`.

    Returns:
        The directory of the ``ringcross_*.ko`` without debug information. The modules with debug
        information stay in its sibling directory ``modules/``.

    Raises:
        TargetError: a tool is missing, or the build has an error or a warning.
    """
    source = source or ROOT / "modules"
    folder = (build or places.build_folder()) / kernel.release
    tree, ready = folder / "modules", folder / "ko"
    stamp, log = folder / "modules.stamp", folder / "modules.log"
    command = module_command(kernel, tree)
    with writing("the module build"):
        folder.mkdir(parents=True, exist_ok=True)
    with places.locked(folder):
        fingerprint = _fingerprint(source, [*_identity(kernel), *command])
        if _read(stamp) == fingerprint:
            return ready
        with writing("the module build"):
            stamp.unlink(missing_ok=True)
            _forget_other_kernel(folder / "kernel.json", tree, kernel)
            places.discard_future(tree)
            _mirror(source, tree)
        _make(command, log, "The build of the modules")
        with writing("the module build"):
            if not _strip_modules(tree, ready):
                raise TargetError(f"The build created no ringcross_*.ko: read {log}.")
            stamp.write_text(fingerprint)
    return ready


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
        _mirror(source, tree)
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
    with writing(f"the log of the build ({log})"), log.open("w") as out:
        out.write(f"$ {' '.join(command)}\n")
        out.flush()
        jobs = f"-j{len(os.sched_getaffinity(0))}"
        result = subprocess.run(
            [*command, jobs], stdout=out, stderr=subprocess.STDOUT, env=child.environment()
        )
    text = log.read_text(errors="replace")
    check_room(text, f"a build in {log.parent}")
    problem = first_problem(text)
    if problem or result.returncode:
        problem = problem or f"make ended with status {result.returncode}"
        raise TargetError(f"{what} failed: {problem} (complete log: {log}).")


def first_problem(log: str) -> str:
    """Return the first line of a build log with a warning or an error; empty if there is none."""
    for line in log.splitlines():
        if _PROBLEM.search(line) and not _HARMLESS.search(line):
            return line.strip()
    return ""


def _sources(source: Path) -> list[Path]:
    """Return the files of the kernel halves, relative to *source*, without the agent's files."""
    files = (f for f in source.rglob("*") if f.is_file() and f.name not in AGENT)
    kept = (f for f in files if f.suffix in (".c", ".h") or f.name in ("Kbuild", "Makefile"))
    return sorted(f.relative_to(source) for f in kept)


def _fingerprint(source: Path, words: Sequence[str]) -> str:
    """Return a hash that changes when a source file or one of *words* changes."""
    digest = hashlib.sha256("\0".join(words).encode())
    for name in _sources(source):
        data = (source / name).read_bytes()
        digest.update(f"\0{name}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()


def _identity(kernel: Kernel) -> list[str]:
    """Return what changes when the headers of a kernel with the same release change."""
    return [kernel.release, kernel.package_version, kernel.build_id, str(kernel.headers)]


def _forget_other_kernel(record: Path, tree: Path, kernel: Kernel) -> None:
    """Remove *tree* if it was built for another kernel with the same release.

    Headers from a package are older than the objects, so make would not compile them again.
    """
    identity = json.dumps(_identity(kernel))
    if _read(record) != identity:
        shutil.rmtree(tree, ignore_errors=True)
        record.write_text(identity)


def _mirror(source: Path, tree: Path) -> None:
    """Make the sources in *tree* equal to *source*; equal files keep their time, for make."""
    names = _sources(source)
    if tree.exists():
        for module in tree.glob("ringcross_*.ko"):  # its channel may have been removed
            module.unlink()
        for stale in set(_sources(tree)) - set(names):
            if not stale.name.endswith(".mod.c"):
                (tree / stale).unlink()
    for name in names:
        target = tree / name
        data = (source / name).read_bytes()
        if not target.exists() or target.read_bytes() != data:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)


def _strip_modules(tree: Path, ready: Path) -> list[Path]:
    """Replace *ready* by stripped copies of the modules in *tree*; return those in *tree*."""
    shutil.rmtree(ready, ignore_errors=True)
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


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
