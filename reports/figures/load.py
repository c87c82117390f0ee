# SPDX-License-Identifier: GPL-2.0-only
"""Rate searches: loss and latency against the offered rate, and the highest rate without loss."""

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
"""The burst size in figures of all channels; else the nearest measured one."""
BOUNDS = {
    "lost": "messages are lost",
    "behind": "the reader falls behind",
    "late": "the producer is too slow",
    "clean": "no higher rate was tried",
}
"""What happens at a rate higher than the highest one without loss."""
HOW = (
    "Each point is one stream at an offered rate. A timer emits the events in softirq context, "
    "where the producer does not give way to the reader. For channels that cannot emit in softirq "
    "context, the timer wakes a kernel thread that emits them. A ring on the zero line marks the "
    "highest rate without loss. A rate also counts as too high if the reader falls further and "
    "further behind, because a longer stream would then lose messages. Latency starts when an "
    "event is due, so it includes the time in a queue. If producer and reader share a CPU, the "
    "producer takes time from the reader, so a higher offered rate can deliver fewer messages."
)


@dataclass(frozen=True)
class SearchRow:
    """One row of the table of highest rates, as texts; ``row`` has the numbers."""

    row: Measured
    rate: str
    bytes: str
    median: str
    p99: str
    bound: str


def table(searches: Iterable[Sweep]) -> tuple[SearchRow, ...]:
    """The highest rate of each searched cell, or the reason why there is none."""
    rows = []
    for sweep in sorted(searches, key=lambda sweep: -(sweep.rate or 0)):
        row = sweep.row
        bound = BOUNDS.get(row.bound, row.bound) if row.measured else row.reason
        byte_rate = (sweep.rate or 0) * row.size
        rows.append(
            SearchRow(
                row=row,
                rate=words.number(sweep.rate),
                bytes=words.number(byte_rate) if sweep.rate else words.MISSING,
                median=words.number(row.p50),
                p99=words.number(row.p99),
                bound=words.sentence(bound),
            )
        )
    return tuple(rows)


def _representative(searches: Iterable[Sweep]) -> Sweep:
    """The search that represents a channel: burst ``BURST``, smallest size, fastest mode."""

    def rank(sweep: Sweep) -> tuple[object, ...]:
        row = sweep.row
        extra_factors = bool(row.wait or row.queue)
        return extra_factors, row.size, abs(row.burst - BURST), not row.measured, -(sweep.rate or 0)

    return min(searches, key=rank)


def of_channels(run: Run, searches: Iterable[Sweep]) -> Figure | None:
    """Loss and latency against the offered rate, one line per channel."""
    ordered = sorted(searches, key=lambda sweep: sweep.row.channel)
    lines = {
        name: _representative(list(group))
        for name, group in groupby(ordered, key=lambda sweep: sweep.row.channel)
    }
    return _figure(run, "load-all", lines, colours(run))


def of_modes(run: Run, channel: str, searches: Iterable[Sweep]) -> Figure | None:
    """Loss and latency against the offered rate for one channel, one line per cell."""
    lines = {
        _setting(sweep.row): sweep
        for sweep in sorted(searches, key=lambda sweep: sweep.row.key)
        if sweep.row.channel == channel
    }
    return _figure(run, f"load-{channel}", lines, slots(list(lines)))


def _setting(row: Measured) -> str:
    """Mode, factors and size, without the word ``search``, which all have in common."""
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
    rates = "; ".join(f"{name} {words.number(sweep.rate)}" for name, sweep in lines.items())
    loss = [series for label, sweep in lines.items() for series in _loss(label, sweep, slot[label])]
    latency = [_line(label, sweep, slot[label], "p99") for label, sweep in lines.items()]
    delivered = [_line(label, sweep, slot[label], "arrived") for label, sweep in lines.items()]
    plots = (
        Plot(
            name=f"{name}-loss", title="share lost",
            alt="Share of messages lost against the offered rate; "
            f"highest rate without loss: {rates}",
            x=offered, y="share lost", series=tuple(loss), yscale="linear",
            yticks=tuple((25.0 * i, f"{25 * i} %") for i in range(5)), ylimits=(-4.0, 104.0),
        ),
        Plot(
            name=f"{name}-p99", title="99th percentile of latency",
            alt="99th percentile of latency against the offered rate; "
            f"highest rate without loss: {rates}",
            x=offered, y=clock.unit, series=tuple(latency),
        ),
        Plot(
            name=f"{name}-arrived", title="delivered",
            alt=f"Delivered against offered rate; highest rate without loss: {rates}",
            x=offered, y=f"messages per {clock.per}", series=tuple(delivered),
        ),
    )  # fmt: skip
    return Figure(
        name, "Loss and latency against the offered rate", f"messages per {clock.per}", HOW,
        tuple(draw(plot) for plot in plots), tuple((label, slot[label]) for label in lines),
    )  # fmt: skip


def _points(sweep: Sweep, field: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    pairs = [(trial.offered, getattr(trial, field)) for trial in sweep.trials]
    shown = [(x, y) for x, y in pairs if x > 0 and (y > 0 or field == "loss")]
    return tuple(x for x, _ in shown), tuple(y for _, y in shown)


def _line(name: str, sweep: Sweep, slot: int, field: str) -> Series:
    xs, ys = _points(sweep, field)
    setting = _setting(sweep.row)
    return Series(name, name if name == setting else f"{name}: {setting}", slot, xs, ys)


def _loss(name: str, sweep: Sweep, slot: int) -> list[Series]:
    """The line of losses, and a mark at the highest rate without loss."""
    series = [_line(name, sweep, slot, "loss")]
    if sweep.rate and math.isfinite(sweep.rate):
        label = f"{name}: {words.number(sweep.rate)} without loss"
        series.append(Series(name, label, slot, (sweep.rate,), (0.0,), style="mark"))
    return series
