# SPDX-License-Identifier: GPL-2.0-only
"""A machine with several CPUs, on which code runs at the same time."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from bench.targets.vm import VmTarget


@dataclass(frozen=True)
class SeveralCpus(VmTarget):
    """A target whose CPUs are emulated by one host thread each, so that they run in parallel."""

    cpus: int = 2

    @classmethod
    def of(cls, target: VmTarget, cpus: int) -> SeveralCpus:
        """*target* with that many CPUs."""
        of_target = {f.name: getattr(target, f.name) for f in fields(target)}
        return cls(**of_target | {"cpus": cpus})

    def command(self, *args: Any, **options: Any) -> list[str]:
        """The command line of the target, with the number of CPUs replaced."""
        command = super().command(*args, **options)
        command[command.index("-smp") + 1] = str(self.cpus)
        return command
