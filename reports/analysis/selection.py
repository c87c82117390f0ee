"""Which rows a reader sees first: the best mode at the smallest size, and the floors."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from reports.data.run import OPERATIONS, Channel, Measured, Run
from reports.text import words


@dataclass(frozen=True)
class CellSummary:
    """What one channel shows for one operation.

    Attributes:
        row: the row whose number is shown, or None.
        state: ``ok``, ``cannot``, ``fail`` or ``open`` (not measured).
        reason: why there is no number.
        losses: one sentence per measured case that lost messages.
    """

    channel: str
    operation: str
    row: Measured | None
    state: str
    reason: str = ""
    losses: tuple[str, ...] = ()


def whole(run: Run, channel: Channel, operation: str) -> list[Measured]:
    """Rows of modes with room for a whole message; all rows where no mode has, and of baselines.

    A mode that carries a number alone is cheap for that, and stands for its channel only when
    there is no other.
    """
    limits = {mode["name"]: (mode.get("operations") or {}).get(operation) for mode in channel.modes}
    rows = list(run.of(channel.name, operation))

    def narrow(row: Measured) -> bool:
        told = limits.get(row.mode) or {}
        return "max" in told and told.get("min") == told["max"]

    roomy = [row for row in rows if not narrow(row)]
    return roomy if any(row.measured for row in roomy) and not channel.baseline else rows


def best(rows: list[Measured]) -> Measured | None:
    """The cheapest row of the smallest size; one that lost nothing, if there is such."""
    rows = [row for row in rows if row.measured]
    if not rows:
        return None
    smallest = min(row.size for row in rows)
    return min(
        (row for row in rows if row.size == smallest),
        key=lambda row: (row.lossy, row.median, row.mode),
    )


def spot(run: Run, channel: Channel, operation: str) -> CellSummary:
    """What the heat map shows for a channel's operation."""
    rows = whole(run, channel, operation)
    row = best(rows)
    losses = tuple(loss(row) for row in rows if row.measured and row.lossy)
    if row:
        return CellSummary(channel.name, operation, row, "ok", losses=losses)
    failed = next((row for row in rows if row.status == "fail"), None)
    if failed:
        return CellSummary(channel.name, operation, None, "fail", words.sentence(failed.reason))
    why = channel.unsupported_reason.get(operation) or next(
        (row.reason for row in rows if row.reason), ""
    )
    if why:
        return CellSummary(channel.name, operation, None, "cannot", words.sentence(why))
    return CellSummary(channel.name, operation, None, "open", "Not measured in this run.")


def loss(row: Measured) -> str:
    """How much a stream lost, and when."""
    share = words.percent(row.missing, row.offered)
    amount = (
        f"{share:.2g} % of what was offered" if share else f"{words.number(row.missing)} messages"
    )
    return f"{row.mode} at {words.size(row.size)}, {words.nanoseconds(row.interval)}: lost {amount}"


def ordered(run: Run) -> list[Channel]:
    """Baselines first, references last, between them by their cheapest crossing."""

    def rank(channel: Channel) -> tuple[bool, bool, bool, float, str]:
        costs = [
            row.median
            for operation in ("push", "pull", "call")
            if (row := best(whole(run, channel, operation))) and row.median is not None
        ]
        carries = channel.name not in ("null", "syscall") and not channel.baseline
        cheapest = min(costs, default=0.0)
        return carries, channel.reference, not costs, cheapest, channel.name

    return sorted(run.channels, key=rank)


def line(run: Run, channel: str, operation: str) -> list[Measured]:
    """The cheapest row of each size, smallest first."""
    rows = [row for row in whole(run, run.channel(channel), operation) if row.measured]
    found = [best([row for row in rows if row.size == size]) for size in {row.size for row in rows}]
    return sorted((row for row in found if row), key=lambda row: row.size)


def modes_of(rows: list[Measured]) -> str:
    """Which modes a line goes through: ``direct, indirect from 64 KiB``."""
    found = [rows[0].mode]
    for before, row in pairwise(rows):
        if row.mode != before.mode:
            found.append(f"{row.mode} from {words.size(row.size)}")
    return ", ".join(found)


def alike(run: Run, first: Measured) -> list[Measured]:
    """Rows that differ from ``first`` in their size alone, smallest first."""
    rows = [
        row
        for row in run.of(first.channel, first.operation)
        if row.measured
        and (row.mode, row.threads, row.context, row.interval, row.burst)
        == (first.mode, first.threads, first.context, first.interval, first.burst)
    ]
    return sorted(rows, key=lambda row: row.size)


def variants(run: Run, channel: str, operation: str) -> list[list[Measured]]:
    """All lines of a channel: one per mode and setting, best first."""
    firsts: dict[tuple[object, ...], Measured] = {}
    for row in sorted(run.of(channel, operation), key=lambda row: row.size):
        if row.measured:
            setting = (row.mode, row.threads, row.context, row.interval, row.burst)
            firsts.setdefault(setting, row)
    return [alike(run, first) for first in firsts.values()]


def floor(run: Run, operation: str = "") -> float | None:
    """Median of the empty handler, for this operation or its cheapest."""
    rows = list(run.of("null", operation)) or list(run.of("null"))
    return min((row.median for row in rows if row.measured and row.median), default=None)


def copies(run: Run) -> dict[int, float]:
    """Cost of a plain copy in user space, by size."""
    floors = run.environment.get("floors")
    told = (floors.get("copy") if isinstance(floors, dict) else None) or {}
    return dict(sorted((int(size), float(units)) for size, units in told.items() if units))


def lines(run: Run, operation: str) -> dict[str, list[Measured]]:
    """For a figure of all channels: each channel's line, floors left out."""
    found = {
        channel.name: line(run, channel.name, operation)
        for channel in ordered(run)
        if not channel.baseline
    }
    return {name: rows for name, rows in found.items() if rows}


def used(run: Run) -> list[str]:
    """Operations with a number, in the order of the design."""
    return [op for op in OPERATIONS if any(row.measured for row in run.rows if row.operation == op)]
