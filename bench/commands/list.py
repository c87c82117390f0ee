# SPDX-License-Identifier: GPL-2.0-only
"""``ringcross list``: list channels and their operations."""

from __future__ import annotations

import json

import click
from rich.table import Table

from bench.commands import console
from bench.plan.cells import OPERATIONS


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the agent's own listing as JSON.")
@click.option(
    "--markdown", "as_markdown", is_flag=True, help="Print the table of docs/results/channels.md."
)
def list_channels(as_json: bool, as_markdown: bool) -> None:
    """List the channels and their operations.

    Prints a table of channels and operations, then the reason for each operation that a channel
    does not have, and what the figures of some modes do not contain, such as a copy of the body.
    Use it to choose values for run --channels and --operations. The first call builds the agent.

    \b
    Examples:
      ringcross list
      ringcross list --json | jq '.channels[].name'
      ringcross list --markdown     the table of docs/results/channels.md
    """
    from bench.commands import channel_table
    from bench.targets.provision import Provisioner

    listing = Provisioner().listing()
    if as_json:
        print(json.dumps(listing, indent=1))
        return
    if as_markdown:
        print(channel_table.markdown(listing), end="")
        return
    table = Table("channel", *OPERATIONS, "what it is")
    for row in channel_table.rows(listing):
        kind = " [dim](a reference)[/]" if row.reference else ""
        table.add_row(row.name, *("yes" if ok else "–" for ok in row.supports), row.summary + kind)
    console.OUT.print(table)
    for row in channel_table.rows(listing):
        for operation, reason in row.unsupported_reason.items():
            console.OUT.print(f"[bold]{row.name}[/] has no {operation}: {reason}", soft_wrap=True)
        for names, text in row.excludes.items():
            console.OUT.print(f"[bold]{row.name} {names}[/], not contained: {text}", soft_wrap=True)
        for mode, reason in row.one_shot_reason.items():
            console.OUT.print(f"[bold]{row.name} {mode}[/] is one-shot: {reason}", soft_wrap=True)
