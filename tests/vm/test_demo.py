# SPDX-License-Identifier: GPL-2.0-only
"""``ringcross demo`` on a booted kernel: the session, wrong parameters, and a common mistake."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace

import pytest

from bench.commands import demo_session
from bench.commands.demo_session import Step
from bench.errors import RingcrossError
from tests.vm import machine

pytestmark = pytest.mark.vm


def test_session_shows_the_classic() -> None:
    kernel = os.environ.get("RINGCROSS_TEST_KERNEL", "stock")
    command = [sys.executable, "-m", "bench", "demo", "--kernel", kernel]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    output = done.stdout

    refusal, one, four = re.split(
        r"\n# insmod ringcross_devmem.ko phys=0x8000000 size=.*\n", output
    )
    assert "# devmem 0x8800000\ndevmem: mmap: Operation not permitted\n" in refusal
    assert "STRICT_DEVMEM" in refusal
    assert "# cat /proc/memshare/phymem_addr\n0x8000000\n" in one
    assert "# cat /proc/memshare/phymem_size\n4096\n" in one
    assert "# memshare hello,world!\n" in one
    unloaded = one.partition("# rmmod ringcross_devmem\n")[2]
    assert "ringcross_devmem: The content written by user is: hello,world!\n" in unloaded

    assert "# cat /proc/memshare/phymem_addr\n0x8000000\n" in four
    assert "# cat /proc/memshare/phymem_size\n4194304\n" in four
    assert four.count("#" * 64) == 1024 / 64
    assert "read what the kernel wrote in 1024 of 1024 pages" in four
    assert 'wrote "hello,world!" in 1024 of 1024 pages' in four
    unloaded = four.partition("# rmmod ringcross_devmem\n")[2]
    assert "ringcross_devmem: The content written by user is: hello,world!\n" in unloaded
    assert "ringcross_devmem: It is in 1024 of 1024 pages\n" in unloaded


HOSTILE = (
    Step("insmod ringcross_core.ko"),
    Step("insmod ringcross_devmem.ko", ("^$",)),
    Step("cat /proc/memshare/phymem_size", ("^0\n$",)),
    Step("memshare hello", ("no memory",)),
    Step("rmmod ringcross_devmem"),
    *(
        Step(f"insmod ringcross_devmem.ko phys={phys:#x} size={size}", (refusal,))
        for phys, size, refusal in (
            (demo_session.PHYS, 0, "Invalid argument"),
            (demo_session.PHYS, 100, "Invalid argument"),
            (demo_session.PHYS + 1, 4096, "Invalid argument"),
            (0, 4096, "Device or resource busy"),
            ((1 << 64) - 4096, 8192, "Invalid argument"),
            (demo_session.PHYS, demo_session.CUT_OUT + 4096, "Device or resource busy"),
            (demo_session.PHYS - 4096, 8192, "Device or resource busy"),
            (0x1000000, 4096, "Device or resource busy"),
            (0xFED00000, 4096, "Device or resource busy"),
        )
    ),
    Step(
        f"insmod ringcross_devmem.ko phys={demo_session.PHYS:#x} size={demo_session.CUT_OUT}",
        ("^$",),
    ),
    Step("memshare \"$(printf '\\033[31mred\\nline\\001')$(yes | head -c 500 | tr -d '\\n')\""),
    Step("rmmod ringcross_devmem; dmesg | grep -A 1 'content written'", (
        # Escaped, and cut off after 128 bytes.
        r"user is: \\e\[31mred\\nline\\001y{114}\n", "It is in 2048 of 2048 pages"),
    ),
)  # fmt: skip


def test_first_page_alone_is_not_enough() -> None:
    """A program that maps only one page makes a common mistake; the kernel's check must find it.

    Before that, in the same boot, the module must refuse wrong parameters, and escape what it logs.
    """
    wrong = tuple(
        replace(step, command=f"{step.command} 1", shows=())
        if step.command.startswith("memshare")
        else step
        for step in demo_session.STEPS[6:]
    )
    lines: list[str] = []
    with pytest.raises(
        RingcrossError, match=r"dmesg \| grep ringcross_devmem \| tail -n 2.*It is in 1024 of 1024"
    ) as error:
        demo_session.play(machine.stock(), "tcg", lines.append, steps=(*HOSTILE, *wrong))
    assert error.value.exit_code == 1
    assert lines[-1].endswith("It is in 1 of 1024 pages; the first without it is page 2")
