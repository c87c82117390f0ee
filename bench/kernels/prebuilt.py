"""The agent and modules of another machine, for one that has no compiler or headers."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from bench.errors import UsageError


def agent(folder: Path) -> Path:
    """The agent in *folder*.

    Raises:
        UsageError: there is none, or it cannot be started.
    """
    path = folder / "ringcross_agent"
    if not path.is_file():
        raise UsageError(
            f"There is no ringcross_agent in {folder}: copy the file that `ringcross build agent` "
            "prints."
        )
    if not os.access(path, os.X_OK):
        raise UsageError(f"{path} cannot be executed: make it so with `chmod +x {path}`.")
    return path


def modules(folder: Path, release: str, names: Iterable[str]) -> Path:
    """*folder*, once it is sure that it has the modules *names* for the kernel *release*.

    Raises:
        UsageError: one is missing, or was built for another kernel.
    """
    for name in ("ringcross_core", *names):
        path = folder / f"{name}.ko"
        if not path.is_file():
            raise UsageError(
                f"There is no {path.name} in {folder}: copy all of the folder that "
                "`ringcross build modules` names, or leave out the channel that needs it."
            )
        built_for = kernel_release(path.read_bytes())
        if built_for != release:
            raise UsageError(
                f"{path} was built for kernel {built_for or 'unknown'}, and this is {release}: "
                "build it for this kernel."
            )
    return folder


def kernel_release(module: bytes) -> str:
    """The kernel that an uncompressed *module* was built for; empty when it does not tell."""
    # The first of several words: "6.1.0-56-amd64 SMP preempt mod_unload modversions".
    match = re.search(rb"\0vermagic=([^\0 ]*)", module)
    return match[1].decode(errors="replace") if match else ""
