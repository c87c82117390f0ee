# SPDX-License-Identifier: GPL-2.0-only
"""The target ``vm``: a stock kernel in QEMU, booted from an initramfs, without root."""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from bench import child
from bench.errors import TargetError, writing
from bench.kernels import initramfs
from bench.kernels.catalog import Kernel, elf_image, host_arch, read_config
from bench.plan.cells import Clock
from bench.targets.agent_process import AgentProcess, read_console
from bench.targets.base import Deadlines, Request

Accelerator = Literal["icount", "kvm", "tcg"]
"""How QEMU runs the guest. Only ``icount`` counts instructions."""

MEMORY_PER_CPU = 32
"""Memory for each further CPU, in MiB: the kernel has buffers and caches for each CPU."""

_PIPE_BYTES = 1 << 20
_PORT_NAME = "ringcross.answers"
_FORCED_LOCKDOWN = re.compile(r"^CONFIG_LOCK_DOWN_KERNEL_FORCE_(?!NONE)\w+=y", re.MULTILINE)


@dataclass(frozen=True)
class VmTarget:
    """Starts the agent as init of a virtual machine.

    Attributes:
        kernel: the kernel to boot.
        agent: the static agent.
        modules: directory with ``ringcross_*.ko``; ``None`` for no modules.
        needs: stock modules that the channels need.
        clock: the clock of the run.
        accelerator: see :func:`bench.targets.kvm.choose`.
        memory: memory of the guest with one CPU, in MiB; each further CPU adds
            :data:`MEMORY_PER_CPU`.
        cpus: number of virtual CPUs; more than one only under ``time``.
        topology: how the CPUs form sockets and cores, as in QEMU's option ``-smp``, for example
            ``sockets=2,cores=2,threads=1``; empty for the cores of one socket.
        append: additional words for the kernel's command line.
        deadlines: how long to wait for the machine.
    """

    kernel: Kernel
    agent: Path
    modules: Path | None = None
    needs: tuple[str, ...] = ()
    clock: Clock = "instructions"
    accelerator: Accelerator = "icount"
    memory: int = 256
    cpus: int = 1
    topology: str = ""
    append: tuple[str, ...] = ()
    deadlines: Deadlines = field(default_factory=Deadlines)

    def start(self, requests: Sequence[Request], *, seed: int) -> AgentProcess:
        """Boot the machine; the agent starts on *requests* without further input.

        Args:
            requests: packed into the initramfs, so that the host cannot disturb the guest.
            seed: seed of the guest's random numbers; equal seeds give equal instruction counts.

        Raises:
            TargetError: QEMU or a part of the initramfs is missing.
        """
        qemu = find_qemu()
        kernel = elf_image(self.kernel)
        with writing("the initramfs"):
            folder = Path(tempfile.mkdtemp(prefix="ringcross-vm-"))
        try:
            initrd = initramfs.pack(
                folder / "initramfs",
                agent=self.agent,
                requests=requests,
                modules=self.modules,
                kernel=self.kernel,
                needs=(*self.needs, *self._answer_modules()),
            )
            read, write = os.pipe()
            fcntl.fcntl(read, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        console = folder / "console"
        command = self.command(
            qemu, kernel=kernel, initrd=initrd, console=console, answers=write, seed=seed
        )
        return AgentProcess(
            command,
            stream=read,
            log=lambda: read_console(console),
            stderr=folder / "stderr",
            description=self._describe(command, seed),
            deadlines=self.deadlines,
            keep=(write,),
            cleanup=lambda: shutil.rmtree(folder, ignore_errors=True),
        )

    def command(
        self, qemu: str, *, kernel: Path, initrd: Path, console: Path, answers: int, seed: int
    ) -> list[str]:
        """Return QEMU's command line; the file descriptor *answers* receives the answers."""
        return [
            *self._machine(qemu, kernel, initrd, self.kernel_command_line()),
            # Without a fixed seed and clock, instruction counts differ from boot to boot.
            *("-seed", str(seed)),
            *("-rtc", "base=2020-01-01T00:00:00,clock=vm"),
            # A comma in TMPDIR would end the path.
            *("-chardev", f"file,id=console,path={str(console).replace(',', ',,')}"),
            *("-device", "isa-serial,chardev=console"),
            *self._answer_devices(answers),
        ]

    def _answer_devices(self, answers: int) -> list[str]:
        """Return the devices that send what the agent writes to the file descriptor *answers*."""
        devices = {
            # A write to this port stops the virtual CPU until the host has read the byte.
            "port": ["isa-debugcon,iobase=0xe9,chardev=port"],
            # Without ioeventfd, QEMU takes each write before the virtual CPU goes on.
            "virtio": [
                "virtio-serial-pci,ioeventfd=off",
                f"virtserialport,name={_PORT_NAME},chardev=virtio",
            ],
            "serial": ["isa-serial,chardev=serial"],
        }
        command = []
        for kind in (place.partition(":")[0] for place in self._answer_places()):
            command += ["-chardev", f"file,id={kind},path=/dev/fd/{answers}"]
            for device in devices[kind]:
                command += ["-device", device]
        return command

    def _answer_places(self) -> tuple[str, ...]:
        """Return where the agent sends answers: the values of ``--out``, the best one first."""
        if self.clock == "time":
            # Both need no I/O permission, which a locked-down kernel refuses. The UART needs no
            # module, but takes one byte at a time.
            return (f"virtio:{_PORT_NAME}", "serial:/dev/ttyS1")
        if self._locked_down():
            return ("serial:/dev/ttyS1",)
        return ("port:0xe9",)

    def _answer_words(self) -> tuple[str, ...]:
        """Return the word that becomes a variable of the agent; none for the agent's default."""
        places = self._answer_places()
        return () if places == ("port:0xe9",) else (f"RINGCROSS_ANSWERS={','.join(places)}",)

    def _locked_down(self) -> bool:
        words = any(word.startswith("lockdown=") for word in self.append)
        return words or bool(_FORCED_LOCKDOWN.search(read_config(self.kernel.config)))

    def _answer_modules(self) -> tuple[str, ...]:
        """Return the stock modules that the agent loads before it sends its first answer."""
        if self.clock != "time":
            return ()
        return initramfs.provided(self.kernel, ("virtio_pci", "virtio_console"))

    def interactive(self, qemu: str, *, kernel: Path, initrd: Path) -> list[str]:
        """Return QEMU's command line for a machine whose console is this terminal."""
        console = ("-chardev", "stdio,id=console,mux=on,signal=off")
        return [
            *self._machine(qemu, kernel, initrd, self._words()),
            *console,
            "-device",
            "isa-serial,chardev=console",
        ]

    def _machine(self, qemu: str, kernel: Path, initrd: Path, words: str) -> list[str]:
        return [
            qemu,
            *_ACCELERATORS[self.accelerator],
            *("-M", _MACHINES[self.accelerator]),
            *("-cpu", "host" if self.accelerator == "kvm" else _emulated_cpu(qemu)),
            # With icount, a second CPU hangs the boot.
            *("-smp", self._smp()),
            *("-m", str(self._memory())),
            "-nodefaults",
            "-no-user-config",
            *("-display", "none"),
            # A panic or the end of the agent restarts the machine; with this, QEMU exits instead.
            "-no-reboot",
            *("-kernel", str(kernel)),
            *("-initrd", str(initrd)),
            *("-append", words),
        ]

    def _smp(self) -> str:
        if self.cpus == 1 and not self.topology:
            return "1"
        # Without a topology, older QEMU makes sockets of the CPUs, and newer QEMU cores.
        return f"{self.cpus},{self.topology or f'sockets=1,cores={self.cpus},threads=1'}"

    def _memory(self) -> int:
        return self.memory + MEMORY_PER_CPU * (self.cpus - 1)

    def kernel_command_line(self) -> str:
        """Return the kernel's command line for a machine that runs the agent."""
        return self._words(*self._answer_words())

    def _words(self, *more: str) -> str:
        words = [
            "console=ttyS0",
            "quiet",
            # Restart at once after a panic, by a triple fault, which needs no device.
            "panic=-1",
            "reboot=t",
            # Equal instruction counts require equal address layouts. Times must cover many layouts.
            *(("nokaslr", "norandmaps") if self.clock == "instructions" else ()),
            # The agent counts with the TSC, so the kernel must not mark it unstable.
            "tsc=reliable",
            # Newer kernels run cipher self-tests for a second, while cells are measured.
            "cryptomgr.notests",
            *more,
            *self.append,
        ]
        return " ".join(words)

    def _describe(self, command: Sequence[str], seed: int) -> dict[str, Any]:
        return {
            "target": "vm",
            "accelerator": self.accelerator,
            "clock": self.clock,
            "forced": self.clock == "time" and self.accelerator != "kvm",
            "qemu": qemu_version(command[0]),
            "command_line": shlex.join(command),
            "kernel": self.kernel.release,
            "kernel_package": self.kernel.package_version,
            "kernel_command_line": self.kernel_command_line(),
            "memory_mb": self._memory(),
            "cpus": self.cpus,
            "topology": self._smp().partition(",")[2],
            "seed": seed,
        }


_ACCELERATORS: dict[Accelerator, tuple[str, ...]] = {
    # shift=0: one instruction takes one virtual nanosecond. sleep=off: idle time is skipped.
    # rr=record: QEMU's other threads wait while the virtual CPU runs. Without it, the thread that
    # skips an idle period may miss the last instructions before that period. The next tick is
    # then late by that many instructions, and equal seeds give different counts. The recording
    # itself is not used.
    "icount": ("-accel", "tcg", "-icount", "shift=0,sleep=off,rr=record,rrfile=/dev/null"),
    "kvm": ("-accel", "kvm"),
    "tcg": ("-accel", "tcg"),
}


# All of these boot the ELF kernel by PVH, so nothing is decompressed under emulation.
_MACHINES: dict[Accelerator, str] = {
    # microvm has no firmware to run and no PCI to scan.
    # Without rtc, the kernel waits 24 s for one. Without pit, it cannot calibrate the TSC.
    # With pic, QEMU 10 delivers a PIT interrupt before the kernel has set its destination.
    "icount": "microvm,rtc=on,pit=on,pic=off",
    # In real time, the PIT jitters too much for calibration; q35 has an HPET and a PM timer.
    "kvm": "q35",
    "tcg": "q35",
}

# CPU flags of fast string instructions. The kernel copies with these instructions where a flag is
# set, and TCG counts them once per byte. Older QEMU lacks the last three flags.
_STRING_FLAGS = ("erms", "fsrm", "fzrm", "fsrs", "fsrc")


def find_qemu() -> str:
    """Return the path of QEMU; ``$RINGCROSS_QEMU`` overrides the search.

    Raises:
        TargetError: QEMU is not installed.
    """
    name = os.environ.get("RINGCROSS_QEMU") or host_arch().qemu
    path = shutil.which(name)
    if path is None:
        raise TargetError(f"QEMU is missing ({name}): install the package qemu-system-x86.")
    return path


@cache
def qemu_version(qemu: str) -> str:
    """Return QEMU's version, for example ``7.2.22``."""
    text = _output(qemu, "--version")
    match = re.search(r"version (\S+)", text)
    return match[1] if match else "unknown"


@cache
def _emulated_cpu(qemu: str) -> str:
    """Return the CPU model with all features of TCG, except :data:`_STRING_FLAGS`."""
    known = set(_output(qemu, "-cpu", "help").split())
    return ",".join(["max", *(f"-{flag}" for flag in _STRING_FLAGS if flag in known)])


def _output(qemu: str, *args: str) -> str:
    result = child.run([qemu, *args])
    if result.returncode:
        raise TargetError(f"{qemu} does not run ({result.stderr.strip()}): install QEMU again.")
    return result.stdout
