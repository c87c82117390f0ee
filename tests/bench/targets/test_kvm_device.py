# SPDX-License-Identifier: GPL-2.0-only
"""The reasons why ``/dev/kvm`` cannot be used; each has its own sentence."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from bench.targets import kvm_device
from bench.targets.kvm_device import Paths


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A machine without a device, whose processor has no flags."""
    (tmp_path / "cpuinfo").write_text("flags\t\t: fpu tsc\n")
    return Paths(tmp_path / "kvm", tmp_path / "cpuinfo", (tmp_path / "container",))


def refuse_with(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(path: Path, _flags: int) -> int:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr("os.open", refuse)


@pytest.mark.parametrize(
    ("flags", "reason", "advice"),
    [
        ("fpu svm", "is missing, but the processor can run virtual machines", "modprobe kvm_amd"),
        ("vmx hypervisor", "is missing, but the processor can", "modprobe kvm_intel"),
        ("fpu hypervisor", "is missing, since this machine is itself virtual", "on its host"),
        ("fpu", "is missing, and the processor reports no virtualisation", "in the firmware"),
    ],
)
def test_absent(paths: Paths, flags: str, reason: str, advice: str) -> None:
    paths.cpuinfo.write_text(f"flags\t\t: {flags}\n")
    refusal = kvm_device.check(paths)
    assert refusal is not None
    assert f"{paths.device} {reason}" in refusal.reason
    assert advice in refusal.advice


def test_a_machine_that_is_itself_virtual(paths: Paths) -> None:
    assert not kvm_device.is_virtual(paths)
    paths.cpuinfo.write_text("flags\t\t: fpu hypervisor tsc\n")
    assert kvm_device.is_virtual(paths)
    paths.cpuinfo.unlink()
    assert not kvm_device.is_virtual(paths)


def test_absent_in_a_container(paths: Paths) -> None:
    paths.containers[0].touch()
    refusal = kvm_device.check(paths)
    assert refusal is not None
    assert refusal.reason == f"{paths.device} is missing in this container"
    assert "--device /dev/kvm" in refusal.advice


def test_not_a_kvm_device(paths: Paths) -> None:
    """As with a bound /dev/null, in some sandboxes."""
    paths.device.symlink_to("/dev/null")
    refusal = kvm_device.check(paths)
    assert refusal is not None
    assert refusal.reason == (
        f"{paths.device} is not a KVM device (Inappropriate ioctl for device)"
    )


def test_another_version(monkeypatch: pytest.MonkeyPatch, paths: Paths) -> None:
    paths.device.symlink_to("/dev/null")
    monkeypatch.setattr("fcntl.ioctl", lambda *_a: 11)
    refusal = kvm_device.check(paths)
    assert refusal is not None
    assert "version 11, and QEMU requires 12" in refusal.reason
    monkeypatch.setattr("fcntl.ioctl", lambda *_a: 12)
    assert kvm_device.check(paths) is None


@pytest.mark.parametrize(
    ("mode", "group", "advice"),
    [
        (0o660, "kvm", "sudo usermod -aG kvm $USER. Then log in again."),
        (0o600, "kvm", "chmod 660"),
        (0o660, "root", "chown root:kvm"),
    ],
)
def test_not_permitted(
    monkeypatch: pytest.MonkeyPatch, paths: Paths, mode: int, group: str, advice: str
) -> None:
    paths.device.touch()
    paths.device.chmod(mode)
    refuse_with(monkeypatch, errno.EACCES)
    monkeypatch.setattr("grp.getgrgid", lambda _gid: type("Group", (), {"gr_name": group}))
    refusal = kvm_device.check(paths)
    assert refusal is not None
    assert refusal.reason == f"this user may not open {paths.device}"
    assert advice in refusal.advice


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EPERM, "is forbidden"),
        (errno.ENXIO, "has no driver, and the processor"),
        (errno.EBUSY, "does not open (Device or resource busy)"),
    ],
)
def test_other_errors(
    monkeypatch: pytest.MonkeyPatch, paths: Paths, number: int, reason: str
) -> None:
    refuse_with(monkeypatch, number)
    refusal = kvm_device.check(paths)
    assert refusal is not None
    assert reason in refusal.reason
    assert refusal.advice
