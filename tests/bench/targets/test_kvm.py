# SPDX-License-Identifier: GPL-2.0-only
"""The choice of the accelerator, and the KVM probe: a real boot."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import NeverCameUp, TargetError, UsageError
from bench.kernels.catalog import Kernel
from bench.plan.cells import Clock
from bench.targets import kvm
from bench.targets.kvm import AcceleratorChoice, Probe
from bench.targets.vm import Accelerator, VmTarget

KERNEL = Kernel("6.1.0-0-amd64", "1", *[Path("/none")] * 5)
AGENT = Path("/none")


def choose(
    monkeypatch: pytest.MonkeyPatch,
    clock: Clock,
    accelerator: AcceleratorChoice,
    *,
    usable: bool,
    force: bool = False,
) -> Accelerator:
    probed = Probe(usable, "" if usable else "it hangs")
    monkeypatch.setattr(kvm, "probe", lambda *_a, **_k: probed)
    return kvm.choose(clock, accelerator, kernel=KERNEL, agent=AGENT, force=force)


@pytest.mark.parametrize(
    ("clock", "accelerator", "usable", "force", "chosen"),
    [
        ("instructions", "auto", True, False, "icount"),
        ("instructions", "tcg", False, False, "icount"),
        ("time", "auto", True, False, "kvm"),
        ("time", "kvm", True, False, "kvm"),
        ("time", "auto", True, True, "kvm"),
        ("time", "auto", False, True, "tcg"),
        ("time", "tcg", True, True, "tcg"),
    ],
)
def test_choice(
    monkeypatch: pytest.MonkeyPatch,
    clock: Clock,
    accelerator: AcceleratorChoice,
    usable: bool,
    force: bool,
    chosen: Accelerator,
) -> None:
    assert choose(monkeypatch, clock, accelerator, usable=usable, force=force) == chosen


@pytest.mark.parametrize(
    ("clock", "accelerator", "error", "message"),
    [
        ("instructions", "kvm", UsageError, "KVM cannot count instructions: use --accel tcg"),
        ("time", "auto", UsageError, r"requires KVM.*\(it hangs\): use --clock instructions, or"),
        ("time", "tcg", UsageError, "Time under emulation .* --force-time"),
        ("time", "kvm", TargetError, r"KVM does not work here \(it hangs\)"),
    ],
)
def test_refusal(
    monkeypatch: pytest.MonkeyPatch,
    clock: Clock,
    accelerator: AcceleratorChoice,
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        choose(monkeypatch, clock, accelerator, usable=False)


class FakeBoot:
    """Replaces the boot under KVM, and counts its calls."""

    def __init__(self, outcome: str) -> None:
        self.outcome = outcome
        self.boots = 0

    def __call__(self, _kernel: Kernel, _agent: Path) -> str:
        self.boots += 1
        return self.outcome


@pytest.fixture
def kvm_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kvm, "find_qemu", lambda: "qemu")
    monkeypatch.setattr(kvm, "qemu_version", lambda _qemu: "9.9")
    monkeypatch.setattr(kvm, "_boot_id", lambda: "boot 1")
    monkeypatch.setattr("os.access", lambda *_a: True)


@pytest.mark.usefixtures("kvm_opens")
@pytest.mark.parametrize("outcome", ["", "it hangs"])
def test_outcome_is_remembered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, outcome: str
) -> None:
    boot = FakeBoot(outcome)
    monkeypatch.setattr(kvm, "_boot", boot)
    for _ in range(3):
        assert kvm.probe(KERNEL, AGENT, cache=tmp_path) == Probe(not outcome, outcome)
    assert boot.boots == 1
    monkeypatch.setattr(kvm, "qemu_version", lambda _qemu: "10.0")
    kvm.probe(KERNEL, AGENT, cache=tmp_path)
    monkeypatch.setattr(kvm, "_boot_id", lambda: "boot 2")
    kvm.probe(KERNEL, AGENT, cache=tmp_path)
    (tmp_path / "kvm.json").write_text("damaged")
    kvm.probe(KERNEL, AGENT, cache=tmp_path)
    assert boot.boots == 4


@pytest.mark.usefixtures("kvm_opens")
def test_closed_device_is_not_tried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    boot = FakeBoot("")
    monkeypatch.setattr(kvm, "_boot", boot)
    monkeypatch.setattr("os.access", lambda *_a: False)
    assert not kvm.probe(KERNEL, AGENT, cache=tmp_path).usable
    assert boot.boots == 0
    assert list(tmp_path.iterdir()) == [], "not kept: the user may get access later"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (NeverCameUp("Whatever."), "a kernel did not boot under KVM within 20 s"),
        (TargetError("No room."), "No room"),
    ],
)
def test_reason_of_a_failed_boot(
    monkeypatch: pytest.MonkeyPatch, error: TargetError, reason: str
) -> None:
    def start(*_a: object, **_k: object) -> None:
        raise error

    monkeypatch.setattr(VmTarget, "start", start)
    assert kvm._boot(KERNEL, AGENT) == reason
