# SPDX-License-Identifier: GPL-2.0-only
"""Use an agent and modules that were built on another machine."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from bench.errors import UsageError


def agent(folder: Path) -> Path:
    """Return the path of the agent in *folder*.

    Raises:
        UsageError: there is no agent, or it is not executable.
    """
    path = folder / "ringcross_agent"
    if not path.is_file():
        raise UsageError(
            f"There is no ringcross_agent in {folder}: run ringcross build agent, then copy the "
            "file that it names."
        )
    if not os.access(path, os.X_OK):
        raise UsageError(f"{path} is not executable: run chmod +x {path}")
    return path


def modules(folder: Path, release: str, names: Iterable[str]) -> Path:
    """Check that *folder* has the modules *names* for kernel *release*, and return *folder*.

    Raises:
        UsageError: a module is missing, or was built for another kernel.
    """
    for name in ("ringcross_core", *names):
        path = folder / f"{name}.ko"
        if not path.is_file():
            raise UsageError(
                f"There is no {path.name} in {folder}: run ringcross build modules, then copy the "
                "whole folder that it names, or leave out the channel that needs the module."
            )
        built_for = kernel_release(path.read_bytes())
        if built_for != release:
            other = f"kernel {built_for}" if built_for else "an unknown kernel"
            raise UsageError(
                f"{path} was built for {other}, not for {release}: build it for this kernel."
            )
    return folder


def kernel_release(module: bytes) -> str:
    """Return the release that an uncompressed *module* was built for; empty if it has none."""
    # The first word of for example "6.1.0-56-amd64 SMP preempt mod_unload modversions".
    match = re.search(rb"\0vermagic=([^\0 ]*)", module)
    return match[1].decode(errors="replace") if match else ""
