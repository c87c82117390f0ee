# SPDX-License-Identifier: GPL-2.0-only
"""The table that ``ringcross run`` prints when it ends."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from bench.commands import console
from bench.plan.cells import OPERATIONS, UNITS

if TYPE_CHECKING:
    from reports.data.run import Measured


def print_table(folder: Path) -> None:
    """Print the median cost per operation of each channel and mode, at its smallest size."""
    from reports.analysis.selection import best
    from reports.data.run import load_run
    from reports.pages.view import stream_overhead

    loaded = load_run(folder)
    measured: dict[tuple[str, str, str], list[Measured]] = {}
    for row in (row for channel in loaded.channels for row in loaded.of(channel.name)):
        if row.measured and row.median is not None:
            measured.setdefault((row.channel, row.mode, row.operation), []).append(row)
    cost: dict[tuple[str, str], dict[str, float]] = {}
    for (channel, mode, operation), rows in measured.items():
        chosen = best(rows)
        if chosen and chosen.median is not None:
            cost.setdefault((channel, mode), {})[operation] = chosen.median
    unit = UNITS["time" if loaded.clock == "time" else "instructions"]
    table = Table(
        title=f"{unit} per operation, smallest message, median",
        title_justify="left",
        box=box.SIMPLE,
    )
    table.add_column("channel")
    for operation in OPERATIONS:
        table.add_column(operation, justify="right")
    references = {channel.name for channel in loaded.channels if channel.reference}
    for channel, mode in sorted(cost, key=lambda name: _order(name, references)):
        values = cost[channel, mode]
        cells = (f"{values[op]:,.0f}" if op in values else "–" for op in OPERATIONS)
        note = " (reference: to another process)" if channel in references else ""
        style = "dim" if channel == "null" or note else None
        table.add_row(f"{channel} {mode}{note}", *cells, style=style)
    if not cost:
        return
    console.OUT.print(table)
    kinds = {name: {(row.size, row.records) for row in rows} for name, rows in measured.items()}
    if any(len(kinds[name]) < len(rows) for name, rows in measured.items()):
        console.OUT.print(
            "Where factors such as burst or placement have several values, and none is the usual "
            "one, the cheapest is shown. The report has all.",
            style="dim",
        )
    overhead = loaded.environment.get("overhead") or {}
    if overhead:
        console.OUT.print(
            f"The harness's own cost is subtracted: {overhead['loop']:.3g} {unit} per operation "
            f"and {overhead['read']:.3g} per clock reading"
            f"{_of_streams(stream_overhead(loaded), unit)}.",
            style="dim",
        )


def _of_streams(costs: tuple[float, float] | None, unit: str) -> str:
    """What was subtracted from each message of a stream, as the end of a sentence."""
    if costs is None:
        return ""
    low, high = (f"{cost:,.0f}" for cost in costs)
    between = low if low == high else f"{low} to {high}"
    return f"; in streams {between} {unit} per message, for producing and checking it"


def _order(name: tuple[str, str], references: set[str]) -> tuple[bool, bool, str, str]:
    """Sort key: the baseline ``null``, then channels and modes by name, then references."""
    channel, mode = name
    return channel != "null", channel in references, channel, mode
