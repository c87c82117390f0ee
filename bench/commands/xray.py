"""``ringcross xray``: the call tree of one operation."""

from __future__ import annotations

import json
import sys
from typing import Any

import click
from rich.text import Text

from bench.commands import console
from bench.plan.cells import OPERATIONS
from bench.plan.options import CLOCKS


@click.command()
@click.argument("channel")
@click.option("--operation", metavar="NAME", help=f"One of {', '.join(OPERATIONS[:4])}; the most "
              "telling if not given.")  # fmt: skip
@click.option("--mode", metavar="NAME", help="The first that has the operation if not given.")
@click.option("--size", metavar="BYTES", help="Of body, e.g. 64 or 4k; 8 if not given.")
@click.option("--kernel", default="stock", show_default=True, metavar="SPEC",
              help="'stock', a series such as 6.12, or an exact release.")  # fmt: skip
@click.option("--clock", type=click.Choice(CLOCKS), default="auto", show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the boot.")
@click.option("--all", "everything", is_flag=True, help="Do not sum up what costs little.")
@click.option("--flat", is_flag=True, help="Functions by their own cost, not the tree.")
@click.option("--json", "as_json", is_flag=True, help="As in a run's xray.json.")
def xray(channel: str, everything: bool, flat: bool, as_json: bool, **asked: Any) -> None:
    """Print the calls that the kernel makes for one operation, and what each costs.

    \b
    ringcross xray netlink --operation call
    ringcross xray procfs --mode reopen --operation pull --json
    """
    from bench.commands import xray_text
    from bench.commands.single_xray import look

    xrays = look(channel, say=console.dim, **asked)
    if as_json:
        print(json.dumps(xrays.to_json()))
    else:
        smallest = 0 if everything else xray_text.SMALLEST
        for page in xray_text.pages(xrays, smallest=smallest, flat=flat):
            console.OUT.print(page, soft_wrap=isinstance(page, Text))
    sys.exit(0 if all(one.status == "ok" for one in xrays.operations) else 1)
