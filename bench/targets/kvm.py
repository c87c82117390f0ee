"""Choose how QEMU runs the guest, and prove KVM by a real boot before trusting it.

A ``/dev/kvm`` that opens but cannot run a stock kernel exists in practice.
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

Wish = Literal["auto", "kvm", "tcg"]
"""What a user may ask for."""

PROBE_SECONDS = 20.0


@dataclass(frozen=True)
class Probe:
    """Whether KVM works here.

    Attributes:
        usable: a kernel came up under it.
        reason: why not, empty when it is usable.
    """

    usable: bool
    reason: str = ""


def choose(
    clock: Clock,
    wish: Wish,
    *,
    kernel: Kernel,
    agent: Path,
    force: bool = False,
    cache: Path | None = None,
) -> Accelerator:
    """The accelerator for *clock*, as far as *wish* and this machine allow.

    Args:
        clock: what is to be measured.
        wish: what the user asked for.
        kernel: the kernel to be measured; also boots the probe.
        agent: the static agent.
        force: allow the ``time`` clock under emulation, where it tells little.
        cache: where the probe's outcome is kept.

    Raises:
        UsageError: clock and wish do not fit together, or need *force*.
        TargetError: KVM was asked for and does not work.
    """
    if clock == "instructions":
        if wish == "kvm":
            raise UsageError(
                "KVM cannot count instructions: use --accel tcg for them, or --clock time."
            )
        return "icount"
    if wish != "tcg":
        probed = probe(kernel, agent, cache=cache)
        if probed.usable:
            return "kvm"
        if wish == "kvm":
            raise TargetError(
                f"KVM does not work here ({probed.reason}): use --clock instructions."
            )
    elif not force:
        raise UsageError(
            "Time under emulation tells little about real time: use --clock instructions, or "
            "insist with --force-time."
        )
    if not force:
        raise UsageError(
            f"There is no KVM to measure time with ({probed.reason}): use --clock instructions, "
            "or insist with --force-time."
        )
    return "tcg"


def probe(kernel: Kernel, agent: Path, *, cache: Path | None = None) -> Probe:
    """Boot *kernel* under KVM once, with a deadline, and remember how that went.

    The outcome is kept per boot of the host, kernel and version of QEMU.

    Raises:
        TargetError: QEMU is missing.
    """
    qemu = find_qemu()
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return Probe(False, "/dev/kvm is missing or not open to this user")
    memory = (cache or default_cache()) / "kvm.json"
    key = f"{_boot_id()} {kernel.release} {kernel.package_version} {qemu_version(qemu)}"
    known = _recall(memory)
    if key not in known:
        known = {key: _boot(kernel, agent)}
        with writing("the outcome of the KVM probe"):
            memory.parent.mkdir(parents=True, exist_ok=True)
            memory.write_text(json.dumps(known))
    reason = known[key]
    return Probe(not reason, reason)


def _boot(kernel: Kernel, agent: Path) -> str:
    """Boot once under KVM; why that failed, empty when it did not."""
    deadlines = Deadlines(boot=PROBE_SECONDS, silence=PROBE_SECONDS)
    target = VmTarget(kernel, agent, clock="time", accelerator="kvm", deadlines=deadlines)
    try:
        with target.start([], seed=0) as session:
            for _ in session.answers():
                pass
    except NeverCameUp:
        return f"a kernel did not come up under it within {PROBE_SECONDS:.0f} s"
    except RingcrossError as error:
        return str(error).rstrip(".")
    return ""


def _recall(memory: Path) -> dict[str, str]:
    try:
        return dict(json.loads(memory.read_text()))
    except (OSError, ValueError):
        return {}


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
