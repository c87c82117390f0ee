# SPDX-License-Identifier: GPL-2.0-only
"""The findings of ``ringcross doctor``, and its advice."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.host import doctor, knobs
from bench.host.doctor import Finding, install_command
from bench.kernels import module_signing
from tests.bench.host.knobs.tree import GOOD


def test_one_command_installs_all_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    findings = [
        Finding("bc", "missing", "no bc", package="bc"),
        Finding("kvm", "note", "none"),
        Finding("kmod", "missing", "no modinfo", package="kmod"),
    ]
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    command = install_command(findings)
    assert command == "sudo apt-get install -y --no-install-recommends bc kmod"
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert install_command(findings).startswith("apt-get ")
    assert install_command([]) == ""


def test_without_a_package_manager_the_signs_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.host.packages._on_path", lambda _: False)
    findings = {finding.what: finding for finding in doctor._packages()}
    assert findings["qemu-system-x86_64"].state == "missing"
    assert findings["qemu-system-x86_64"].advice == "Install what provides qemu-system-x86_64."
    assert install_command(findings.values()) == ""


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RINGCROSS_CACHE", str(tmp_path / "not" / "there"))
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10**8})())
    (finding,) = doctor._disk()
    assert (finding.state, finding.found[:6]) == ("missing", "0.1 GB")


def test_a_cache_that_cannot_be_used_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RINGCROSS_CACHE", str(tmp_path / "file"))
    (finding,) = doctor._disk()
    assert finding.state == "missing"
    assert "is not a directory: remove it, or set RINGCROSS_CACHE" in finding.advice


def test_every_check_says_something() -> None:
    for finding in doctor.examine():
        assert finding.what
        assert finding.found
        assert finding.state == "ok" or finding.advice or finding.package
        assert finding.group in doctor.GROUPS


def test_a_kernel_that_refuses_unsigned_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    (finding,) = doctor._module_signing()
    assert finding.what == "unsigned modules"
    reason = "lockdown is integrity, Secure Boot is on"
    monkeypatch.setattr(module_signing, "enforced_here", lambda _: reason)
    (finding,) = doctor._module_signing()
    assert finding.state == "note"
    assert reason in finding.found
    assert "--target vm" in finding.advice


def test_knobs_are_told_of_by_name_and_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {**GOOD, "/proc/loadavg": "9.0 8 7 1/2 3"}
    monkeypatch.setattr(knobs, "read", lambda _: files)
    findings = {finding.what: finding for finding in doctor._knobs()}
    assert findings["load"].state == "note"
    assert "load 9.0" in findings["load"].advice
    assert {f.state for name, f in findings.items() if name != "load"} == {"ok"}
    assert {f.group for f in findings.values()} == {"time"}
    assert "kernel config" not in findings, "it concerns the kernel under test only"
