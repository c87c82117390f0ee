"""A virtual machine to try the modules in by hand."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Literal

from bench import build, initramfs
from bench.errors import TargetError, writing
from bench.kernels import Kernel, elf_image
from bench.targets.vm import VmTarget, find_qemu
from bench.workshop import Workshop, wanted

_INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin HOME=/ PS1='ringcross# '
mount -t devtmpfs dev /dev; mount -t proc proc /proc; mount -t sysfs sys /sys
mount -t tmpfs tmp /tmp; mount -t debugfs debug /sys/kernel/debug
cd /modules
echo
echo "Kernel $(uname -r). The kernel halves are here: insmod rc_core.ko, insmod rc_ioctl.ko, lsmod."
echo "What the agent can measure: rc_agent --list.  To leave: exit."
setsid cttyhack sh
reboot -f
"""


def interact(kernel: Kernel, accel: Literal["kvm", "tcg"]) -> int:
    """Boot *kernel* with a shell on this terminal, and the modules in ``/modules``.

    Returns:
        QEMU's exit status.

    Raises:
        TargetError: busybox or QEMU is missing, or a build failed.
    """
    busybox = shutil.which("busybox")
    if busybox is None:
        raise TargetError("busybox is missing: install it with `apt-get install busybox-static`.")
    agent, modules = build.build_agent(), build.build_modules(kernel)
    files = {f"modules/{ko.name}": ko.read_bytes() for ko in modules.glob("rc_*.ko")}
    files["bin/busybox"] = Path(busybox).read_bytes()
    files["bin/rc_agent"] = agent.read_bytes()
    channels = Workshop().listing()["channels"]
    files |= initramfs.stock_modules(kernel, wanted("needs", channels))
    boot = wanted("boot", channels)
    target = VmTarget(kernel, agent, clock="time", accelerator=accel, append=boot)
    with tempfile.TemporaryDirectory(prefix="ringcross-shell-") as folder:
        initrd = Path(folder) / "initramfs"
        with writing("the initramfs"):
            initrd.write_bytes(initramfs.archive(_INIT.encode(), files))
        command = target.interactive(find_qemu(), kernel=elf_image(kernel), initrd=initrd)
        # Ctrl-C is for the shell in the machine: QEMU's terminal is in raw mode.
        return subprocess.run(command, check=False).returncode
