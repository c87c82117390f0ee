"""``ringcross list``: what can be measured."""

from __future__ import annotations

import json

import click
from rich.table import Table

from bench.commands import console
from bench.plan.cells import OPERATIONS


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="The agent's own list, for programs.")
@click.option("--markdown", "as_markdown", is_flag=True, help="As the table of the README.")
def list_channels(as_json: bool, as_markdown: bool) -> None:
    """What can be measured: channels, their operations, and why one is missing.

    \b
    ringcross list
    ringcross list --json | jq '.channels[].name'
    ringcross list --markdown                   # the table of the README
    """
    from bench.commands import channel_table as tables
    from bench.targets.provision import Provisioner

    listing = Provisioner().listing()
    if as_json:
        print(json.dumps(listing, indent=1))
        return
    if as_markdown:
        print(tables.markdown(listing), end="")
        return
    table = Table("channel", *OPERATIONS, "what it is")
    for row in tables.rows(listing):
        kind = " [dim](a reference)[/]" if row.reference else ""
        table.add_row(row.name, *("yes" if has else "–" for has in row.has), row.summary + kind)
    console.OUT.print(table)
    for row in tables.rows(listing):
        for operation, reason in row.unsupported_reason.items():
            console.OUT.print(f"[bold]{row.name}[/] has no {operation}: {reason}", soft_wrap=True)
        for mode, once in row.one_shot_reason.items():
            console.OUT.print(f"[bold]{row.name} {mode}[/] is one-shot: {once}", soft_wrap=True)
