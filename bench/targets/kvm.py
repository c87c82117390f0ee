# SPDX-License-Identifier: GPL-2.0-only
"""Choose QEMU's accelerator, and test KVM with a real boot before using it.

On some machines ``/dev/kvm`` opens but cannot run a stock kernel.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.errors import NeverCameUp, RingcrossError, TargetError, UsageError, writing
from bench.kernels.catalog import Kernel, default_cache
from bench.plan.cells import Clock
from bench.targets.base import Deadlines
from bench.targets.vm import Accelerator, VmTarget, find_qemu, qemu_version

AcceleratorChoice = Literal["auto", "kvm", "tcg"]
"""The values of the option ``--accel``."""

PROBE_SECONDS = 20.0
"""Deadline of the test boot, in seconds."""


@dataclass(frozen=True)
class Probe:
    """Whether KVM works on this machine.

    Attributes:
        usable: whether a kernel booted under KVM.
        reason: why KVM is not usable; empty if it is.
    """

    usable: bool
    reason: str = ""


def choose(
    clock: Clock,
    accelerator: AcceleratorChoice,
    *,
    kernel: Kernel,
    agent: Path,
    force: bool = False,
    cache: Path | None = None,
) -> Accelerator:
    """Return the accelerator for *clock* that fits *accelerator* and works on this machine.

    Args:
        clock: the clock of the run.
        accelerator: what the user chose.
        kernel: the kernel under test; the KVM probe boots it too.
        agent: the static agent.
        force: allow the ``time`` clock under emulation, where its figures mean little.
        cache: where the result of the KVM probe is kept.

    Raises:
        UsageError: *clock* and *accelerator* exclude each other, or require *force*.
        TargetError: the user chose KVM and it does not work.
    """
    if clock == "instructions":
        if accelerator == "kvm":
            raise UsageError(
                "KVM cannot count instructions: use --accel tcg to count them, or --clock time."
            )
        return "icount"
    if accelerator != "tcg":
        probed = probe(kernel, agent, cache=cache)
        if probed.usable:
            return "kvm"
        if accelerator == "kvm":
            raise TargetError(
                f"KVM does not work here ({probed.reason}): use --clock instructions."
            )
    elif not force:
        raise UsageError(
            "Time under emulation says little about real time: use --clock instructions, or "
            "measure it anyway with --force-time."
        )
    if not force:
        raise UsageError(
            f"The time clock requires KVM, which does not work here ({probed.reason}): use "
            "--clock instructions, or measure under emulation with --force-time."
        )
    return "tcg"


def probe(kernel: Kernel, agent: Path, *, cache: Path | None = None) -> Probe:
    """Boot *kernel* under KVM once, with a deadline, and keep the result.

    The result is used again until the host reboots or the kernel or QEMU version changes.

    Raises:
        TargetError: QEMU is missing.
    """
    qemu = find_qemu()
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return Probe(False, "/dev/kvm is missing, or this user may not open it")
    path = (cache or default_cache()) / "kvm.json"
    key = f"{_boot_id()} {kernel.release} {kernel.package_version} {qemu_version(qemu)}"
    results = _read_results(path)
    if key not in results:
        results = {key: _boot(kernel, agent)}
        with writing("the result of the KVM probe"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(results))
    reason = results[key]
    return Probe(not reason, reason)


def _boot(kernel: Kernel, agent: Path) -> str:
    """Boot once under KVM; return why it failed, empty if it did not."""
    deadlines = Deadlines(boot=PROBE_SECONDS, silence=PROBE_SECONDS)
    target = VmTarget(kernel, agent, clock="time", accelerator="kvm", deadlines=deadlines)
    try:
        with target.start([], seed=0) as session:
            for _ in session.answers():
                pass
    except NeverCameUp:
        return f"a kernel did not boot under KVM within {PROBE_SECONDS:.0f} s"
    except RingcrossError as error:
        return str(error).rstrip(".")
    return ""


def _read_results(path: Path) -> dict[str, str]:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError):
        return {}


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
