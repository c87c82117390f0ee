# SPDX-License-Identifier: GPL-2.0-only
"""Choose QEMU's accelerator, and test KVM with a real boot before using it.

On some machines ``/dev/kvm`` opens but cannot run a stock kernel.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from bench.errors import NeverCameUp, RingcrossError, TargetError, UsageError
from bench.kernels.catalog import Kernel, default_cache
from bench.plan.cells import Clock
from bench.targets import kvm_device
from bench.targets.base import Deadlines
from bench.targets.vm import Accelerator, VmTarget, find_qemu, qemu_version

AcceleratorChoice = Literal["auto", "kvm", "tcg"]
"""The values of the option ``--accel``."""

PROBE_SECONDS = 20.0
"""Deadline of the test boot, in seconds."""

NESTED_SECONDS = 60.0
"""The deadline on a machine that is itself virtual, where a boot under KVM is slower."""


@dataclass(frozen=True)
class Probe:
    """Whether KVM works on this machine.

    Attributes:
        usable: whether a kernel booted under KVM.
        reason: why KVM is not usable, a clause without a full stop; empty if it is.
        advice: what to do about it, one or more sentences; empty if it is usable.
        tried: when a kernel was booted under KVM, for example ``2026-01-31 12:00:00 UTC``; empty
            if that was not tried.
        seconds: how long that took.
    """

    usable: bool
    reason: str = ""
    advice: str = ""
    tried: str = ""
    seconds: float = 0.0


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
                f"KVM does not work here ({probed.reason}): use --clock instructions. "
                f"{probed.advice}"
            )
    elif not force:
        raise UsageError(
            "Time under emulation says little about real time: use --clock instructions, or "
            "measure it anyway with --force-time."
        )
    if not force:
        raise UsageError(
            f"The time clock requires KVM, which does not work here ({probed.reason}): use "
            "--clock instructions, or measure under emulation with --force-time. "
            f"{probed.advice}"
        )
    return "tcg"


def probe(kernel: Kernel, agent: Path, *, cache: Path | None = None, again: bool = False) -> Probe:
    """Boot *kernel* under KVM once, with a deadline, and keep the result.

    The result is used again until the host reboots or the kernel or QEMU version changes.

    Args:
        kernel: the kernel to boot.
        agent: the static agent.
        cache: folder in which the result is kept.
        again: boot even if there is a result.

    Raises:
        TargetError: QEMU is missing.
    """
    qemu = find_qemu()
    if refusal := kvm_device.check():
        return Probe(False, refusal.reason, refusal.advice)
    version = kernel.package_version or kernel.build_id
    key = f"{_boot_id()} {kernel.release} {version} {qemu_version(qemu)}"
    known_key, known = _read_result(cache)
    if known is not None and known_key == key and not again:
        return known
    if key in _unwritten and not again:
        return _unwritten[key]
    probed = _boot(kernel, agent)
    path = _path(cache)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"key": key, **asdict(probed)}), encoding="utf-8")
    except OSError:  # a full or read-only cache; the next run probes again
        _unwritten[key] = probed
    return probed


_unwritten: dict[str, Probe] = {}
"""Results that could not be stored, by key. One run asks several times."""


def last_result(cache: Path | None = None) -> Probe | None:
    """Return the result of the last probe since this machine was started, if there is one."""
    key, known = _read_result(cache)
    return known if key.split(" ")[0] == _boot_id() else None


def _boot(kernel: Kernel, agent: Path) -> Probe:
    """Boot once under KVM, and report what happened."""
    seconds = NESTED_SECONDS if kvm_device.is_virtual() else PROBE_SECONDS
    deadlines = Deadlines(boot=seconds, silence=seconds)
    target = VmTarget(kernel, agent, clock="time", accelerator="kvm", deadlines=deadlines)
    tried = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    started = time.monotonic()
    reason = advice = ""
    try:
        with target.start([], seed=0) as session:
            started = time.monotonic()  # without the time to make the initramfs
            for _ in session.answers():
                pass
    except NeverCameUp as error:
        reason, advice = _explain(error, time.monotonic() - started, seconds)
    except RingcrossError as error:
        # Without the advice for a run.
        reason, advice = re.split(r": (?:see|run) |\.$", str(error))[0], _TRY_AGAIN
    return Probe(not reason, reason, advice, tried, round(time.monotonic() - started, 1))


_TRY_AGAIN = "To test KVM again: ringcross doctor --probe-kvm."


def _explain(error: NeverCameUp, seconds: float, limit: float) -> tuple[str, str]:
    """Return reason and advice for a boot that ended after *seconds*, or reached the *limit*."""
    if error.ended:
        # QEMU puts its own name before its messages.
        message = re.sub(r"^\S*qemu-system-\S+: ", "", error.last_line).rstrip(".")
        return f"QEMU ended after {seconds:.1f} s under KVM: {message or 'no message'}", _TRY_AGAIN
    last = f"; its last message: {error.last_line}" if error.last_line else " and printed nothing"
    return (
        f"a kernel did not come up under KVM within {limit:.0f} s{last}",
        f"If the machine was busy, wait until it is idle. {_TRY_AGAIN}",
    )


def _path(cache: Path | None) -> Path:
    return (cache or default_cache()) / "kvm.json"


def _read_result(cache: Path | None) -> tuple[str, Probe | None]:
    """Return the stored result and its key; ``None`` if there is none that can be read."""
    try:
        document: Any = json.loads(_path(cache).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "", None
    if not isinstance(document, dict):
        return "", None
    key = document.pop("key", None)
    kinds = {field.name: type(field.default) for field in fields(Probe)} | {"usable": bool}
    if not isinstance(key, str) or {n: type(v) for n, v in document.items()} != kinds:
        return "", None
    return key, Probe(**document)


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
