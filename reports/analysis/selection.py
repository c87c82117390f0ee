# SPDX-License-Identifier: GPL-2.0-only
"""Select the rows that represent a channel: cheapest mode, smallest size, baselines."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from reports.data.run import OPERATIONS, Channel, Measured, Run
from reports.text import words


@dataclass(frozen=True)
class CellSummary:
    """The result of one channel for one operation.

    Attributes:
        row: the row that represents the channel, or None.
        state: ``ok``, ``unsupported``, ``fail`` or ``open`` (not measured).
        reason: why there is no row.
        losses: one phrase per measured cell that lost messages.
    """

    channel: str
    operation: str
    row: Measured | None
    state: str
    reason: str = ""
    losses: tuple[str, ...] = ()


def message_rows(run: Run, channel: Channel, operation: str) -> list[Measured]:
    """Rows of the modes that carry messages of more than one size.

    A mode with a single fixed size, such as one integer, is cheap because it carries less.  It
    represents its channel only if no other mode was measured.  All rows of a baseline count.
    """
    limits = {mode["name"]: (mode.get("operations") or {}).get(operation) for mode in channel.modes}
    rows = list(run.of(channel.name, operation))

    def fixed_size(row: Measured) -> bool:
        limit = limits.get(row.mode) or {}
        return "max" in limit and limit.get("min") == limit["max"]

    others = [row for row in rows if not fixed_size(row)]
    return others if any(row.measured for row in others) and not channel.baseline else rows


def best(rows: list[Measured]) -> Measured | None:
    """The cheapest measured row of the smallest size or table, preferably one without loss."""
    rows = [row for row in rows if row.measured]
    if not rows:
        return None
    smallest = min((row.size, row.records) for row in rows)
    return min(
        (row for row in rows if (row.size, row.records) == smallest),
        key=lambda row: (row.lossy, row.median, row.mode),
    )


def summarize(run: Run, channel: Channel, operation: str) -> CellSummary:
    """The summary of a channel's operation for the heat map."""
    rows = message_rows(run, channel, operation)
    row = best(rows)
    losses = tuple(loss(row, run.clock) for row in rows if row.measured and row.lossy)
    if row:
        return CellSummary(channel.name, operation, row, "ok", losses=losses)
    failed = next((row for row in rows if row.status == "fail"), None)
    if failed:
        return CellSummary(channel.name, operation, None, "fail", words.sentence(failed.reason))
    reason = channel.unsupported_reason.get(operation) or next(
        (row.reason for row in rows if row.reason), ""
    )
    if reason:
        return CellSummary(channel.name, operation, None, "unsupported", words.sentence(reason))
    return CellSummary(channel.name, operation, None, "open", "Not measured in this run.")


def loss(row: Measured, clock: str) -> str:
    """How much a stream lost, and with which mode, size and interval."""
    share = words.percent(row.missing, row.offered)
    amount = (
        f"{share:.2g} % of the offered messages"
        if share
        else f"{words.number(row.missing)} messages"
    )
    interval = words.interval(row.interval, clock)
    return f"{row.mode} at {words.size(row.size)}, {interval}: lost {amount}"


def ordered(run: Run) -> list[Channel]:
    """All channels: baselines, then channels from cheapest to most expensive, then references."""

    def rank(channel: Channel) -> tuple[bool, bool, bool, float, str]:
        costs = [
            row.median
            for operation in ("push", "pull", "call")
            if (row := best(message_rows(run, channel, operation))) and row.median is not None
        ]
        is_channel = channel.name not in ("null", "syscall") and not channel.baseline
        cheapest = min(costs, default=0.0)
        return is_channel, channel.reference, not costs, cheapest, channel.name

    return sorted(run.channels, key=rank)


def line(run: Run, channel: str, operation: str) -> list[Measured]:
    """The cheapest row of each size, smallest first."""
    rows = [row for row in message_rows(run, run.channel(channel), operation) if row.measured]
    sizes = {row.size for row in rows}
    cheapest = [best([row for row in rows if row.size == size]) for size in sizes]
    return sorted((row for row in cheapest if row), key=lambda row: row.size)


def modes_of(rows: list[Measured]) -> str:
    """The modes of the rows of a line: ``direct, indirect from 64 KiB``."""
    modes = [rows[0].mode]
    for before, row in pairwise(rows):
        if row.mode != before.mode:
            modes.append(f"{row.mode} from {words.size(row.size)}")
    return ", ".join(modes)


def _setting(row: Measured) -> tuple[object, ...]:
    """What the rows of one line have in common."""
    return (
        row.mode, row.threads, row.context, row.interval, row.burst, row.placement, row.records,
    )  # fmt: skip


def same_setting(run: Run, first: Measured) -> list[Measured]:
    """Rows that differ from ``first`` only in size, smallest first."""
    rows = [
        row
        for row in run.of(first.channel, first.operation)
        if row.measured and _setting(row) == _setting(first)
    ]
    return sorted(rows, key=lambda row: row.size)


def variants(run: Run, channel: str, operation: str) -> list[list[Measured]]:
    """The lines of a channel, one per mode and setting, in the order of their smallest size."""
    firsts: dict[tuple[object, ...], Measured] = {}
    for row in sorted(run.of(channel, operation), key=lambda row: row.size):
        if row.measured:
            firsts.setdefault(_setting(row), row)
    return [same_setting(run, first) for first in firsts.values()]


def floor(run: Run, operation: str = "") -> float | None:
    """Median of the empty handler (baseline) for ``operation``, or of its cheapest operation."""
    rows = list(run.of("null", operation)) or list(run.of("null"))
    return min((row.median for row in rows if row.measured and row.median), default=None)


def copies(run: Run) -> dict[int, float]:
    """Cost of a plain copy in user space (baseline), by size."""
    floors = run.environment.get("floors")
    costs = (floors.get("copy") if isinstance(floors, dict) else None) or {}
    return dict(sorted((int(size), float(units)) for size, units in costs.items() if units))


def lines(run: Run, operation: str) -> dict[str, list[Measured]]:
    """The line of each channel for a figure of all channels; baselines are omitted."""
    channels = {
        channel.name: line(run, channel.name, operation)
        for channel in ordered(run)
        if not channel.baseline
    }
    return {name: rows for name, rows in channels.items() if rows}


def used(run: Run) -> list[str]:
    """Operations with at least one measured row, in their usual order."""
    return [op for op in OPERATIONS if any(row.measured for row in run.rows if row.operation == op)]


def sized(run: Run) -> list[str]:
    """The operations of :func:`used` whose messages have several sizes: all but dump."""
    return [operation for operation in used(run) if operation != "dump"]
