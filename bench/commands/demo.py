"""``ringcross demo``: the /dev/mem classic, command by command."""

from __future__ import annotations

from typing import Literal

import click

from bench.commands import console


@click.command()
@click.option("--kernel", default="stock", show_default=True, metavar="SPEC")
@click.option("--accel", type=click.Choice(["kvm", "tcg"]), default="tcg", show_default=True,
              help="How QEMU runs the guest; kvm is quicker where it works.")  # fmt: skip
def demo(kernel: str, accel: Literal["kvm", "tcg"]) -> None:
    """Watch a module and a program share memory through /dev/mem, command by command.

    Boots the kernel in a virtual machine, with a piece of its memory cut out, and shows: where
    the module says that its memory is; a string that a program writes there, and that the kernel
    logs when the module goes; the same in each of 1024 pages, both ways; and what the kernel
    refuses, and why. Ends with 1 when anything does not come as told.

    \b
    ringcross demo --kernel 6.12
    """
    from bench.commands import demo_session as session
    from bench.kernels import catalog as store

    def say(line: str) -> None:
        style = "bold" if line.startswith("# ") else None
        console.OUT.print(line, style=style, markup=False, soft_wrap=True)

    found = store.find(kernel, say=console.dim)
    session.play(found, accel, say)
