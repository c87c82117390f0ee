"""The figures of a report: rows in, plots with their reading instructions out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reports import choose, words
from reports.load import Measured, Run
from reports.svg import Plot, Series, draw, slots

if TYPE_CHECKING:
    import pandas as pd

POINTS = 120
"""Points that a curve of samples is drawn with."""

COST = (
    "Each line is one channel in its cheapest mode. Low and flat is good. Where a line turns "
    "upward, copying the body costs more than the crossing. The dotted line is a call to an "
    "empty handler, the dashed one a plain copy in user space: nothing that carries the "
    "message gets below both. Both axes are logarithmic."
)
SPECTRUM = (
    "Read it from left to right: how dear is the one operation in two, in ten, in a hundred, in a "
    "thousand? A flat line is a predictable channel, a step upward is something that happens now "
    "and then, such as a timer tick. The right end of a line rests on very few operations."
)
ECDF = (
    "At each cost, the share of operations that cost that much or less. A steep line means that "
    "all operations cost the same, steps mean that there are two or more ways through the kernel."
)
RATE = (
    "Further right is better. Each mark is one operation of a channel at its smallest size, in "
    "its cheapest mode. A distance of one grid line is a factor of ten."
)
BYTES = (
    "Higher is better. A line that still climbs at its right end pays for the crossing; one that "
    "has become flat pays for the copy."
)
MODES = (
    "One line per mode of this channel. The band is the 95 % interval, and often too narrow to "
    "be seen. Dotted: an empty handler. Dashed: a plain copy in user space."
)


@dataclass(frozen=True)
class Figure:
    """Plots that are read together.

    Attributes:
        name: part of its anchor.
        unit: the one unit its plots share.
        how: how to read it.
        legend: name, colour slot and link of each series; empty where labels stand in the plot.
    """

    name: str
    title: str
    unit: str
    how: str
    plots: tuple[str, ...]
    legend: tuple[tuple[str, int], ...] = ()
    floors: bool = False


def colours(run: Run) -> dict[str, int]:
    """Colour slot of each channel."""
    return slots([channel.name for channel in run.channels])


def _sizes(rows: Iterable[Measured]) -> tuple[tuple[float, str], ...]:
    """Ticks for the sizes that were measured, thinned to what fits."""
    found = sorted({row.size for row in rows if row.size > 0})
    step = -(-len(found) // 6) or 1
    return tuple((float(size), words.size(size)) for size in found[::step])


def _points(rows: Iterable[Measured], field: str = "median") -> list[tuple[Measured, float]]:
    """Rows with a value that a logarithmic axis can show."""
    pairs = [(row, getattr(row, field)) for row in rows if row.size > 0]
    return [(row, value) for row, value in pairs if value is not None and value > 0]


def _line(
    rows: list[Measured], slot: int, label: str, field: str = "median", dash: int = 0
) -> Series | None:
    points = _points(rows, field)
    if not points:
        return None
    band = field == "median" and all(row.ci_low and row.ci_high for row, _ in points)
    return Series(
        name=rows[0].channel,
        label=label,
        slot=slot,
        dash=dash,
        xs=tuple(float(row.size) for row, _ in points),
        ys=tuple(value for _, value in points),
        low=tuple(float(row.ci_low or 0) for row, _ in points) if band else (),
        high=tuple(float(row.ci_high or 0) for row, _ in points) if band else (),
    )


def _floors(run: Run, operation: str, ticks: tuple[tuple[float, str], ...]) -> list[Series]:
    """The empty handler and the plain copy, as far as the run has them."""
    found = []
    null = choose.floor(run, operation)
    if null and ticks:
        ends = (ticks[0][0], ticks[-1][0])
        label = f"empty handler: {words.number(null)}"
        found.append(Series("floor", label, 0, ends, (null, null), style="floor"))
    copies = {size: units for size, units in choose.copies(run).items() if size > 0 < units}
    if copies:
        xs, ys = tuple(map(float, copies)), tuple(copies.values())
        found.append(Series("floor", "plain copy", 0, xs, ys, style="floor", dash=1))
    return found


def _cost_plot(run: Run, name: str, operation: str, series: list[Series], shown: list[Measured]) -> str:
    ticks = _sizes(shown)
    clock = words.clock_words(run.clock)
    return draw(
        Plot(
            name=name,
            title=operation,
            alt=f"Cost of {operation} against message size in {clock.axis}: "
            + "; ".join(f"{one.label} {words.number(one.ys[0])}" for one in series),
            x="body of the message",
            y=clock.axis,
            series=(*_floors(run, operation, ticks), *series),
            xticks=ticks,
        )
    )


def cost(run: Run) -> Figure | None:
    """Cost against size, one plot per operation, all channels."""
    slot = colours(run)
    plots, seen = [], set()
    for operation in choose.used(run):
        lines = choose.lines(run, operation)
        series = [
            line
            for name, rows in lines.items()
            if (line := _line(rows, slot[name], f"{name} ({rows[0].mode})"))
        ]
        if series:
            shown = [row for rows in lines.values() for row in rows]
            plots.append(_cost_plot(run, f"cost-{operation}", operation, series, shown))
            seen |= {one.name for one in series}
    if not plots:
        return None
    unit = words.clock_words(run.clock).axis
    return Figure(
        "cost", "Cost against message size", unit, COST, tuple(plots), _legend(seen, slot), True
    )


def modes(run: Run, channel: str) -> Figure | None:
    """Cost against size of one channel, a line per mode."""
    slot = slots(sorted({row.mode for row in run.of(channel)}))
    plots, seen = [], set()
    for operation in choose.used(run):
        lines = choose.variants(run, channel, operation)
        series = []
        for number, rows in enumerate(lines):
            line = _line(rows, slot[rows[0].mode], _setting(rows[0]), dash=number)
            if line:
                series.append(_renamed(line, rows[0].mode))
        if series and max(len(one.xs) for one in series) > 1:
            shown = [row for rows in lines for row in rows]
            plots.append(_cost_plot(run, f"{channel}-{operation}", operation, series, shown))
            seen |= {one.name for one in series}
    if not plots:
        return None
    unit = words.clock_words(run.clock).axis
    return Figure(
        "cost", "Cost against message size", unit, MODES, tuple(plots), _legend(seen, slot), True
    )


def _renamed(series: Series, name: str) -> Series:
    return Series(**{**series.__dict__, "name": name})


def _setting(row: Measured) -> str:
    """A row's mode, and what else tells it from its neighbours."""
    parts = [row.mode]
    if row.operation == "stream":
        parts.append(words.nanoseconds(row.interval))
        if row.burst > 1:
            parts.append(f"bursts of {row.burst}")
    if row.context:
        parts.append(f"from {row.context}")
    return ", ".join(parts)


def _legend(names: Iterable[str], slot: dict[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple((name, slot[name]) for name in sorted(names))


def _sampled(frame: pd.DataFrame, row: Measured) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Sorted samples of a row, the harness's own cost taken off."""
    chosen = frame[
        (frame["channel"] == row.channel)
        & (frame["mode"] == row.mode)
        & (frame["operation"] == row.operation)
        & (frame["size"] == row.size)
    ]
    values = chosen["value"].to_numpy(dtype=float)
    if "overhead" in chosen:
        values = values - np.nan_to_num(chosen["overhead"].to_numpy(dtype=float))
    return np.sort(values[np.isfinite(values)])


def _kept(count: int) -> list[int]:
    """Indices of sorted samples to draw: even on the left, all of the tail."""
    even = np.linspace(0, count - 1, min(count, POINTS))
    tail = count - np.geomspace(1, count, min(count, POINTS))
    return sorted({int(at) for at in np.concatenate([even, tail]) if 0 <= at < count})


def _spectrum(series: Series, values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Series:
    at = _kept(len(values))
    count = len(values)
    xs = tuple(count / (count - i) for i in at)
    return Series(**{**series.__dict__, "xs": xs, "ys": tuple(float(values[i]) for i in at)})


def _ecdf(series: Series, values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Series:
    at = _kept(len(values))
    xs = (float(values[0]), *(float(values[i]) for i in at))
    ys = (0.0, *((i + 1) / len(values) for i in at))
    return Series(**{**series.__dict__, "xs": xs, "ys": ys})


def _percentiles(most: float) -> tuple[tuple[float, str], ...]:
    named = [(1.0, "0 %"), (2.0, "50 %"), (10.0, "90 %"), (100.0, "99 %")]
    named += [(1e3, "99.9 %"), (1e4, "99.99 %"), (1e5, "99.999 %")]
    return tuple(named[: 1 + next((i for i, (at, _) in enumerate(named) if at >= most), 6)])


def latency(
    run: Run, groups: dict[str, list[tuple[Measured, str, int]]], prefix: str = ""
) -> tuple[Figure, ...]:
    """Percentile spectrum and ECDF; ``groups``: rows, series names and slots per operation."""
    frame = run.samples
    if frame is None:
        return ()
    clock = words.clock_words(run.clock)
    spectra, shares = [], []
    seen: dict[str, int] = {}
    for operation, rows in groups.items():
        pairs = []
        for row, name, slot in rows:
            values = _sampled(frame, row)
            if len(values) > 1 and values[0] > 0:
                label = f"{row.channel} ({row.mode}), {words.size(row.size)}"
                pairs.append((Series(name, label, slot, (), (), style="step"), values))
                seen[name] = slot
        if not pairs:
            continue
        most = max(len(values) for _, values in pairs)
        medians = "; ".join(f"{one.label} {words.number(float(np.median(v)))}" for one, v in pairs)
        spectra.append(
            draw(
                Plot(
                    name=f"{prefix}spectrum-{operation}",
                    title=operation,
                    alt=f"Percentiles of {operation} in {clock.axis}, medians: {medians}",
                    x="share of operations that cost no more",
                    y=clock.axis,
                    series=tuple(_spectrum(one, values) for one, values in pairs),
                    xticks=_percentiles(most),
                )
            )
        )
        shares.append(
            draw(
                Plot(
                    name=f"{prefix}ecdf-{operation}",
                    title=operation,
                    alt=f"Share of {operation} operations by cost in {clock.axis}, {medians}",
                    x=clock.axis,
                    y="share of operations",
                    series=tuple(_ecdf(one, values) for one, values in pairs),
                    yscale="linear",
                    yticks=tuple((i / 4, f"{25 * i} %") for i in range(5)),
                )
            )
        )
    if not spectra:
        return ()
    legend = tuple(sorted(seen.items()))
    return (
        Figure("latency", "Latency percentiles", clock.axis, SPECTRUM, tuple(spectra), legend),
        Figure("ecdf", "Distribution of cost", clock.axis, ECDF, tuple(shares), legend),
    )


def channels_latency(run: Run) -> tuple[Figure, ...]:
    """Latency of all channels, each in its cheapest mode at its smallest size."""
    slot = colours(run)
    groups = {
        operation: [
            (row, channel.name, slot[channel.name])
            for channel in choose.ordered(run)
            if (row := choose.best(list(run.of(channel.name, operation))))
        ]
        for operation in choose.used(run)
    }
    return latency(run, groups)


def modes_latency(run: Run, channel: str) -> tuple[Figure, ...]:
    """Latency of one channel's modes at their smallest size."""
    slot = slots(sorted({row.mode for row in run.of(channel)}))
    groups = {}
    for operation in choose.used(run):
        firsts: dict[str, Measured] = {}
        for rows in choose.variants(run, channel, operation):
            firsts.setdefault(rows[0].mode, rows[0])
        groups[operation] = [(row, mode, slot[mode]) for mode, row in firsts.items()]
    return latency(run, groups, f"{channel}-")[:1]


def rates(run: Run) -> Figure | None:
    """Messages per unit of the clock at the smallest size, a mark per operation."""
    clock = words.clock_words(run.clock)
    names = [channel.name for channel in reversed(choose.ordered(run))]
    used = choose.used(run)
    series = []
    for slot, operation in enumerate(used):
        marks = [
            (row.messages_per_unit, float(place))
            for place, name in enumerate(names)
            if (row := choose.best(list(run.of(name, operation))))
            and row.messages_per_unit is not None
            and row.messages_per_unit > 0
        ]
        if marks:
            xs, ys = zip(*marks, strict=True)
            series.append(Series(operation, operation, slot, xs, ys, style="dots"))
    if not series:
        return None
    plot = Plot(
        name="rates",
        title="smallest message",
        alt=f"Messages per {clock.per} by channel and operation; the full table has the numbers",
        x=f"messages per {clock.per}",
        y="",
        series=tuple(series),
        yscale="linear",
        yticks=tuple((float(place), name) for place, name in enumerate(names)),
        width=7.2,
        height=1.2 + 0.3 * len(names),
    )
    legend = tuple((operation, slot) for slot, operation in enumerate(used))
    title, unit = "Messages through a channel", f"messages per {clock.per}"
    return Figure("rates", title, unit, RATE, (draw(plot),), legend)


def bandwidth(run: Run) -> Figure | None:
    """Bytes per unit of the clock against size, one plot per operation."""
    clock = words.clock_words(run.clock)
    slot = colours(run)
    plots, seen = [], set()
    for operation in choose.used(run):
        lines = choose.lines(run, operation)
        series = [
            line
            for name, rows in lines.items()
            if (line := _line(rows, slot[name], f"{name} ({rows[0].mode})", "bytes_per_unit"))
        ]
        if not series or max(len(one.xs) for one in series) < 2:
            continue
        seen |= {one.name for one in series}
        plots.append(
            draw(
                Plot(
                    name=f"bytes-{operation}",
                    title=operation,
                    alt=f"Bytes per {clock.per} of {operation} against message size, at the "
                    "largest: "
                    + "; ".join(f"{one.label} {words.number(one.ys[-1])}" for one in series),
                    x="body of the message",
                    y=f"bytes per {clock.per}",
                    series=tuple(series),
                    xticks=_sizes(row for rows in lines.values() for row in rows),
                )
            )
        )
    if not plots:
        return None
    title, unit = "Bytes through a channel", f"bytes per {clock.per}"
    return Figure("bytes", title, unit, BYTES, tuple(plots), _legend(seen, slot))
