# SPDX-License-Identifier: GPL-2.0-only
"""A machine with several CPUs, on which code runs at the same time."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from bench.targets.vm import VmTarget


@dataclass(frozen=True)
class SeveralCpus(VmTarget):
    """A target whose CPUs are emulated by one host thread each, so that they run in parallel.

    Attributes:
        smp: QEMU's ``-smp``: a number of CPUs, or their topology.
        features: properties to add to the CPU model, for example ``vendor=GenuineIntel``.
    """

    smp: str = "2"
    features: tuple[str, ...] = ()

    @classmethod
    def of(cls, target: VmTarget, smp: int | str, *features: str) -> SeveralCpus:
        """*target* with these CPUs."""
        of_target = {f.name: getattr(target, f.name) for f in fields(target)}
        of_target["cpus"] = int(str(smp).partition(",")[0])  # as much memory as these need
        return cls(**of_target, smp=str(smp), features=features)

    def command(self, *args: Any, **options: Any) -> list[str]:
        """The command line of the target, with the CPUs replaced."""
        command = super().command(*args, **options)
        command[command.index("-smp") + 1] = self.smp
        model = command.index("-cpu") + 1
        command[model] = ",".join((command[model], *self.features))
        return command
