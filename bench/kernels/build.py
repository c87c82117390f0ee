"""Build the kernel halves and the agent, and rebuild only what has changed."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.errors import TargetError, check_room, writing
from bench.kernels.catalog import Kernel, read_config
from bench.paths import ROOT

AGENT = ("user.c", "program.c", "hostile.c")
"""Files of a channel's folder that are linked into the agent."""

_PROBLEM = re.compile(r"(?:\b(?:warning|error|fatal error|WARNING|ERROR):|\*\*\* )")
# Says nothing about our code: kbuild's own remark about the host's pahole or compiler.
_HARMLESS = re.compile(
    r"warning: (?:the compiler differs|pahole version differs)|Skipping BTF generation"
)


def build_modules(kernel: Kernel, source: Path | None = None, build: Path | None = None) -> Path:
    """Build every kernel half against *kernel*, outside the source tree.

    Args:
        kernel: what to build against.
        source: the ``modules/`` folder; the repository's when not given.
        build: where builds are kept; ``build/`` in the repository when not given.

    Returns:
        The directory that has the ``ringcross_*.ko``, without debug information; the ones with
        it stay in ``modules/`` beside it.

    Raises:
        TargetError: a compiler is missing, or it has errors or warnings.
    """
    source = source or ROOT / "modules"
    folder = (build or ROOT / "build") / kernel.release
    tree, ready = folder / "modules", folder / "ko"
    stamp, log = folder / "modules.stamp", folder / "modules.log"
    command = module_command(kernel, tree)
    with writing("the module build"):
        folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        fingerprint = _fingerprint(source, [kernel.release, kernel.package_version, *command])
        if _read(stamp) == fingerprint:
            return ready
        with writing("the module build"):
            stamp.unlink(missing_ok=True)
            _mirror(source, tree)
        _make(command, log, "The modules")
        with writing("the module build"):
            if not _strip_modules(tree, ready):
                raise TargetError(f"The module build made no ringcross_*.ko: see {log}.")
            stamp.write_text(fingerprint)
    return ready


def check_modules(kernel: Kernel, source: Path | None = None, build: Path | None = None) -> None:
    """Have sparse read every kernel half: address spaces, endianness, lock balance.

    Args:
        kernel: whose headers to check against.
        source: as of :func:`build_modules`.
        build: as of :func:`build_modules`.

    Raises:
        TargetError: sparse is missing, or it complains.
    """
    _need("sparse", "sparse")
    source = source or ROOT / "modules"
    folder = (build or ROOT / "build") / kernel.release
    tree, log = folder / "sparse", folder / "sparse.log"
    with writing("the check of the modules"):
        folder.mkdir(parents=True, exist_ok=True)
        _mirror(source, tree)
    # C=2 checks every file, whether it has to be compiled or not.
    _make([*module_command(kernel, tree), "C=2"], log, "Checked by sparse, the modules")


def build_agent(source: Path | None = None, build: Path | None = None) -> Path:
    """Build the static agent.

    Args:
        source: the folder with its makefile; ``bench/agent`` when not given.
        build: where the log goes; ``build/`` in the repository when not given.

    Returns:
        Path of ``ringcross_agent`` without debug information; the one with it lies above.

    Raises:
        TargetError: a compiler is missing, or it has errors or warnings.
    """
    source = source or ROOT / "bench" / "agent"
    folder = (build or ROOT / "build") / "agent"
    _need("make", "make")
    with writing("the agent build"):
        folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        # Its makefile knows what has changed.
        command = ["make", "-C", str(source), f"OUT={folder}"]
        _make(command, folder / "agent.log", "The agent")
        agent, ready = folder / "ringcross_agent", folder / "stripped" / "ringcross_agent"
        if not agent.exists():
            raise TargetError(
                f"The agent build made no ringcross_agent: see {folder / 'agent.log'}."
            )
        if not ready.exists() or ready.stat().st_mtime < agent.stat().st_mtime:
            with writing("the agent build"):
                _strip(agent, ready)
    return ready


def module_command(kernel: Kernel, tree: Path) -> list[str]:
    """The command that builds the modules in *tree* against *kernel*."""
    _need("make", "make")
    compiler = _compiler(kernel)
    config = read_config(kernel.config)
    command = ["make", "-C", str(kernel.headers), f"M={tree}", "W=1", f"CC={compiler}"]
    if "CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=y" in config and _major(compiler) < 14:
        # The option came with gcc 14; kbuild then falls back to -falign-functions.
        command.append("CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=")
    if (kernel.headers / "vmlinux").exists() and shutil.which("pahole") is None:
        # Debug types only, no code: without pahole the build would fail over them.
        command.append("CONFIG_DEBUG_INFO_BTF_MODULES=")
    # Not a byte of a module may depend on where the repository lies: sizes shift counts.
    return [*command, f"KCFLAGS=-fmacro-prefix-map={tree}/=", "modules"]


def _compiler(kernel: Kernel) -> str:
    """The compiler that built *kernel* when it is installed, or else plain gcc."""
    match = re.search(r'CONFIG_CC_VERSION_TEXT="\S*?(gcc-\d+)', read_config(kernel.config))
    if match and shutil.which(match[1]):
        return match[1]
    _need("gcc", "gcc")
    return "gcc"


def _major(compiler: str) -> int:
    text = subprocess.run([compiler, "-dumpversion"], capture_output=True, text=True).stdout
    match = re.match(r"\d+", text)
    return int(match[0]) if match else 0


def _need(tool: str, package: str) -> None:
    if shutil.which(tool) is None:
        raise TargetError(f"{tool} is missing: install it with `apt-get install {package}`.")


def _make(command: Sequence[str], log: Path, what: str) -> None:
    """Run *command* with its output in *log*; a warning is an error."""
    with writing(f"the log of the build ({log})"), log.open("w") as out:
        out.write(f"$ {' '.join(command)}\n")
        out.flush()
        jobs = f"-j{len(os.sched_getaffinity(0))}"
        # Messages in English, so that warnings are found; no make variables from outside.
        env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
        done = subprocess.run(
            [*command, jobs], stdout=out, stderr=subprocess.STDOUT, env={**env, "LC_ALL": "C"}
        )
    said = log.read_text(errors="replace")
    check_room(said, f"a build in {log.parent}")
    problem = first_problem(said)
    if problem or done.returncode:
        told = problem or f"make ended with status {done.returncode}"
        raise TargetError(f"{what} cannot be built: {told} (whole log: {log}).")


def first_problem(log: str) -> str:
    """The first line of a build log that has a warning or an error, empty when none has."""
    for line in log.splitlines():
        if _PROBLEM.search(line) and not _HARMLESS.search(line):
            return line.strip()
    return ""


def _sources(source: Path) -> list[Path]:
    """Files of the kernel halves, relative to *source*, without the agent's."""
    files = (f for f in source.rglob("*") if f.is_file() and f.name not in AGENT)
    kept = (f for f in files if f.suffix in (".c", ".h") or f.name in ("Kbuild", "Makefile"))
    return sorted(f.relative_to(source) for f in kept)


def _fingerprint(source: Path, words: Sequence[str]) -> str:
    """Changes when a source, the kernel or the command changes."""
    digest = hashlib.sha256("\0".join(words).encode())
    for name in _sources(source):
        data = (source / name).read_bytes()
        digest.update(f"\0{name}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()


def _mirror(source: Path, tree: Path) -> None:
    """Make *tree*'s sources those of *source*; equal files keep their time, for make."""
    names = _sources(source)
    if tree.exists():
        for module in tree.glob("ringcross_*.ko"):  # of a channel that may be gone
            module.unlink()
        for old in set(_sources(tree)) - set(names):
            if not old.name.endswith(".mod.c"):
                (tree / old).unlink()
    for name in names:
        target = tree / name
        data = (source / name).read_bytes()
        if not target.exists() or target.read_bytes() != data:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)


def _strip_modules(tree: Path, ready: Path) -> list[Path]:
    """Copy the modules in *tree* to *ready*, nothing else being left there."""
    shutil.rmtree(ready, ignore_errors=True)
    made = sorted(tree.glob("ringcross_*.ko"))
    for module in made:
        _strip(module, ready / module.name)
    return made


def _strip(binary: Path, target: Path) -> None:
    """Copy *binary* without its debug information.

    That is most of its size, loading reads every byte under the measured clock, and it
    names the folder it was built in, so that counts would differ between two clones.
    """
    _need("strip", "binutils")
    target.parent.mkdir(exist_ok=True)
    part = target.with_suffix(".part")
    done = subprocess.run(
        ["strip", "--strip-debug", "-o", part, binary], capture_output=True, text=True
    )
    if done.returncode:
        check_room(done.stderr, f"a build in {target.parent}")
        raise TargetError(f"{binary.name} cannot be stripped ({done.stderr.strip()}): run again.")
    part.replace(target)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep a second build of the same thing waiting."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
