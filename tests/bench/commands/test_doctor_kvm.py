# SPDX-License-Identifier: GPL-2.0-only
"""What ``ringcross doctor`` reports about KVM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.commands import doctor_kvm
from bench.errors import TargetError
from bench.host import doctor
from bench.targets import kvm, kvm_device
from bench.targets.kvm import Probe

TRIED = "2026-01-31 12:00:00 UTC"


@pytest.fixture(autouse=True)
def kvm_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kvm_device, "check", lambda: None)


def last(monkeypatch: pytest.MonkeyPatch, probed: Probe | None) -> None:
    monkeypatch.setattr(kvm, "last_result", lambda: probed)


def test_a_refusal_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = kvm_device.Refusal("/dev/kvm is missing", "Load it.")
    monkeypatch.setattr(kvm_device, "check", lambda: refusal)
    finding = doctor_kvm.kvm_finding()
    assert (finding.what, finding.state, finding.found) == ("kvm", "note", "/dev/kvm is missing")
    assert finding.advice.startswith("Load it. Runs count instructions.")


def test_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    last(monkeypatch, None)
    finding = doctor_kvm.kvm_finding()
    assert finding.state == "ok"
    assert "no kernel was booted under it yet" in finding.found


def test_what_the_probe_found_and_when(monkeypatch: pytest.MonkeyPatch) -> None:
    last(monkeypatch, Probe(True, tried=TRIED, seconds=1.2))
    finding = doctor_kvm.kvm_finding()
    assert (finding.state, finding.found) == ("ok", f"a kernel came up in 1.2 s (tried at {TRIED})")
    last(monkeypatch, Probe(False, "QEMU ended", "Try.", TRIED, 0.4))
    finding = doctor_kvm.kvm_finding()
    assert (finding.state, finding.found) == ("note", f"QEMU ended (tried at {TRIED})")
    assert finding.advice.startswith("Try.")


def test_a_boot_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def probe(*_a: object, **options: Any) -> Probe:
        asked.append(options)
        return Probe(True, tried=TRIED, seconds=2.0)

    monkeypatch.setattr(kvm, "probe", probe)
    monkeypatch.setattr("bench.kernels.build.build_agent", lambda: Path("/none"))
    monkeypatch.setattr("bench.kernels.catalog.list_kernels", lambda: [object()])
    assert "came up in 2.0 s" in doctor_kvm.kvm_finding(boot=True).found
    assert asked == [{"again": True}]


def test_a_boot_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(_spec: str) -> None:
        raise TargetError("No kernel: install apt.")

    monkeypatch.setattr("bench.kernels.catalog.list_kernels", list)
    monkeypatch.setattr("bench.kernels.catalog.find", find)
    finding = doctor_kvm.kvm_finding(boot=True)
    assert (finding.state, finding.advice) == ("note", "No kernel: install apt.")


def test_it_stands_with_what_a_run_requires(monkeypatch: pytest.MonkeyPatch) -> None:
    last(monkeypatch, None)
    groups = [f.group for f in doctor.examine(doctor_kvm.kvm_finding())]
    assert groups == sorted(groups), "the groups are not mixed"
