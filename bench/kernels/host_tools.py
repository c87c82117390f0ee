# SPDX-License-Identifier: GPL-2.0-only
"""Make the programs in a kernel's headers run on this machine.

The headers contain programs that a module build needs, for example ``modpost``. Those of a newer
distribution require a newer C library than this machine may have. Such a program is started through
the dynamic loader of its own distribution, with the libraries of that distribution.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bench import child
from bench.errors import TargetError

LIBRARIES = re.compile(r"lib|zlib1g$")
"""The packages that these programs depend on."""

FOLDER = "host-libraries"
"""Where the libraries are unpacked, below the kernel's folder."""


def programs(root: Path) -> Iterator[Path]:
    """Yield the programs in the headers below *root* that have been compiled for this machine."""
    for folder, _, names in os.walk(root / "usr"):
        for name in names:
            path = Path(folder, name)
            if path.is_symlink() or not path.stat().st_mode & 0o111:
                continue
            with path.open("rb") as file:
                head = file.read(4096)
            # Without a loader's name in its first page, the program has no shared libraries.
            if head.startswith(b"\x7fELF") and b"/ld-linux" in head:
                yield path


def runs(program: Path) -> bool:
    """Whether this machine has every library that *program* needs, in a version that suffices."""
    try:
        result = subprocess.run(
            [program],
            capture_output=True,
            text=True,
            errors="replace",
            # The loader lists the libraries, and does not start the program.
            env=child.environment() | {"LD_TRACE_LOADED_OBJECTS": "1"},
        )
    except OSError:  # for example no such loader
        return False
    return not result.returncode and "not found" not in result.stdout + result.stderr


def wrap(program: Path, root: Path, final: Path) -> None:
    """Replace *program* by a script that starts it with the libraries in *root*.

    Args:
        program: the program, in *root*.
        root: the folder in which the packages were unpacked.
        final: where *root* is moved later.

    Raises:
        TargetError: the libraries contain no loader.
    """
    libraries = root / FOLDER
    loader = next(libraries.rglob("ld-linux-x86-64.so.2"), None)
    if loader is None:
        raise TargetError(
            f"{program.name} of these headers cannot run on this machine, and the C library that "
            "it needs was not found: choose another kernel."
        )
    folders = sorted({file.parent for file in libraries.rglob("*.so.*")})
    path = ":".join(str(final / folder.relative_to(root)) for folder in folders)
    binary = program.with_name(f"{program.name}.elf")
    program.rename(binary)
    command = [
        str(final / loader.relative_to(root)),
        "--library-path",
        path,
        str(final / binary.relative_to(root)),
    ]
    program.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
    program.chmod(0o755)
