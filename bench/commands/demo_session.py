# SPDX-License-Identifier: GPL-2.0-only
"""``make demo``: a module and a program share memory through /dev/mem, step by step.

A student can follow the session and repeat it in ``make shell``. Each step is a command, what its
output must show, and an explanation. The session ends at the first step with a wrong output.
"""

from __future__ import annotations

import re
import subprocess
import textwrap
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bench import child
from bench.commands import shell_session
from bench.errors import RingcrossError, SessionLost
from bench.kernels.catalog import Kernel

Reporter = Callable[[str], None]

WIDTH = 80
SECONDS = 180.0
"""Time limit of a session. It takes a tenth of this on an idle machine."""

PHYS, CUT_OUT = 0x800_0000, 8 << 20
"""Physical address and size of the reserved memory, in bytes."""
_RAM = PHYS + CUT_OUT  # the first ordinary memory after it
_BIG = 4 << 20
_PAGES = _BIG >> 12
BOOT = f"memmap={CUT_OUT >> 20}M${PHYS:#x}"
"""The kernel parameter that reserves the memory."""

_MARK = "@@"
_MEMSHARE = b"""#!/bin/sh
exec ringcross_agent --program devmem "$@"
"""


@dataclass(frozen=True)
class Step:
    """One command of the session.

    Attributes:
        command: a command for the shell.
        shows: regular expressions; the output of the command must match each of them.
        prose: the explanation printed before the command.
    """

    command: str
    shows: tuple[str, ...] = ()
    prose: str = ""


STEPS = (
    Step(
        "grep -o 'memmap=[^ ]*' /proc/cmdline",
        (re.escape(BOOT),),
        "A module and a program want to share memory. Both find it by its physical address, and "
        "no device node is involved. The kernel must not use this memory for anything else. It "
        "was therefore booted with a parameter that reserves 8 MB from address 0x8000000 on. (In "
        "the configuration of a boot loader, the dollar sign may need backslashes before it.)",
    ),
    Step(
        "grep -E '^[0-9a-f]+-[0-9a-f]+ : (System RAM|Reserved)' /proc/iomem",
        (
            rf"(?m)^{PHYS:08x}-{_RAM - 1:08x} : Reserved$",
            rf"(?m)^{_RAM:08x}-[0-9a-f]+ : System RAM$",
        ),
        "The kernel's map of physical memory lists this range as Reserved. The System RAM before "
        "and after it belongs to the kernel:",
    ),
    Step(
        f"devmem {_RAM:#x}",
        ("mmap: Operation not permitted",),
        "Why is ordinary RAM not an option? /dev/mem presents all physical memory as one file. "
        "But kernels of distributions are built with STRICT_DEVMEM: they refuse to map memory "
        "that the kernel uses, even for root, because write access to it would bypass all other "
        "checks. The devmem command of busybox prints the word at an address. Here it tries the "
        "first address after the reserved range:",
    ),
    Step(
        "insmod ringcross_core.ko",
        prose="That was the program's side. Now the module. All modules of ringcross need the "
        "core, so it is loaded first:",
    ),
    Step(
        f"insmod ringcross_devmem.ko phys={_RAM:#x} size=4096",
        ("Device or resource busy",),
        "ringcross_devmem does not use ordinary RAM either. It could, because a module may map any "
        "memory. But it first checks whether the range is in use (devmem_is_free() in "
        "modules/devmem/kernel.c), and refuses:",
    ),
    Step("dmesg | tail -n 1", ("is in use: boot with memmap=",)),
    Step(
        f"insmod ringcross_devmem.ko phys={PHYS:#x} size=4096",
        prose="Now one page of the reserved memory. The module maps it with memremap(), writes a "
        "line of text into it, and publishes its address (hexadecimal) and its size (decimal) in "
        "two files:",
    ),
    Step("cat /proc/memshare/phymem_addr", (rf"(?m)^{PHYS:#x}$",)),
    Step("cat /proc/memshare/phymem_size", (r"(?m)^4096$",)),
    Step(
        "memshare hello,world!",
        (
            r"(?m)^ +page +1  #$",
            'in 1 of 1 pages, the last "page 1 of 1, by the kernel"',
            'wrote "hello,world!" in 1 of 1 pages',
        ),
        "The program (modules/devmem/program.c) reads both files, opens /dev/mem, maps that "
        "address, reads the text of the kernel, and writes its own string next to it. A # marks "
        "a page where both the read and the write succeeded:",
    ),
    Step(
        "rmmod ringcross_devmem",
        prose="The kernel has not noticed the string yet. A store into memory wakes no one up: "
        "this is the limit of this channel. This module reads the memory only when it is "
        "unloaded:",
    ),
    Step(
        "dmesg | grep ringcross_devmem | tail -n 2",
        ("The content written by user is: hello,world!\n", "It is in 1 of 1 pages"),
    ),
    Step(
        f"insmod ringcross_devmem.ko phys={PHYS:#x} size={_BIG}",
        prose="The same with 4 MB. A common mistake is to map one page only: the first page then "
        "works, and no other. This test therefore covers every page. Each side writes the page's "
        "number and a text into each page, and checks the number that the other side wrote.",
    ),
    Step("cat /proc/memshare/phymem_addr", (rf"(?m)^{PHYS:#x}$",)),
    Step("cat /proc/memshare/phymem_size", (rf"(?m)^{_BIG}$",)),
    Step(
        "memshare hello,world!",
        (
            rf"(?m)^(?: +page +\d+  #{{64}}\n){{{_PAGES // 64}}}",
            f"in {_PAGES} of {_PAGES} pages, the last .page {_PAGES} of {_PAGES}, by the kernel",
            f'wrote "hello,world!" in {_PAGES} of {_PAGES} pages',
        ),
    ),
    Step(
        f"devmem {PHYS:#x}",
        ("mmap: Resource temporarily unavailable",),
        "A pitfall while the module is loaded: busybox's devmem opens /dev/mem with O_SYNC, which "
        "requests an uncached mapping. The module has a cached mapping, and on x86 a page must "
        "not have both. This is why memshare opens /dev/mem without O_SYNC:",
    ),
    Step("rmmod ringcross_devmem", prose="Which text did the kernel find?"),
    Step(
        "dmesg | grep ringcross_devmem | tail -n 2",
        (
            "The content written by user is: hello,world!\n",
            f"It is in {_PAGES} of {_PAGES} pages",
        ),
    ),
    Step(
        f"devmem {PHYS:#x}",
        ("(?m)^0x6C6C6568$",),
        "The cached mapping was removed together with the module, so devmem can read the memory "
        "now. Nothing else uses it, so it keeps its content. The value shows the letters l, l, e, "
        "h, because x86 stores the lowest byte first.",
    ),
)
"""The steps of the session, in order."""


def play(
    kernel: Kernel,
    accel: shell_session.Accel,
    say: Reporter,
    *,
    steps: Sequence[Step] = STEPS,
    seconds: float = SECONDS,
) -> None:
    """Boot *kernel*, run *steps* there, and print commands, output and prose with *say*.

    Args:
        kernel: the kernel to boot.
        accel: how QEMU runs the guest.
        say: called with each line.
        steps: the steps to run.
        seconds: time limit of the session.

    Raises:
        RingcrossError: the output of a command is not as expected.
        SessionLost: the machine ended or hung.
        TargetError: busybox or QEMU is missing, or a build failed.
    """
    files = {"bin/memshare": _MEMSHARE}
    say(f"Kernel {kernel.release} boots in a virtual machine.")
    with (
        shell_session.machine(kernel, accel, _script(steps), files=files, boot=[BOOT]) as command,
        _running(command, seconds) as console,
    ):
        _follow(console, steps, say)
    say("")
    say(
        "Try it yourself with make shell. There, the program is called "
        "ringcross_agent --program devmem."
    )
    say("To measure its cost: make bench CHANNELS=null,mmap,devmem. The code: modules/devmem/.")


def _script(steps: Sequence[Step]) -> str:
    """A shell script of all commands, with a mark before each to separate their outputs."""
    # Keep kernel messages off the console; the session reads them with dmesg.
    lines = ["dmesg -n 1", "stty -onlcr"]
    for number, step in enumerate(steps):
        lines += [f"echo '{_MARK} {number}'", step.command]
    return "\n".join([*lines, f"echo '{_MARK} {len(steps)}'"])


@contextmanager
def _running(command: Sequence[str], seconds: float) -> Iterator[Iterator[str]]:
    """Start QEMU and yield the lines of its console; kill it at the end or after *seconds*."""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=child.environment(),
    ) as process:
        assert process.stdout is not None
        timer = threading.Timer(seconds, process.kill)
        timer.start()
        try:
            yield (line.decode("utf-8", "replace").rstrip("\r\n") for line in process.stdout)
        finally:
            timer.cancel()
            process.kill()


def _follow(console: Iterator[str], steps: Sequence[Step], say: Reporter) -> None:
    """Print and check each step while it runs; omit the boot messages."""
    for _ in _until(0, console, "boot"):
        pass
    for number, step in enumerate(steps, 1):
        if step.prose:
            say("")
            say(textwrap.fill(step.prose, WIDTH))
        say(f"# {step.command}")
        output = ""
        for line in _until(number, console, step.command):
            say(line)
            output += f"{line}\n"
        check(step, output)


def _until(number: int, console: Iterator[str], during: str) -> Iterator[str]:
    """Yield the lines before mark *number*.

    Raises:
        SessionLost: the console ended without the mark.
    """
    last_line = ""
    for line in console:
        if line == f"{_MARK} {number}":
            return
        last_line = line or last_line
        yield line
    raise SessionLost(
        f"The machine ended or hung during: {during}. Its last line: {last_line or '(none)'}. "
        "Run the demo again, and report the output if it happens again."
    )


def check(step: Step, output: str) -> None:
    """Raise RingcrossError if *output* is not what *step* must show."""
    for pattern in step.shows:
        if not re.search(pattern, output):
            raise RingcrossError(
                f"The output of this command is not as expected: {step.command}. It must match "
                f"{pattern!r}. Please report this, with the output above."
            )
