"""`make demo`: memory that a module and a program share through /dev/mem, step by step.

A session that a student can follow and repeat in ``make shell``. Each step is a command, what
must be seen of it, and a word on why; what is not seen ends the demonstration.
"""

from __future__ import annotations

import re
import subprocess
import textwrap
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bench.commands import shell_session
from bench.errors import RingcrossError, SessionLost
from bench.kernels.catalog import Kernel

Reporter = Callable[[str], None]

WIDTH = 80
SECONDS = 180.0
"""How long a session may take; it takes a tenth where nothing else runs."""

PHYS, CUT_OUT = 0x800_0000, 8 << 20
_RAM = PHYS + CUT_OUT
_BIG = 4 << 20
_PAGES = _BIG >> 12
BOOT = f"memmap={CUT_OUT >> 20}M${PHYS:#x}"

_MARK = "@@"
_MEMSHARE = b"""#!/bin/sh
exec ringcross_agent --program devmem "$@"
"""


@dataclass(frozen=True)
class Step:
    """One command of the session.

    Attributes:
        command: for the shell.
        shows: what its output must show: regular expressions, each searched in all of it.
        prose: said before it.
    """

    command: str
    shows: tuple[str, ...] = ()
    prose: str = ""


STEPS = (
    Step(
        "grep -o 'memmap=[^ ]*' /proc/cmdline",
        (re.escape(BOOT),),
        "A module and a program are to share memory that both find by its physical address, "
        "with no driver's node between them. The kernel must then not use that memory for "
        "anything else, so it was booted with a word that cuts a piece out: 8 MB from "
        "0x8000000 on. (In a boot loader's configuration the dollar sign may need backslashes "
        "before it.)",
    ),
    Step(
        "grep -E '^[0-9a-f]+-[0-9a-f]+ : (System RAM|Reserved)' /proc/iomem",
        (
            rf"(?m)^{PHYS:08x}-{_RAM - 1:08x} : Reserved$",
            rf"(?m)^{_RAM:08x}-[0-9a-f]+ : System RAM$",
        ),
        "The kernel's map of physical memory calls it Reserved; the RAM before and behind it is "
        "the kernel's:",
    ),
    Step(
        f"devmem {_RAM:#x}",
        ("mmap: Operation not permitted",),
        "Why not just take ordinary RAM? /dev/mem is all of physical memory as one file, but "
        "a kernel built with STRICT_DEVMEM, as those of distributions are, refuses to map what "
        "it uses itself, to root as well: whoever could write there would have got round every "
        "other check. busybox's devmem prints the word at an address; this one is the first behind "
        "our piece:",
    ),
    Step(
        "insmod ringcross_core.ko",
        prose="So much for the program. For the module, first the one that all modules of "
        "ringcross need:",
    ),
    Step(
        f"insmod ringcross_devmem.ko phys={_RAM:#x} size=4096",
        ("Device or resource busy",),
        "ringcross_devmem does not take such memory either. It could: a module may map anything. "
        "But it first asks whose that is (devmem_is_free() in modules/devmem/kernel.c) "
        "and refuses:",
    ),
    Step("dmesg | tail -n 1", ("is in use: boot with memmap=",)),
    Step(
        f"insmod ringcross_devmem.ko phys={PHYS:#x} size=4096",
        prose="Now with one page of what was cut out. The module maps it by memremap(), writes "
        "a line of text into it, and tells its address (hexadecimal) and its size (decimal) in "
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
        "address, reads what the kernel has written there, and writes its own string beside it. "
        "A # is a page where both worked, the reading and the writing:",
    ),
    Step(
        "rmmod ringcross_devmem",
        prose="The kernel does not know of it yet: a store into memory wakes nobody, and that "
        "is this channel's limit. This module looks only when it is unloaded:",
    ),
    Step(
        "dmesg | grep ringcross_devmem | tail -n 2",
        ("The content written by user is: hello,world!\n", "It is in 1 of 1 pages"),
    ),
    Step(
        f"insmod ringcross_devmem.ko phys={PHYS:#x} size={_BIG}",
        prose="The same with 4 MB. Whoever maps one page and takes it for the whole sees the "
        "first page work and no other, so here every page is tried: each side writes into each "
        "page the page's own number beside its text, and looks for the other's number.",
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
        "A trap, while the module is loaded: busybox's devmem opens /dev/mem with O_SYNC, which "
        "asks for an uncached mapping. The module has a cached one, and x86 allows no page to "
        "be both. So memshare opens it without O_SYNC:",
    ),
    Step("rmmod ringcross_devmem", prose="What has the kernel found?"),
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
        "The cached mapping went with the module, so devmem may look now. The memory is "
        "nobody's and keeps what was written: these are the letters l, l, e, h, since x86 "
        "stores the lowest byte first.",
    ),
)
"""The session."""


def play(
    kernel: Kernel,
    accel: shell_session.Accel,
    say: Reporter,
    *,
    steps: Sequence[Step] = STEPS,
    seconds: float = SECONDS,
) -> None:
    """Boot *kernel*, go through *steps* there, and *say* commands, output and prose.

    Raises:
        RingcrossError: a command did not show what it must.
        SessionLost: the machine ended or hung on the way.
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
        "Try it yourself: run `make shell`. There, the program is "
        "`ringcross_agent --program devmem`."
    )
    say("What it costs: make bench CHANNELS=null,mmap,devmem. Its code: modules/devmem/.")


def _script(steps: Sequence[Step]) -> str:
    """Each command between marks, so that its output can be told from the next one's."""
    # The console is for the session alone; what the kernel says is in dmesg.
    lines = ["dmesg -n 1", "stty -onlcr"]
    for number, step in enumerate(steps):
        lines += [f"echo '{_MARK} {number}'", step.command]
    return "\n".join([*lines, f"echo '{_MARK} {len(steps)}'"])


@contextmanager
def _running(command: Sequence[str], seconds: float) -> Iterator[Iterator[str]]:
    """The console's lines of a QEMU that is gone afterwards, or *seconds* from now."""
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
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
    """Tell each step while it runs; what the machine prints before the first is left out."""
    for _ in _until(0, console, "boot"):
        pass
    for number, step in enumerate(steps, 1):
        if step.prose:
            say("")
            say(textwrap.fill(step.prose, WIDTH))
        say(f"# {step.command}")
        shown = ""
        for line in _until(number, console, step.command):
            say(line)
            shown += f"{line}\n"
        check(step, shown)


def _until(number: int, console: Iterator[str], during: str) -> Iterator[str]:
    """The lines before a mark.

    Raises:
        SessionLost: it does not come.
    """
    last = ""
    for line in console:
        if line == f"{_MARK} {number}":
            return
        last = line or last
        yield line
    raise SessionLost(
        f"The machine ended or hung at `{during}`; the last that it said: {last or 'nothing'}"
    )


def check(step: Step, shown: str) -> None:
    """Raise RingcrossError when *shown* is not what *step* must show."""
    for pattern in step.shows:
        if not re.search(pattern, shown):
            raise RingcrossError(
                f"`{step.command}` does not show what it should here, which is "
                f"{pattern!r} as a regular expression: report it with the output above."
            )
