"""Streams at a rate: loss and latency against what was offered, and the highest rate without."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby

from reports.data.run import Measured, Run
from reports.data.trials import Sweep
from reports.figures.cost import Figure, colours
from reports.figures.svg import Plot, Series, draw, slots
from reports.text import words

BURST = 16
"""The burst that figures of all channels show, or the nearest to it that was measured."""
BOUNDS = {
    "lost": "messages are lost",
    "behind": "the reader falls behind",
    "late": "the producer itself is too slow",
    "clean": "nothing: no higher rate was tried",
}
"""What a higher rate than the one found brings."""
HOW = (
    "Each point is one stream at the rate below it, from a timer in softirq context that does not "
    "give way to the reader. A ring on the zero line is the highest rate found without "
    "loss. A rate counts as too high also when the reader falls further and further behind, "
    "since a longer stream would then have lost something. Latency counts from the moment an "
    "event was due, so waiting in a queue is in it. What the producer takes from one CPU "
    "the reader has not: beyond the knee, offering more can mean that less arrives."
)


@dataclass(frozen=True)
class SearchRow:
    """One row of the table of highest rates; texts for people, numbers for sorting."""

    row: Measured
    rate: str
    bytes: str
    median: str
    p99: str
    bound: str


def table(found: Iterable[Sweep]) -> tuple[SearchRow, ...]:
    """The highest rate of each searched cell, or why there is none."""
    rows = []
    for sweep in sorted(found, key=lambda one: -(one.rate or 0)):
        row = sweep.row
        bound = BOUNDS.get(row.bound, row.bound) if row.measured else row.reason
        carried = (sweep.rate or 0) * row.size
        rows.append(
            SearchRow(
                row=row,
                rate=words.number(sweep.rate),
                bytes=words.number(carried) if sweep.rate else words.MISSING,
                median=words.number(row.p50),
                p99=words.number(row.p99),
                bound=words.sentence(bound),
            )
        )
    return tuple(rows)


def _representative(found: Iterable[Sweep]) -> Sweep:
    """Of one channel: the usual burst at the smallest size, in the mode that carries most."""

    def rank(sweep: Sweep) -> tuple[object, ...]:
        row = sweep.row
        odd = bool(row.wait or row.queue)
        return odd, row.size, abs(row.burst - BURST), not row.measured, -(sweep.rate or 0)

    return min(found, key=rank)


def of_channels(run: Run, found: Iterable[Sweep]) -> Figure | None:
    """Loss and latency against the offered rate, one line per channel."""
    ordered = sorted(found, key=lambda sweep: sweep.row.channel)
    lines = {
        name: _representative(list(group))
        for name, group in groupby(ordered, key=lambda sweep: sweep.row.channel)
    }
    return _figure(run, "overload-all", lines, colours(run))


def of_modes(run: Run, channel: str, found: Iterable[Sweep]) -> Figure | None:
    """The same for one channel, a line per mode and factor."""
    lines = {
        _told(sweep.row): sweep
        for sweep in sorted(found, key=lambda sweep: sweep.row.key)
        if sweep.row.channel == channel
    }
    return _figure(run, f"overload-{channel}", lines, slots(list(lines)))


def _told(row: Measured) -> str:
    """Mode and factors, without the search that they share."""
    factors = [word for word in row.factors.split() if word != "search"]
    return " ".join([row.mode, *factors, words.size(row.size)])


def _figure(
    run: Run, name: str, lines: Mapping[str, Sweep], slot: Mapping[str, int]
) -> Figure | None:
    lines = {label: sweep for label, sweep in lines.items() if sweep.trials}
    if not lines:
        return None
    clock = words.clock_words(run.clock)
    offered = f"messages offered per {clock.per}"
    found = "; ".join(f"{told} {words.number(sweep.rate)}" for told, sweep in lines.items())
    loss = [series for told, sweep in lines.items() for series in _loss(told, sweep, slot[told])]
    late = [_line(told, sweep, slot[told], "p99") for told, sweep in lines.items()]
    went = [_line(told, sweep, slot[told], "arrived") for told, sweep in lines.items()]
    plots = (
        Plot(
            name=f"{name}-loss", title="what is lost",
            alt=f"Share of messages lost against the offered rate; highest without loss: {found}",
            x=offered, y="share lost", series=tuple(loss), yscale="linear",
            yticks=tuple((25.0 * i, f"{25 * i} %") for i in range(5)), ylimits=(-4.0, 104.0),
        ),
        Plot(
            name=f"{name}-p99", title="latency that 99 % do not exceed",
            alt=f"Latency against the offered rate; highest without loss: {found}",
            x=offered, y=clock.unit, series=tuple(late),
        ),
        Plot(
            name=f"{name}-arrived", title="what arrives",
            alt=f"Delivered against offered rate; highest without loss: {found}",
            x=offered, y=f"messages per {clock.per}", series=tuple(went),
        ),
    )  # fmt: skip
    return Figure(
        name, "Loss and latency against the offered rate", f"messages per {clock.per}", HOW,
        tuple(draw(plot) for plot in plots), tuple((told, slot[told]) for told in lines),
    )  # fmt: skip


def _points(sweep: Sweep, field: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    pairs = [(trial.offered, getattr(trial, field)) for trial in sweep.trials]
    shown = [(x, y) for x, y in pairs if x > 0 and (y > 0 or field == "loss")]
    return tuple(x for x, _ in shown), tuple(y for _, y in shown)


def _line(told: str, sweep: Sweep, slot: int, field: str) -> Series:
    xs, ys = _points(sweep, field)
    return Series(told, f"{told}: {_told(sweep.row)}", slot, xs, ys)


def _loss(told: str, sweep: Sweep, slot: int) -> list[Series]:
    """The line, and the mark where nothing is lost yet."""
    found = [_line(told, sweep, slot, "loss")]
    if sweep.rate and math.isfinite(sweep.rate):
        label = f"{told}: {words.number(sweep.rate)} without loss"
        found.append(Series(told, label, slot, (sweep.rate,), (0.0,), style="mark"))
    return found
