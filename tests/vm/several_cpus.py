# SPDX-License-Identifier: GPL-2.0-only
"""A machine of several CPUs: what may meet on one of them only one after the other."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from bench.targets.vm import VmTarget


@dataclass(frozen=True)
class SeveralCpus(VmTarget):
    """Emulated by a thread each, so that they do run at the same time."""

    cpus: int = 2

    @classmethod
    def of(cls, target: VmTarget, cpus: int) -> SeveralCpus:
        """*target* with that many CPUs."""
        return cls(**{f.name: getattr(target, f.name) for f in fields(target)}, cpus=cpus)

    def command(self, *args: Any, **options: Any) -> list[str]:
        """The same but for the number of CPUs."""
        command = super().command(*args, **options)
        command[command.index("-smp") + 1] = str(self.cpus)
        return command
