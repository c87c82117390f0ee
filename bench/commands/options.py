# SPDX-License-Identifier: GPL-2.0-only
"""Options that several subcommands have."""

from __future__ import annotations

import click

from bench.plan.options import parse_duration, parse_share

SEED = click.IntRange(0, 2**63)
"""QEMU's seed has 64 bits, and each further boot adds one."""

KERNEL_NAMES = (
    "stock, a series (6.12), a flavour (cloud, rt, 6.12-cloud), a suite (trixie-backports), an "
    "exact release, running, or the path of a build tree or of unpacked packages"
)
"""What ``--kernel`` accepts, in a few words."""


class CpuCount(click.ParamType[int]):
    """A number of CPUs from 1, or ``auto``, which becomes 0."""

    name = "N"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return the number; fail with a usage error for any other word."""
        if isinstance(value, int):
            return value
        if value == "auto":
            return 0
        if not value.isdecimal() or not 1 <= int(value) <= MOST_CPUS:
            self.fail(f"{value!r} is neither auto nor a number from 1 to {MOST_CPUS}.", param, ctx)
        return int(value)


MOST_CPUS = 255
"""QEMU's machine q35 has no more."""

boot_kernel = click.option(
    "--kernel",
    "spec",
    default="stock",
    show_default=True,
    metavar="SPEC",
    help=f"Kernel to boot: {KERNEL_NAMES}. ringcross kernels lists them.",
)
accelerator = click.option(
    "--accel",
    type=click.Choice(["kvm", "tcg"]),
    default="tcg",
    show_default=True,
    help="How QEMU runs the guest: kvm is faster where it works.",
)


def share(_context: click.Context, _option: click.Parameter, text: str | None) -> float | None:
    """Read a share such as ``2%`` or ``0.02``."""
    return None if text is None else parse_share(text)


def duration(_context: click.Context, _option: click.Parameter, text: str | None) -> float | None:
    """Read a duration such as ``90s``, ``10m`` or ``1h``, in seconds."""
    return None if text is None else parse_duration(text)
