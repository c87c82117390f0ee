# SPDX-License-Identifier: GPL-2.0-only
"""``ringcross demo``: shared memory through /dev/mem, shown command by command."""

from __future__ import annotations

from typing import Literal

import click

from bench.commands import console
from bench.commands.options import accelerator, boot_kernel


@click.command()
@boot_kernel
@accelerator
def demo(spec: str, accel: Literal["kvm", "tcg"]) -> None:
    """Show how a module and a program share memory through /dev/mem.

    Boots the kernel in a virtual machine with a part of its memory reserved, and runs one command
    after the other. Each command is printed with an explanation and its output. The session shows
    where the module publishes the address of the memory, a string that a program writes there and
    that the module logs when it is removed, the same in each of 1024 pages in both directions,
    and which accesses the kernel refuses and why.

    Use it to learn or to teach the technique. The exit code is 1 if a command does not print what
    it must.

    \b
    Example:
      ringcross demo --kernel 6.12
    """
    from bench.commands import demo_session
    from bench.kernels import catalog

    def say(line: str) -> None:
        style = "bold" if line.startswith("# ") else None
        console.OUT.print(line, style=style, markup=False, soft_wrap=True)

    demo_session.play(catalog.find(spec, say=console.dim), accel, say)
