# SPDX-License-Identifier: GPL-2.0-only
"""A machine on which KVM works, on any machine: QEMU emulates a processor with AMD's SVM.

A stock kernel boots there and loads ``kvm-amd``.  Its root is an overlay over the file system of
this machine, which it reads through 9p, so that every program has the same path as here.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.kernels import initramfs
from bench.kernels.catalog import Kernel, elf_image
from bench.targets.agent_process import read_console
from bench.targets.vm import find_qemu
from tests.vm import limited

_MODULES = ("9pnet_virtio", "9p", "overlay", "kvm_amd", "virtio_pci")
_ENDED = "The commands ended with status"
# Without cache=loose, each import of Python would ask the host about each file again.
_9P = "trans=virtio,version=9p2000.L,msize=512000"
_INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /host /new /upper
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in {order}; do insmod /modules/$module.ko || echo "$module was not loaded"; done
mount -t 9p -o ro,cache=loose,{p9} host /host
mount -t tmpfs upper /upper
mkdir /upper/files /upper/work
mount -t overlay -o lowerdir=/host,upperdir=/upper/files,workdir=/upper/work root /new
for folder in proc sys dev; do mount --bind /$folder /new/$folder; done
ln -s /proc/self/fd /dev/fd
mkdir -p /dev/shm
mount -t tmpfs shm /new/dev/shm
mkdir -p /new{out}
mount -t 9p -o {p9} out /new{out}
chroot /new /bin/sh -e {out}/commands
echo "{ended} $?"
reboot -f
"""


@dataclass(frozen=True)
class Nested:
    """The machine.

    Attributes:
        kernel: the stock kernel to boot.
        folder: a folder of this machine, which the commands may write to as well.
        cpus: number of its processors.
        memory: in MiB.
    """

    kernel: Kernel
    folder: Path
    cpus: int = 2
    memory: int = 3072

    def run(self, commands: str, *, seconds: float) -> str:
        """Boot, and run the shell script *commands* there as root.

        Args:
            commands: ends at the first command that fails.
            seconds: time limit; see :func:`tests.vm.limited.run`.

        Returns:
            What the commands printed.
        """
        (self.folder / "commands").write_text(commands)
        initrd, console = self.folder / "initramfs", self.folder / "console"
        busybox = shutil.which("busybox")
        assert busybox, "busybox is missing: see packages.txt"
        files = initramfs.stock_modules(self.kernel, _MODULES)
        files["bin/busybox"] = Path(busybox).read_bytes()
        order = load_order(files["modules/modules.dep"].decode())
        init = _INIT.format(order=" ".join(order), p9=_9P, out=self.folder, ended=_ENDED)
        initrd.write_bytes(initramfs.archive(init.encode(), files))
        try:
            limited.run(self._command(initrd, console), seconds=seconds)
        finally:
            initrd.unlink()
        output = read_console(console)
        assert f"{_ENDED} 0" in output, f"The commands failed; the console:\n{output}"
        return output

    def _command(self, initrd: Path, console: Path) -> Sequence[str]:
        share = "security_model=none,multidevs=remap"
        return [
            find_qemu(),
            # With one thread for all CPUs, a machine with two CPUs in this one does not come up.
            *("-accel", "tcg,thread=multi", "-M", "q35", "-cpu", "max"),
            *("-smp", str(self.cpus), "-m", str(self.memory)),
            *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
            *("-kernel", str(elf_image(self.kernel)), "-initrd", str(initrd)),
            *("-append", "console=ttyS0 loglevel=7 panic=-1 reboot=t tsc=reliable"),
            *("-chardev", f"file,id=console,path={console}"),
            *("-device", "isa-serial,chardev=console"),
            *("-virtfs", f"local,path=/,mount_tag=host,readonly=on,{share}"),
            *("-virtfs", f"local,path={self.folder},mount_tag=out,{share}"),
        ]


def load_order(dependencies: str) -> list[str]:
    """The modules of the text of a ``modules.dep``, each after those it needs."""
    order: dict[str, None] = {}
    for line in dependencies.splitlines():
        name, needed = line.split(":")
        order |= dict.fromkeys([*needed.split(), name])
    return list(order)
