"""``ringcross shell``: boot the kernel under test and try the modules by hand."""

from __future__ import annotations

import sys
from typing import Literal

import click

from bench.commands import console


@click.command()
@click.option("--kernel", default="stock", show_default=True, metavar="SPEC")
@click.option("--accel", type=click.Choice(["kvm", "tcg"]), default="tcg", show_default=True,
              help="How QEMU runs the guest; kvm is quicker where it works.")  # fmt: skip
def shell(kernel: str, accel: Literal["kvm", "tcg"]) -> None:
    """Boot the kernel under test and try the modules by hand; `exit` ends it.

    \b
    ringcross shell --kernel 6.12
    """
    from bench.commands.shell_session import interact
    from bench.kernels import catalog as store

    sys.exit(interact(store.find(kernel, say=console.dim), accel))
