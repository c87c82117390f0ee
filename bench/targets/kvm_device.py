# SPDX-License-Identifier: GPL-2.0-only
"""Whether ``/dev/kvm`` can be used at all: without a boot, in less than a millisecond."""

from __future__ import annotations

import errno
import fcntl
import grp
import os
import re
from dataclasses import dataclass
from pathlib import Path

_GET_API_VERSION = 0xAE00
_API_VERSION = 12  # the same since 2007


@dataclass(frozen=True)
class Refusal:
    """Why KVM cannot be used.

    Attributes:
        reason: the cause, a clause without a full stop.
        advice: what to do about it, one or more sentences.
    """

    reason: str
    advice: str


@dataclass(frozen=True)
class Paths:
    """The files that are read; tests replace them."""

    device: Path = Path("/dev/kvm")
    cpuinfo: Path = Path("/proc/cpuinfo")
    # Docker and Podman leave these files in their containers.
    containers: tuple[Path, ...] = (Path("/.dockerenv"), Path("/run/.containerenv"))


def check(paths: Paths | None = None) -> Refusal | None:
    """Return why ``/dev/kvm`` cannot be used; ``None`` if it answers as KVM does."""
    paths = paths or Paths()
    try:
        fd = os.open(paths.device, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        return _not_opened(error, paths)
    try:
        version = fcntl.ioctl(fd, _GET_API_VERSION)
    except OSError as error:
        return Refusal(
            f"{paths.device} is not a KVM device ({error.strerror})",
            f"Find out what has replaced {paths.device}: ls -l {paths.device}.",
        )
    finally:
        os.close(fd)
    if version != _API_VERSION:
        return Refusal(
            f"{paths.device} has KVM's API version {version}, and QEMU requires {_API_VERSION}",
            "Use another kernel on this machine.",
        )
    return None


def is_virtual(paths: Paths | None = None) -> bool:
    """Return whether this machine is itself virtual."""
    return "hypervisor" in _flags((paths or Paths()).cpuinfo)


def _flags(cpuinfo: Path) -> set[str]:
    """Return the words of *cpuinfo*, which include the processor's flags."""
    try:
        return set(re.findall(r"\w+", cpuinfo.read_text(errors="replace")))
    except OSError:
        return set()


def _not_opened(error: OSError, paths: Paths) -> Refusal:
    in_container = any(path.exists() for path in paths.containers)
    if error.errno == errno.EPERM or (error.errno == errno.ENOENT and in_container):
        missing = "is missing in this container" if error.errno == errno.ENOENT else "is forbidden"
        return Refusal(
            f"{paths.device} {missing}",
            "Start the container with --device /dev/kvm, if its host has KVM.",
        )
    if error.errno == errno.EACCES:
        return _not_permitted(paths.device)
    # A device file can exist without the module behind it.
    if error.errno in (errno.ENOENT, errno.ENXIO, errno.ENODEV):
        missing = "is missing" if error.errno == errno.ENOENT else "has no driver"
        return _absent(f"{paths.device} {missing}", paths.cpuinfo)
    return Refusal(
        f"{paths.device} does not open ({error.strerror})",
        "Read the kernel's log: dmesg | grep -i kvm.",
    )


def _not_permitted(device: Path) -> Refusal:
    status = device.stat()
    try:
        group = grp.getgrgid(status.st_gid).gr_name
    except KeyError:
        group = str(status.st_gid)
    # The device of a machine without udev rules belongs to root's group.
    if group == "root" or status.st_mode & 0o060 != 0o060:
        return Refusal(
            f"this user may not open {device}",
            f"As root, allow it: chown root:kvm {device} && chmod 660 {device}, and add your user "
            "to the group: usermod -aG kvm USER. Then log in again.",
        )
    return Refusal(
        f"this user may not open {device}",
        f"Add your user to its group: sudo usermod -aG {group} $USER. Then log in again.",
    )


def _absent(what: str, cpuinfo: Path) -> Refusal:
    """Tell a module that is not loaded from a processor that cannot, or may not, run KVM."""
    flags = _flags(cpuinfo)
    modules = [
        module for flag, module in (("svm", "kvm_amd"), ("vmx", "kvm_intel")) if flag in flags
    ]
    if modules:
        return Refusal(
            f"{what}, but the processor can run virtual machines",
            f"Load KVM: sudo modprobe {modules[0]}. If that fails, turn on virtualisation in the "
            "firmware.",
        )
    if "hypervisor" in flags:
        return Refusal(
            f"{what}, since this machine is itself virtual, without nested virtualisation",
            "Turn on nested virtualisation on its host, or use a machine that is not virtual.",
        )
    return Refusal(
        f"{what}, and the processor reports no virtualisation",
        "Turn on virtualisation (VT-x, AMD-V or SVM) in the firmware, if the processor has it.",
    )
