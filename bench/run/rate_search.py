"""Streams at a rate: what was offered, what arrived, and whether the sums come out.

The agent searches the highest rate without loss and tries others around it; see
``bench/agent/protocol/PROTOCOL.md``.  Rates are per second or per million instructions.
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
"""Of ``trials.csv``: what tells the cells apart, then one trial a row."""


def violation(counts: Mapping[str, int]) -> str:
    """Why the counts of one stream cannot be true; empty when they can.

    Raised are those delivered, once each, and those lost; of the lost, some were refused.
    """
    emitted, refused, lost = counts["emitted"], counts["refused"], counts["lost"]
    once = counts["delivered"] - counts["duplicated"]
    if once + lost != emitted:
        return f"{emitted} messages were emitted, but {once} delivered and {lost} lost."
    if refused > lost:
        return f"{refused} messages were refused, but only {lost} did not arrive."
    return ""


def first_violation(columns: Mapping[str, Sequence[int]]) -> str:
    """The first :func:`violation` among streams given as columns."""
    names = ("emitted", "refused", "delivered", "lost", "duplicated")
    rows = zip(*(columns.get(name, ()) for name in names), strict=True)
    found = (violation(dict(zip(names, row, strict=True))) for row in rows)
    return next((reason for reason in found if reason), "")


def per_unit(messages: float, units: float, clock: Clock) -> float:
    """``messages`` in ``units`` of the clock as a rate; NaN where no time has passed."""
    return messages * PER[clock][0] / units if units > 0 else math.nan


def offered(result: CellResult, clock: Clock) -> float:
    """The rate at which the messages of all rounds were offered; NaN without one."""
    if not result.interval:
        return math.nan
    emitted = sum(result.stream.get("emitted", ()))
    bursts = len(result.stream.get("emitted", ()))
    # The last burst of each round begins when its span ends.
    return per_unit(emitted - bursts * result.cell.burst, sum(result.stream.get("span", ())), clock)


def trials(results: Iterable[CellResult], clock: Clock) -> Iterator[dict[str, Any]]:
    """Rows of ``trials.csv`` for all streams that were tried."""
    for result in results:
        told = result.trials
        for number in range(len(told.get("interval", ()))):
            row = {name: values[number] for name, values in told.items()}
            rate = per_unit(row["emitted"] - result.cell.burst, row["span"], clock)
            row |= {name: getattr(result.cell, name) for name in KEY}
            row |= {"boot": result.boot, "load": result.load, "trial": number}
            row["context"] = result.context or result.cell.context
            row["offered_per_unit"] = rate
            row["delivered_per_unit"] = rate * row["delivered"] / row["emitted"]
            yield row


def table(results: Iterable[CellResult], clock: Clock) -> str:
    """The text of ``trials.csv``; empty when nothing was tried."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    count = 0
    for row in trials(results, clock):
        writer.writerow({name: _shown(value) for name, value in row.items()})
        count += 1
    return text.getvalue() if count else ""


def _shown(value: Any) -> Any:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.9g}"
    return value
