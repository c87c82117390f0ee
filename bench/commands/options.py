# SPDX-License-Identifier: GPL-2.0-only
"""Options that several subcommands have."""

from __future__ import annotations

import click

SEED = click.IntRange(0, 2**63)
"""QEMU's seed has 64 bits, and each further boot adds one."""

boot_kernel = click.option(
    "--kernel",
    "spec",
    default="stock",
    show_default=True,
    metavar="SPEC",
    help="Kernel to boot: stock, a series such as 6.12, or an exact release.",
)
accelerator = click.option(
    "--accel",
    type=click.Choice(["kvm", "tcg"]),
    default="tcg",
    show_default=True,
    help="How QEMU runs the guest: kvm is faster where it works.",
)
