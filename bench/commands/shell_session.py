# SPDX-License-Identifier: GPL-2.0-only
"""Virtual machines with a shell: an interactive one, and one that runs a script."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from bench import child
from bench.commands import console
from bench.errors import TargetError, writing
from bench.kernels import build, initramfs
from bench.kernels.catalog import Kernel, Reporter, elf_image, silent
from bench.targets.provision import Provisioner, requirements
from bench.targets.vm import VmTarget, find_qemu

Accel = Literal["kvm", "tcg"]

_BEGIN = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin HOME=/ PS1='ringcross# '
mount -t devtmpfs dev /dev; mount -t proc proc /proc; mount -t sysfs sys /sys
mount -t tmpfs tmp /tmp; mount -t debugfs debug /sys/kernel/debug
cd /modules
"""
_INTERACTIVE = """
echo
echo "Kernel $(uname -r). The kernel halves (ringcross_*.ko) are in this folder."
echo "To load one:                   insmod ringcross_core.ko; insmod ringcross_ioctl.ko; lsmod"
echo "To list channels as JSON:      ringcross_agent --list"
echo "To end the virtual machine:    exit"
setsid cttyhack sh
"""
_END = """
reboot -f
"""


def interact(kernel: Kernel, accel: Accel, say: Reporter = silent) -> int:
    """Boot *kernel* with a shell on this terminal and the modules in ``/modules``.

    Args:
        kernel: the kernel to boot.
        accel: how QEMU runs the guest.
        say: receives lines of progress, until the machine boots.

    Returns:
        The exit status of QEMU.

    Raises:
        TargetError: busybox or QEMU is missing, or a build failed.
    """
    say("Building the agent")
    channels = Provisioner(say).listing()["channels"]
    say(f"Building the modules for kernel {kernel.release}")
    stock = initramfs.stock_modules(kernel, requirements("needs", channels))
    boot = requirements("boot", channels)
    with machine(kernel, accel, _INTERACTIVE, files=stock, boot=boot) as command:
        say(f"Booting kernel {kernel.release}; its shell appears in some seconds")
        # QEMU puts the terminal into raw mode, so Ctrl-C reaches the shell in the machine.
        return subprocess.run(command, check=False, env=child.environment()).returncode


@contextmanager
def machine(
    kernel: Kernel,
    accel: Accel,
    script: str,
    *,
    files: initramfs.Files | None = None,
    boot: Sequence[str] = (),
) -> Iterator[list[str]]:
    """Yield QEMU's command line for a machine that runs a shell script and then ends.

    The console of the machine is QEMU's standard input and output. The script starts in
    ``/modules``, which contains the ``ringcross_*.ko``; busybox's commands and
    ``ringcross_agent`` are in its ``PATH``.

    Args:
        kernel: the kernel to boot.
        accel: how QEMU runs the guest.
        script: a script for busybox's shell.
        files: further files of the root file system, by path.
        boot: parameters for the kernel command line.

    Raises:
        TargetError: busybox or QEMU is missing, or a build failed.
    """
    busybox = shutil.which("busybox")
    if busybox is None:
        raise TargetError("busybox is missing: install the package busybox-static.")
    agent, built = build.build_agent(), build.compile_modules(kernel)
    for module, error in built.failures.items():
        console.dim(f"{module} does not build for kernel {kernel.release}: {error}")
    packed = {f"modules/{ko.name}": ko.read_bytes() for ko in built.folder.glob("ringcross_*.ko")}
    packed["bin/busybox"] = Path(busybox).read_bytes()
    packed["bin/ringcross_agent"] = agent.read_bytes()
    packed |= files or {}
    target = VmTarget(kernel, agent, clock="time", accelerator=accel, append=tuple(boot))
    with tempfile.TemporaryDirectory(prefix="ringcross-shell-") as folder:
        initrd = Path(folder) / "initramfs"
        with writing("the initramfs"):
            initrd.write_bytes(initramfs.archive((_BEGIN + script + _END).encode(), packed))
        yield target.interactive(find_qemu(), kernel=elf_image(kernel), initrd=initrd)
