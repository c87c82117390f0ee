# SPDX-License-Identifier: GPL-2.0-only
"""How many CPUs the virtual machine gets."""

from __future__ import annotations

import os
from dataclasses import replace

from bench.errors import UsageError
from bench.plan.cells import Clock
from bench.plan.options import USUAL_CPUS
from bench.targets.base import Target
from bench.targets.vm import VmTarget


def available() -> int:
    """Return how many CPUs of this machine this process may use."""
    return len(os.sched_getaffinity(0))


def number(wanted: int, clock: Clock, *, force: bool = False) -> int:
    """Return the number of CPUs for a virtual machine.

    By default, one CPU of this machine is left to QEMU's own thread and to the harness, but two
    CPUs are used wherever there are two, since wake-ups between CPUs differ from those on one.

    Args:
        wanted: the number that the user chose; 0 for the default.
        clock: the clock of the run.
        force: allow more CPUs than this machine has.

    Raises:
        UsageError: this clock, or this machine, does not allow *wanted* CPUs.
    """
    if clock == "instructions":
        if wanted > 1:
            raise UsageError(
                "The instructions clock counts on one CPU, since several would not run at the "
                "same time: leave out --cpus, or use --clock time."
            )
        return 1
    here = available()
    if not wanted:
        return max(min(USUAL_CPUS, here - 1), min(2, here))
    if wanted > here and not force:
        raise UsageError(
            f"This machine has {here} CPUs for {wanted} virtual ones, which would wait for each "
            f"other: use --cpus {here} or fewer."
        )
    return wanted


def count(target: Target) -> int:
    """Return the number of CPUs of the virtual machine *target*; 0 for another target."""
    return target.cpus if isinstance(target, VmTarget) else 0


def with_one(target: Target) -> Target:
    """Return *target* with one CPU, for x-rays: their tracer records one CPU only.

    The kernel keeps the locked instructions that it would leave out on one CPU, so that the code
    is the same as in the measured machine.
    """
    if count(target) < 2:
        return target
    assert isinstance(target, VmTarget)
    return replace(target, cpus=1, topology="", append=(*target.append, "noreplace-smp"))
