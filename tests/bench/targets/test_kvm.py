# SPDX-License-Identifier: GPL-2.0-only
"""The choice of the accelerator, and the KVM probe: a real boot."""

from __future__ import annotations

import lzma
import re
from pathlib import Path

import pytest

from bench.errors import KernelPanic, RingcrossError, TargetError, TargetLost, UsageError
from bench.kernels.catalog import Kernel
from bench.plan.cells import Clock
from bench.targets import kvm, kvm_device
from bench.targets.kvm import AcceleratorChoice, Probe
from bench.targets.vm import Accelerator, VmTarget
from tests.bench.kernels.boot_image import ELF, boot_image
from tests.bench.targets.test_vm import fake_qemu

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

    def __init__(self, outcome: str = "") -> None:
        self.outcome = outcome
        self.boots = 0

    def __call__(self, _kernel: Kernel, _agent: Path) -> Probe:
        self.boots += 1
        return Probe(not self.outcome, self.outcome, "", "2026-01-31 12:00:00 UTC", 3.5)


@pytest.fixture
def kvm_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kvm, "find_qemu", lambda: "qemu")
    monkeypatch.setattr(kvm, "qemu_version", lambda _qemu: "9.9")
    monkeypatch.setattr(kvm, "_boot_id", lambda: "boot-1")
    monkeypatch.setattr(kvm_device, "check", lambda: None)


@pytest.fixture
def boot(monkeypatch: pytest.MonkeyPatch, kvm_opens: None) -> FakeBoot:
    fake = FakeBoot()
    monkeypatch.setattr(kvm, "_boot", fake)
    return fake


@pytest.mark.parametrize("outcome", ["", "it hangs"])
def test_outcome_is_remembered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, boot: FakeBoot, outcome: str
) -> None:
    boot.outcome = outcome
    for _ in range(3):
        probed = kvm.probe(KERNEL, AGENT, cache=tmp_path)
        assert (probed.usable, probed.reason, probed.seconds) == (not outcome, outcome, 3.5)
        assert kvm.last_result(tmp_path) == probed
    assert boot.boots == 1
    monkeypatch.setattr(kvm, "qemu_version", lambda _qemu: "9.9.1")
    kvm.probe(KERNEL, AGENT, cache=tmp_path)
    monkeypatch.setattr(kvm, "_boot_id", lambda: "boot-2")
    assert kvm.last_result(tmp_path) is None, "of an earlier start of this machine"
    kvm.probe(KERNEL, AGENT, cache=tmp_path)
    kvm.probe(KERNEL, AGENT, cache=tmp_path, again=True)
    assert boot.boots == 4


def test_a_result_that_cannot_be_stored_is_kept_for_this_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, boot: FakeBoot
) -> None:
    monkeypatch.setattr(kvm, "_unwritten", {})
    (tmp_path / "file").touch()
    for _ in range(3):
        assert kvm.probe(KERNEL, AGENT, cache=tmp_path / "file").usable
    assert boot.boots == 1
    kvm.probe(KERNEL, AGENT, cache=tmp_path / "file", again=True)
    assert boot.boots == 2


@pytest.mark.parametrize(
    "content",
    [
        "damaged",
        "[1, 2]",
        "3",
        "{}",
        '{"boot-1 6.1.0-0-amd64 1 9.9": ""}',
        '{"key": "boot-1 6.1.0-0-amd64 1 9.9", "usable": "yes"}',
        '{"key": "boot-1 6.1.0-0-amd64 1 9.9", "usable": true, "reason": "", "advice": "", '
        '"tried": 5, "seconds": 3.5}',
    ],
)
def test_a_result_of_the_wrong_type_is_made_anew(
    tmp_path: Path, boot: FakeBoot, content: str
) -> None:
    """The last two have the right key; the one before is the format of version 1."""
    (tmp_path / "kvm.json").write_text(content)
    assert kvm.last_result(tmp_path) is None
    assert kvm.probe(KERNEL, AGENT, cache=tmp_path).usable
    assert kvm.probe(KERNEL, AGENT, cache=tmp_path).usable
    assert boot.boots == 1


def test_a_device_that_refuses_is_not_tried(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, boot: FakeBoot
) -> None:
    refusal = kvm_device.Refusal("this user may not open it", "Add the user.")
    monkeypatch.setattr(kvm_device, "check", lambda: refusal)
    probed = kvm.probe(KERNEL, AGENT, cache=tmp_path)
    assert probed == Probe(False, "this user may not open it", "Add the user.")
    assert boot.boots == 0
    assert list(tmp_path.iterdir()) == [], "not kept: the user may get access later"


def test_a_refusal_ends_with_the_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    probed = Probe(False, "this user may not open it", "Add the user.")
    monkeypatch.setattr(kvm, "probe", lambda *_a, **_k: probed)
    with pytest.raises(TargetError, match=r"use --clock instructions\. Add the user\.$"):
        kvm.choose("time", "kvm", kernel=KERNEL, agent=AGENT)
    with pytest.raises(UsageError, match=r"with --force-time\. Add the user\.$"):
        kvm.choose("time", "auto", kernel=KERNEL, agent=AGENT)


def boot_with(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, then: str, nested: bool = False
) -> Probe:
    """The outcome of a boot in which QEMU does *then*."""
    vmlinuz, agent = tmp_path / "vmlinuz", tmp_path / "agent"
    vmlinuz.write_bytes(boot_image(lzma.compress(ELF)))
    agent.write_bytes(b"agent")
    monkeypatch.setenv("RINGCROSS_QEMU", fake_qemu(tmp_path, then))
    monkeypatch.setattr(kvm, "PROBE_SECONDS", 2.0)
    monkeypatch.setattr(kvm, "NESTED_SECONDS", 4.0)
    monkeypatch.setattr(kvm_device, "is_virtual", lambda: nested)
    kernel = Kernel("6.1.0-0-amd64", "1", vmlinuz, *[tmp_path] * 4)
    return kvm._boot(kernel, agent)


def test_qemu_that_ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    probed = boot_with(
        monkeypatch,
        tmp_path,
        "echo 'qemu-system-x86_64: ../kvm.c:3183: Assertion `ret == n` failed.' >&2; exit 134",
    )
    assert re.fullmatch(
        r"QEMU ended after 0\.\d s under KVM: \.\./kvm\.c:3183: Assertion `ret == n` failed",
        probed.reason,
    )
    assert "--probe-kvm" in probed.advice
    assert probed.seconds < 2
    assert probed.tried.endswith(" UTC")


def test_a_processor_that_qemu_stops_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """QEMU itself keeps running after these messages."""
    then = "printf 'KVM internal error. Suberror: 1\\nemulation failure\\n' >&2; exec sleep 60"
    probed = boot_with(monkeypatch, tmp_path, then)
    assert re.fullmatch(
        r"QEMU ended after [01]\.\d s under KVM: KVM internal error\. Suberror: 1", probed.reason
    )


def test_a_boot_that_hangs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    then = (
        'for word; do case "$word" in *id=console*) echo "[ 0.5] last words" > "${word##*path=}";; '
        "esac; done; exec sleep 60"
    )
    probed = boot_with(monkeypatch, tmp_path, then)
    assert probed.reason == (
        "a kernel did not come up under KVM within 2 s; its last message: [ 0.5] last words"
    )
    assert "busy" in probed.advice
    silent = boot_with(monkeypatch, tmp_path, "exec sleep 60")
    assert silent.reason == "a kernel did not come up under KVM within 2 s and printed nothing"
    nested = boot_with(monkeypatch, tmp_path, "exec sleep 60", nested=True)
    assert "within 4 s" in nested.reason, "a boot in a virtual machine may take longer"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            TargetLost("The machine ended before the first answer (signal 9): run again."),
            "The machine ended before the first answer (signal 9)",
        ),
        (KernelPanic("The kernel crashed: Oops: 0000"), "The kernel crashed: Oops: 0000"),
        (TargetError("No room."), "No room"),
    ],
)
def test_reason_of_another_error(
    monkeypatch: pytest.MonkeyPatch, error: RingcrossError, reason: str
) -> None:
    def start(*_a: object, **_k: object) -> None:
        raise error

    monkeypatch.setattr(VmTarget, "start", start)
    assert kvm._boot(KERNEL, AGENT).reason == reason
