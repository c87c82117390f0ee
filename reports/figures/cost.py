"""The figures of a report: rows in, plots with their reading instructions out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reports.analysis import selection
from reports.data.run import OPERATIONS, Measured, Run
from reports.figures.svg import Plot, Series, draw, slots
from reports.text import words

COST = (
    "Each line is one channel, at each size in its cheapest mode. Point at a line for the modes. "
    "Low and flat is good. Where a line turns "
    "upward, copying the body costs more than the crossing. The dotted line is a call to an "
    "empty handler, the dashed one a plain copy in user space. A channel below the dotted line "
    "gets by with less than one system call a message. Both axes are logarithmic."
)
RATE = (
    "Further right is better. Each mark is one operation of a channel at its smallest size, in "
    "its cheapest mode. The axis is logarithmic."
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
    found = sorted({row.size for row in rows if row.size > 0}, reverse=True)
    if not found:
        return ()
    apart = max(1.5, (found[0] / found[-1]) ** (1 / 7))
    kept: list[int] = []
    for size in found:
        if not kept or kept[-1] / size >= apart:
            kept.append(size)
    return tuple((float(size), words.size(size)) for size in reversed(kept))


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


def _told(run: Run, name: str, rows: list[Measured]) -> str:
    kind = "reference: " if run.channel(name).reference else ""
    return f"{name} ({kind}{selection.modes_of(rows)})"


def _floors(run: Run, operation: str, series: list[Series]) -> list[Series]:
    """The empty handler and the plain copy, as far as the run has them."""
    found = []
    null = selection.floor(run, operation)
    xs = [x for one in series for x in one.xs]
    if null and xs:
        ends = (min(xs), max(xs))
        label = f"empty handler: {words.number(null)}"
        found.append(Series("floor", label, 0, ends, (null, null), style="floor"))
    copies = {size: units for size, units in selection.copies(run).items() if size > 0 < units}
    if copies:
        sizes, costs = tuple(map(float, copies)), tuple(copies.values())
        found.append(Series("floor", "plain copy", 0, sizes, costs, style="floor", dash=1))
    return found


def _cost_plot(
    run: Run, name: str, operation: str, series: list[Series], shown: list[Measured]
) -> str:
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
            series=(*_floors(run, operation, series), *series),
            xticks=ticks,
        )
    )


def cost(run: Run) -> Figure | None:
    """Cost against size, one plot per operation, all channels."""
    slot = colours(run)
    plots, seen = [], set()
    for operation in selection.used(run):
        lines = selection.lines(run, operation)
        series = [
            line
            for name, rows in lines.items()
            if (line := _line(rows, slot[name], _told(run, name, rows)))
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
    for operation in selection.used(run):
        lines = selection.variants(run, channel, operation)
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


def rates(run: Run) -> Figure | None:
    """Messages per unit of the clock at the smallest size, a mark per operation."""
    clock = words.clock_words(run.clock)
    names = [channel.name for channel in reversed(selection.ordered(run))]
    used = selection.used(run)
    series = []
    for slot, operation in enumerate(used, start=7):  # unlike the first channels
        marks = [
            (row.messages_per_unit, float(place))
            for place, name in enumerate(names)
            if (row := selection.best(list(run.of(name, operation))))
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
        ylimits=(-0.6, len(names) - 0.4),
        width=5.6,
        height=1.0 + 0.3 * len(names),
        margin=0.25 + 0.085 * max(map(len, names)),
    )
    legend = tuple((one.name, one.slot) for one in series)
    title, unit = "Messages through a channel", f"messages per {clock.per}"
    return Figure("rates", title, unit, RATE, (draw(plot),), legend)


def bandwidth(run: Run) -> Figure | None:
    """Bytes per unit of the clock against size, one plot per operation."""
    clock = words.clock_words(run.clock)
    slot = colours(run)
    plots, seen = [], set()
    for operation in selection.used(run):
        lines = selection.lines(run, operation)
        series = [
            line
            for name, rows in lines.items()
            if (line := _line(rows, slot[name], _told(run, name, rows), "bytes_per_unit"))
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


def cost_of_several(sides: list[tuple[str, Run]]) -> Figure | None:
    """Cost against size of several runs of one clock: a colour a channel, a dash a run."""
    clock = words.clock_words(sides[0][1].clock)
    slot = slots(sorted({channel.name for _, run in sides for channel in run.channels}))
    plots, seen = [], set()
    for operation in OPERATIONS:
        series, shown = [], []
        for dash, (letter, run) in enumerate(sides):
            for name, rows in selection.lines(run, operation).items():
                label = f"{letter}: {_told(run, name, rows)}"
                if line := _line(rows, slot[name], label, dash=dash):
                    series.append(line)
                    shown += rows
        if not series:
            continue
        seen |= {one.name for one in series}
        plots.append(
            draw(
                Plot(
                    name=f"several-{sides[0][1].clock}-{operation}",
                    title=operation,
                    alt=f"Cost of {operation} against message size in {clock.axis}: "
                    + "; ".join(f"{one.label} {words.number(one.ys[0])}" for one in series),
                    x="body of the message",
                    y=clock.axis,
                    series=tuple(series),
                    xticks=_sizes(shown),
                )
            )
        )
    if not plots:
        return None
    drawn = ("solid", "dashed", "dotted", "dash-dotted")
    dashes = words.listed([f"{letter} {drawn[i % 4]}" for i, (letter, _) in enumerate(sides)])
    how = f"A colour is a channel, a dash is a run: {dashes}. Lines that hide each other are equal."
    name = f"cost-{sides[0][1].clock}"
    legend = _legend(seen, slot)
    return Figure(name, "Cost against message size", clock.axis, how, tuple(plots), legend)
