# SPDX-License-Identifier: GPL-2.0-only
"""A guest that contains this Python interpreter, for tests of the local target with modules.

Its root file system is an initramfs with the interpreter that runs the tests, the dependencies
of ringcross, and the repository.  All files have the same paths as on this machine.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path, PurePath
from typing import Any, BinaryIO

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bench.kernels import build, initramfs
from bench.kernels.catalog import Kernel, elf_image
from bench.paths import ROOT
from bench.targets import kvm
from bench.targets.agent_process import read_console
from bench.targets.vm import Accelerator, VmTarget, find_qemu
from tests.vm import limited

_PREBUILT = "modules"  # folder of the agent and the modules
# busybox has a setpriv too, but without --pdeathsig.
_TOOLS = ("busybox", "setpriv")
_OURS = ("bench/**/*.py", "reports/**/*.py", "tests/vm/*.py", "conftest.py", "pyproject.toml")
_LEFT_OUT = {"matplotlib"}  # large, and needed only for the figures of reports
# The interpreter's library also contains other packages, and paths with ".." lead to programs.
_SKIPPED = {"..", "site-packages", "dist-packages", "__pycache__", "test", "tests"}
_SOURCE = {".a", ".c", ".cc", ".h", ".hpp", ".o", ".pxd", ".pxi", ".pyi", ".pyx"}

_ENDED = "The program ended with status"
_INIT = """#!{busybox} sh
{busybox} mkdir -p /bin
{busybox} --install -s /bin
export PATH={path}:/bin HOME=/root LANG=C.UTF-8 OPENBLAS_NUM_THREADS=1
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
ln -s /proc/self/fd /dev/fd
chmod +x {prebuilt}/ringcross_agent
cd {root} && {python} -m {program} {prebuilt}
echo "{ended} $?"
reboot -f
"""


def run(
    program: str,
    folder: Path,
    *,
    kernel: Kernel,
    seconds: float,
    files: initramfs.Files | None = None,
) -> list[dict[str, Any]]:
    """Boot *kernel* and run ``python -m program`` there, as root.

    Args:
        program: a module of the repository; its argument is the folder with the agent and the
            modules.
        folder: for the console's output and an initramfs of some hundred megabytes.
        kernel: the kernel to boot; the modules are built for it.
        seconds: time limit; see :func:`tests.vm.limited.run`.
        files: additional files, in folders of :data:`bench.kernels.initramfs.DIRECTORIES`.

    Returns:
        The JSON documents that the program wrote to QEMU's debug console, one per line.
    """
    agent = build.build_agent()
    accelerator: Accelerator = "kvm" if kvm.probe(kernel, agent).usable else "tcg"
    # Two processors, as on ordinary machines.
    target = VmTarget(kernel, agent, clock="time", accelerator=accelerator, memory=2000, cpus=2)
    initrd, console, reports = (folder / name for name in ("initramfs", "console", "reports"))
    try:
        pack(initrd, program, agent, build.build_modules(kernel), files)
        with reports.open("wb") as answers:
            command = target.command(
                find_qemu(),
                kernel=elf_image(kernel),
                initrd=initrd,
                console=console,
                answers=answers.fileno(),
                seed=1,
            )
            # The program writes to the debug console, which timed agents do not use.
            console_port = f"file,id=reports,path=/dev/fd/{answers.fileno()}"
            command += ["-chardev", console_port]
            command += ["-device", "isa-debugcon,iobase=0xe9,chardev=reports"]
            limited.run(command, seconds=seconds, keep=[answers.fileno()])
    finally:
        initrd.unlink(missing_ok=True)
    output = read_console(console)
    assert f"{_ENDED} 0" in output, f"The program failed; the console:\n{output}"
    return [json.loads(line) for line in reports.read_text().splitlines()]


def pack(
    path: Path, program: str, agent: Path, modules: Path, more: initramfs.Files | None = None
) -> None:
    """Write the root file system of a guest that runs *program*."""
    tools = [_tool(name) for name in _TOOLS]
    init = _INIT.format(
        busybox=tools[0],
        path=":".join(sorted({str(tool.parent) for tool in tools})),
        prebuilt=f"/{_PREBUILT}",
        root=shlex.quote(str(ROOT)),
        python=shlex.quote(sys.executable),
        program=program,
        ended=_ENDED,
    )
    parts = [agent, *modules.glob("ringcross_*.ko")]
    files = {f"{_PREBUILT}/{part.name}": part.read_bytes() for part in parts}
    ours = {file for name in _OURS for file in ROOT.glob(name) if file.is_file()}
    python = {Path(sys.executable), *_python()}
    linked = {*tools, Path(sys.executable), *(file for file in python if ".so" in file.name)}
    with path.open("wb") as archive:
        archive.write(initramfs.archive(init.encode(), files | (more or {})))
        _append(archive, {*linked, *_libraries(linked), *python, *ours})


def _tool(name: str) -> Path:
    path = shutil.which(name)
    assert path, f"{name} is missing: see packages.txt"
    return Path(path)


def _append(archive: BinaryIO, files: Iterable[Path]) -> None:
    """Append *files* at their own paths; follow links, and keep modification times.

    Python compares these times with its compiled files.  The kernel unpacks one archive after
    another, and does not create missing folders.
    """
    folders = {folder for file in files for folder in file.parents[:-1]}
    for number, path in enumerate((*sorted(folders), *sorted(files))):
        status, name = path.stat(), str(path)[1:]
        size = 0 if path in folders else status.st_size
        archive.write(
            initramfs.header(number, name, status.st_mode, size, mtime=int(status.st_mtime))
        )
        if size:
            with path.open("rb") as file:
                shutil.copyfileobj(file, archive, 1 << 20)
            archive.write(initramfs.padding(size))
    archive.write(initramfs.header(0, "TRAILER!!!", 0, 0))


def _python() -> Iterator[Path]:
    """Files of the interpreter's library and of the dependencies of ringcross."""
    library = Path(sysconfig.get_path("stdlib"))
    yield from _code(library, (file.relative_to(library) for file in library.rglob("*")))
    if sys.prefix != sys.base_prefix:
        yield Path(sys.prefix, "pyvenv.cfg")
    for distribution in _distributions():
        site = Path(str(distribution.locate_file("")))
        yield from _code(site, distribution.files or ())


def _distributions() -> list[metadata.Distribution]:
    """The distributions that ringcross depends on, directly or indirectly."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found: dict[str, metadata.Distribution] = {}
    queue = list(project["dependencies"])
    while queue:
        requirement = Requirement(queue.pop())
        name = canonicalize_name(requirement.name)
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if applies and name not in found and name not in _LEFT_OUT:
            found[name] = metadata.distribution(name)
            queue += found[name].requires or ()
    return list(found.values())


def _code(root: Path, names: Iterable[PurePath]) -> Iterator[Path]:
    """The files *names* below *root* that may be needed at run time, and their compiled forms."""
    for name in names:
        path = root / name
        if _SKIPPED.isdisjoint(name.parts) and name.suffix not in _SOURCE and path.is_file():
            yield path
            compiled = Path(importlib.util.cache_from_source(str(path)))
            if name.suffix == ".py" and compiled.is_file():
                yield compiled


def _libraries(files: Iterable[Path]) -> set[Path]:
    """The shared libraries that *files* are linked with, and the loader."""
    listing = subprocess.run(["ldd", *files], capture_output=True, text=True).stdout
    found = re.findall(r"(?:=> |^\t)(/\S+) \(0x", listing, re.MULTILINE)
    # ldd prints the libraries of packages with ".." in their paths.
    return {Path(os.path.normpath(library)) for library in found}
