# SPDX-License-Identifier: GPL-2.0-only
"""Streams at a rate: offered and delivered rates, and a check of the message counts.

The agent searches for the highest rate without loss and tries rates around it; see
``bench/agent/protocol/PROTOCOL.md``.  Rates are messages per second (clock ``time``) or per
million instructions (clock ``instructions``).
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from bench.plan.cells import PER, Cell, CellResult, Clock

KEY = tuple(field.name for field in fields(Cell) if field.compare)
FIGURES = (
    "boot load trial interval emitted refused delivered lost reordered duplicated overruns span "
    "missed behind p50 p99 verdict offered_per_unit delivered_per_unit"
).split()
COLUMNS = (*KEY, *FIGURES)
"""Columns of ``trials.csv``: the fields that identify a cell, then those of one trial."""


def violation(counts: Mapping[str, int]) -> str:
    """One sentence why the counts of one stream are inconsistent; empty if they agree.

    Each emitted message was either delivered (counted once) or lost.  Refused messages are
    a part of the lost ones.
    """
    emitted, refused, lost = counts["emitted"], counts["refused"], counts["lost"]
    distinct = counts["delivered"] - counts["duplicated"]
    if distinct + lost != emitted:
        return f"{emitted} messages were emitted, but {distinct} delivered and {lost} lost."
    if refused > lost:
        return f"{refused} messages were refused, but only {lost} did not arrive."
    return ""


def first_violation(columns: Mapping[str, Sequence[int]]) -> str:
    """The first :func:`violation` among several streams, given as columns; empty if none."""
    names = ("emitted", "refused", "delivered", "lost", "duplicated")
    rows = zip(*(columns.get(name, ()) for name in names), strict=True)
    reasons = (violation(dict(zip(names, row, strict=True))) for row in rows)
    return next((reason for reason in reasons if reason), "")


def all_lost(columns: Mapping[str, Sequence[int]]) -> str:
    """Two sentences for a stream that delivered nothing in any round, so that it has no cost.

    The validation pass has received messages by the same path.  So this is a loss, by a queue
    that empties itself or by a reader that was never in time, and not a fault.
    """
    emitted, rounds = sum(columns["emitted"]), len(columns["emitted"])
    return (
        f"The channel lost all {emitted} messages of {rounds} timed rounds, so there is no cost "
        "per message. The reader was never in time: give the stream a rate (--rates search)."
    )


def per_unit(messages: float, units: float, clock: Clock) -> float:
    """The rate of ``messages`` in ``units`` of the clock; NaN if ``units`` is zero or less."""
    return messages * PER[clock][0] / units if units > 0 else math.nan


def offered_rate(result: CellResult, clock: Clock) -> float:
    """The rate at which messages were offered in all rounds; NaN for a stream without a rate."""
    if not result.interval:
        return math.nan
    emitted = sum(result.stream.get("emitted", ()))
    rounds = len(result.stream.get("emitted", ()))
    # A span ends when the round's last burst begins, so it does not cover that burst.
    return per_unit(emitted - rounds * result.cell.burst, sum(result.stream.get("span", ())), clock)


def trials(results: Iterable[CellResult], clock: Clock) -> Iterator[dict[str, Any]]:
    """Rows of ``trials.csv``, one per trial, with at least the keys :data:`COLUMNS`."""
    for result in results:
        columns = result.trials
        for number in range(len(columns.get("interval", ()))):
            row = {name: values[number] for name, values in columns.items()}
            rate = per_unit(row["emitted"] - result.cell.burst, row["span"], clock)
            row |= {name: getattr(result.cell, name) for name in KEY}
            row |= {"boot": result.boot, "load": result.load, "trial": number}
            row["context"] = result.context or result.cell.context
            row["placement"] = result.placement or result.cell.placement
            row["offered_per_unit"] = rate
            row["delivered_per_unit"] = rate * row["delivered"] / row["emitted"]
            yield row


def table(results: Iterable[CellResult], clock: Clock) -> str:
    """The text of ``trials.csv``; empty without a trial."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    count = 0
    for row in trials(results, clock):
        writer.writerow({name: _format_value(value) for name, value in row.items()})
        count += 1
    return text.getvalue() if count else ""


def _format_value(value: Any) -> Any:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.9g}"
    return value
