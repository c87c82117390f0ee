# SPDX-License-Identifier: GPL-2.0-only
"""The record of a kernel that is ready for use, and the names of its architecture."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench.errors import TargetError

Reporter = Callable[[str], None]
"""A callback that prints one line of progress."""


def silent(_line: str) -> None:
    """A :data:`Reporter` that prints nothing."""


@dataclass(frozen=True)
class Arch:
    """The names of one processor architecture.

    Attributes:
        machine: as ``uname -m`` prints it.
        debian: as in the names of Debian packages.
        qemu: name of the QEMU binary.
    """

    machine: str
    debian: str
    qemu: str


ARCHES = {"x86_64": Arch("x86_64", "amd64", "qemu-system-x86_64")}


@dataclass(frozen=True)
class Kernel:
    """A kernel that is ready for use.

    Attributes:
        release: as ``uname -r`` prints it.
        package_version: the distribution's version; empty if it is not known.
        vmlinuz: boot image.
        headers: directory to build modules against.
        config: its ``.config``.
        modules_dir: directory of its stock modules; it contains ``kernel/``.
        root: directory in the cache, for what is made from the kernel. The packages of a fetched
            kernel are unpacked in it.
        build_id: changes when a kernel of the user's was built again; empty for a fetched one.
    """

    release: str
    package_version: str
    vmlinuz: Path
    headers: Path
    config: Path
    modules_dir: Path
    root: Path
    build_id: str = field(default="", kw_only=True)


def host_arch() -> Arch:
    """Return the architecture of this machine.

    Raises:
        TargetError: the architecture is not supported.
    """
    machine = platform.machine()
    if machine not in ARCHES:
        supported = ", ".join(ARCHES)
        raise TargetError(f"The architecture {machine} is not supported: run on {supported}.")
    return ARCHES[machine]


def read_config(path: Path) -> str:
    """Return the text of a ``.config``; empty if the file cannot be read."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
