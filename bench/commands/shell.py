# SPDX-License-Identifier: GPL-2.0-only
"""``ringcross shell``: boot the kernel under test with a shell."""

from __future__ import annotations

import sys
from typing import Literal

import click

from bench.commands import console
from bench.commands.options import accelerator, boot_kernel


@click.command()
@boot_kernel
@accelerator
def shell(spec: str, accel: Literal["kvm", "tcg"]) -> None:
    """Boot the kernel under test with a shell.

    Boots a virtual machine with the kernel modules and the agent, and connects its shell to this
    terminal. Use it to load a module and try its interface. The commands are those of busybox;
    exit ends the machine.

    \b
    Example:
      ringcross shell --kernel 6.12
    """
    from bench.commands.shell_session import interact
    from bench.kernels import catalog

    sys.exit(interact(catalog.find(spec, say=console.dim), accel, console.dim))
