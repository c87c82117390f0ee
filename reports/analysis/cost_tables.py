# SPDX-License-Identifier: GPL-2.0-only
"""The figures of a run as the documentation shows them: channels × operations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reports.analysis import selection
from reports.data.run import OPERATIONS, Channel, Measured, Run

BATCH = 16
"""Events of a burst in the column of batches."""

PER = {"time": 1e9, "instructions": 1e6}
"""Units of the clock that rates are given per."""

COLUMNS = (
    "push", "pull", "call", "one event", f"event in a burst of {BATCH}", "upcall",
    "record of a dump",
)  # fmt: skip
_LONE = ("push", "pull", "call", "notify")


@dataclass(frozen=True)
class Costs:
    """One line of a table: a channel, or one mode of it.

    Attributes:
        name: of the channel, or of channel and mode.
        tag: ``baseline`` or ``reference``; empty for a channel to choose.
        values: units per operation, in the order of :data:`COLUMNS`; None where there is none.
        modes: the mode behind each value; empty where there is none.
    """

    name: str
    tag: str
    values: tuple[float | None, ...]
    modes: tuple[str, ...]


def by_channel(run: Run) -> list[Costs]:
    """Each channel in the cheapest mode that carries a whole message, smallest message."""
    return [_costs(run, channel, channel.name, None) for channel in selection.ordered(run)]


def by_mode(run: Run) -> Iterator[Costs]:
    """Each mode of each channel, smallest message."""
    for channel in sorted(run.channels, key=lambda channel: (_rank(channel), channel.name)):
        for mode in channel.modes:
            name = str(mode["name"])
            costs = _costs(run, channel, f"{channel.name} {name}", name)
            if any(value is not None for value in costs.values):
                yield costs


def reasons(run: Run) -> Iterator[tuple[str, str, str]]:
    """Channel, operation and reason for each operation that no mode of a channel has."""
    for channel in sorted(run.channels, key=lambda channel: (_rank(channel), channel.name)):
        for operation in OPERATIONS:
            if reason := channel.unsupported_reason.get(operation):
                yield channel.name, operation, reason


def _rank(channel: Channel) -> int:
    return 2 if channel.baseline else 1 if channel.reference else 0


def _costs(run: Run, channel: Channel, name: str, mode: str | None) -> Costs:
    lone = [selection.best(_rows(run, channel, operation, mode)) for operation in _LONE]
    batch = _batch(run, channel.name, mode)
    upcall = selection.best(_rows(run, channel, "upcall", mode))
    dump = _longest_dump(run, channel, mode)
    values = [row.median if row else None for row in lone]
    values.append(_per_event(batch, run.clock) if batch else None)
    values.append(upcall.median if upcall else None)
    values.append(dump.median / dump.records if dump and dump.median else None)
    modes = [row.mode if row else "" for row in (*lone, batch, upcall, dump)]
    tag = "baseline" if channel.baseline else "reference" if channel.reference else ""
    return Costs(name, tag, tuple(values), tuple(modes))


def _rows(run: Run, channel: Channel, operation: str, mode: str | None) -> list[Measured]:
    if mode is None:
        return selection.message_rows(run, channel, operation)
    return [row for row in run.of(channel.name, operation) if row.mode == mode]


def _longest_dump(run: Run, channel: Channel, mode: str | None) -> Measured | None:
    """The cheapest dump of the longest table that the channel dumped."""
    found = [
        row
        for row in run.of(channel.name, "dump")
        if row.measured and row.records and (mode is None or row.mode == mode)
    ]
    return min(found, key=lambda row: (-row.records, row.median or 0.0), default=None)


def _batch(run: Run, channel: str, mode: str | None) -> Measured | None:
    """The fastest stream without loss in bursts of :data:`BATCH`."""
    found = [
        row
        for row in run.rows
        if (row.channel, row.operation, row.rate, row.burst) == (channel, "stream", "search", BATCH)
        and row.measured
        and row.offered_per_unit
        and (mode is None or row.mode == mode)
    ]
    return max(found, key=lambda row: row.offered_per_unit or 0.0, default=None)


def _per_event(row: Measured, clock: str) -> float:
    """Units of the clock from one event to the next, at the stream's rate."""
    return PER[clock] / (row.offered_per_unit or float("nan"))
