# SPDX-License-Identifier: GPL-2.0-only
"""Copies of the repository's C code to which a test adds channels, or in which it plants faults."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.kernels import build
from bench.kernels.catalog import Kernel
from bench.paths import ROOT
from bench.targets.provision import requirements
from bench.targets.vm import Accelerator, VmTarget

CHANNELS = ROOT / "tests" / "channels"
"""Channels that exist only for the tests, each in a folder as in ``modules/``."""

AGENT = Path("bench/agent")


@dataclass(frozen=True)
class Tree:
    """A copy of ``bench/agent`` and ``modules``.

    Attributes:
        root: the folder of the copy.
    """

    root: Path

    @classmethod
    def copy(cls, root: Path, channels: Sequence[str] | None = None) -> Tree:
        """Copy the code to *root*; of the channels only *channels*, or all if it is None."""
        shutil.copytree(ROOT / AGENT, root / AGENT)
        shutil.copytree(ROOT / "modules", root / "modules")
        if channels is not None:
            kept = {"core", "include", "stock", "syscall", *channels}
            for folder in (root / "modules").iterdir():
                if folder.is_dir() and folder.name not in kept:
                    shutil.rmtree(folder)
        tree = cls(root)
        tree.reuse_objects()
        return tree

    @property
    def modules(self) -> Path:
        """The folder with one folder per channel."""
        return self.root / "modules"

    def add(self, channel: str, name: str = "") -> Path:
        """Add a channel of the tests, with another *name* if one is given; returns its folder."""
        return self._copy(CHANNELS / channel, name or channel)

    def add_skeleton(self, name: str) -> Path:
        """Add a copy of the skeleton, made as CONTRIBUTING.md says; returns its folder."""
        folder = self._copy(ROOT / "modules" / "skeleton", name)
        user = folder / "user.c"
        user.write_text(re.sub(r"\t\.flags = RCX_UNMEASURED.*\n", "", user.read_text()))
        return folder

    def _copy(self, source: Path, name: str) -> Path:
        """Copy the folder of a channel, and replace its name, as CONTRIBUTING.md says."""
        folder = Path(shutil.copytree(source, self.modules / name))
        for file in folder.iterdir():
            text = file.read_text().replace(source.name, name)
            file.write_text(text.replace(source.name.upper(), name.upper()))
        return folder

    def build_agent(self) -> Path:
        """Build the agent of this copy."""
        return build.build_agent(self.root / AGENT, self.root / "build")

    def reuse_objects(self) -> None:
        """Take the object files of the repository's agent, for files that are not changed.

        They are newer than all sources here, so make compiles only what is added or changed
        afterwards, and not what depends on a changed header.
        """
        objects = build.build_agent().parents[1]
        target = self.root / "build" / "agent"
        target.mkdir(parents=True)
        for file in objects.glob("*.o"):
            shutil.copy(file, target)

    def listing(self) -> dict[str, Any]:
        """The listing of this copy's agent."""
        done = subprocess.run(
            [self.build_agent(), "--list"], capture_output=True, text=True, check=True
        )
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def machine(self, kernel: Kernel, accelerator: Accelerator = "icount") -> VmTarget:
        """A virtual machine with the agent and the modules of this copy."""
        channels = self.listing()["channels"]
        return VmTarget(
            kernel=kernel,
            agent=self.build_agent(),
            modules=build.build_modules(kernel, self.modules, self.root / "build"),
            needs=requirements("needs", channels),
            append=requirements("boot", channels),
            clock="instructions" if accelerator == "icount" else "time",
            accelerator=accelerator,
        )


def change(file: Path, old: str, new: str) -> None:
    """Replace *old*, which occurs once in *file*, by *new*."""
    text = file.read_text()
    assert text.count(old) == 1, f"{file}: {old!r} occurs {text.count(old)} times"
    file.write_text(text.replace(old, new))
