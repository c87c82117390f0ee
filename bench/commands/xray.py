# SPDX-License-Identifier: GPL-2.0-only
"""``ringcross xray``: print the call tree of one operation."""

from __future__ import annotations

import json
import sys
from typing import Any

import click
from rich.text import Text

from bench.commands import console
from bench.commands.options import KERNEL_NAMES, SEED
from bench.plan.cells import OPERATIONS
from bench.plan.options import CLOCKS

_NAMES = ", ".join(name for name in OPERATIONS if name != "stream")


@click.command()
@click.argument("channel")
@click.option("--operation", metavar="NAME", help=f"One of {_NAMES}; the most informative one if "
              "not given.")  # fmt: skip
@click.option(
    "--mode",
    metavar="NAME",
    help="Mode of the channel; the first one that has the operation if not given.",
)
@click.option(
    "--size", metavar="BYTES", help="Message size in bytes of body, e.g. 64 or 4k; 8 if not given."
)
@click.option("--kernel", default="stock", show_default=True, metavar="SPEC",
              help=f"Kernel to trace: {KERNEL_NAMES}.")  # fmt: skip
@click.option("--clock", type=click.Choice(CLOCKS), default="auto", show_default=True,
              help="What is counted. auto: time with KVM, instructions without.")  # fmt: skip
@click.option("--seed", type=SEED, default=1, show_default=True, help="Seed of the boot.")
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Show all calls; by default those below 1 % are summed up.",
)
@click.option("--flat", is_flag=True, help="List functions by their own cost instead of the tree.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print JSON, in the format of xray.json in a run folder.",
)
def xray(channel: str, everything: bool, flat: bool, as_json: bool, **selection: Any) -> None:
    """Print the kernel functions that one operation calls, with their costs.

    Boots the kernel in a virtual machine and traces one operation of CHANNEL with the
    kernel's function_graph tracer. The cost of the tracer is subtracted. Prints the call tree with
    the share and cost of each function, then the cost per class (copying, locking and so on). Use
    it to find out where the cost of a channel comes from. The exit code is 1 if there is no x-ray.

    \b
    Examples:
      ringcross xray netlink --operation call
      ringcross xray netlink --operation call --flat
      ringcross xray procfs --mode reopen --operation pull --json
    """
    from bench.commands import xray_text
    from bench.commands.single_xray import take_xray

    xrays = take_xray(channel, say=console.dim, **selection)
    if as_json:
        print(json.dumps(xrays.to_json()))
    else:
        smallest = 0 if everything else xray_text.SMALLEST
        for page in xray_text.pages(xrays, smallest=smallest, flat=flat):
            console.OUT.print(page, soft_wrap=isinstance(page, Text))
    sys.exit(0 if all(operation.status == "ok" for operation in xrays.operations) else 1)
