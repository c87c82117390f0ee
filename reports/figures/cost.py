# SPDX-License-Identifier: GPL-2.0-only
"""Figures of cost and rate, each with its instructions for reading."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reports.analysis import selection
from reports.data.run import OPERATIONS, Measured, Run
from reports.figures.svg import Plot, Series, draw, slots
from reports.text import words

COST = (
    "Each line is one channel, in its cheapest mode at each size. Point at a line to see its "
    "modes. A low, flat line is best. Where a line turns upward, copying the body costs more than "
    "the crossing. The dotted line is a call to an empty handler, the dashed line a plain copy in "
    "user space. A channel below the dotted line needs less than one system call per message. "
    "Both axes are logarithmic."
)
RATE = (
    "Each mark is one operation of a channel, at its smallest size in its cheapest mode. Further "
    "right is better. The axis is logarithmic."
)
BYTES = (
    "Higher is better. If a line still rises at its right end, the crossing dominates the cost. "
    "If it has become flat, the copy does."
)
MODES = (
    "Each line is one mode of this channel. The band is the 95 % interval; it is often too narrow "
    "to be visible. The dotted line is a call to an empty handler, the dashed line a plain copy "
    "in user space."
)


@dataclass(frozen=True)
class Figure:
    """Plots that are read together.

    Attributes:
        name: its anchor on the page.
        unit: the unit that all its plots share.
        how: how to read it, in sentences.
        legend: name and colour slot of each series.
        baselines: the plots contain the empty handler and the plain copy.
    """

    name: str
    title: str
    unit: str
    how: str
    plots: tuple[str, ...]
    legend: tuple[tuple[str, int], ...] = ()
    baselines: bool = False


def colours(run: Run) -> dict[str, int]:
    """Colour slot of each channel."""
    return slots([channel.name for channel in run.channels])


def _sizes(rows: Iterable[Measured]) -> tuple[tuple[float, str], ...]:
    """Ticks at the measured sizes; sizes too close to each other are omitted."""
    sizes = sorted({row.size for row in rows if row.size > 0}, reverse=True)
    if not sizes:
        return ()
    smallest_step = max(1.5, (sizes[0] / sizes[-1]) ** (1 / 7))
    kept: list[int] = []
    for size in sizes:
        if not kept or kept[-1] / size >= smallest_step:
            kept.append(size)
    return tuple((float(size), words.size(size)) for size in reversed(kept))


def _points(rows: Iterable[Measured], field: str = "median") -> list[tuple[Measured, float]]:
    """Rows and their values, as far as a logarithmic axis can show them."""
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


def _label(run: Run, name: str, rows: list[Measured]) -> str:
    """The channel and the modes of its line."""
    kind = "reference: " if run.channel(name).reference else ""
    return f"{name} ({kind}{selection.modes_of(rows)})"


def _baselines(run: Run, operation: str, series: list[Series]) -> list[Series]:
    """The empty handler and the plain copy, as far as the run measured them."""
    baselines = []
    null = selection.floor(run, operation)
    xs = [x for line in series for x in line.xs]
    if null and xs:
        ends = (min(xs), max(xs))
        label = f"empty handler: {words.number(null)}"
        baselines.append(Series("floor", label, 0, ends, (null, null), style="floor"))
    copies = {size: units for size, units in selection.copies(run).items() if size > 0 < units}
    if copies:
        sizes, costs = tuple(map(float, copies)), tuple(copies.values())
        baselines.append(Series("floor", "plain copy", 0, sizes, costs, style="floor", dash=1))
    return baselines


def _cost_plot(
    run: Run, name: str, operation: str, series: list[Series], rows: list[Measured]
) -> str:
    ticks = _sizes(rows)
    clock = words.clock_words(run.clock)
    return draw(
        Plot(
            name=name,
            title=operation,
            alt=f"Cost of {operation} against message size in {clock.axis}: "
            + "; ".join(f"{line.label} {words.number(line.ys[0])}" for line in series),
            x="body of the message",
            y=clock.axis,
            series=(*_baselines(run, operation, series), *series),
            xticks=ticks,
        )
    )


def _channel_series(
    run: Run,
    lines: Mapping[str, list[Measured]],
    slot: Mapping[str, int],
    field: str = "median",
) -> list[Series]:
    """A series per channel that has points."""
    found = (
        _line(rows, slot[name], _label(run, name, rows), field) for name, rows in lines.items()
    )
    return [series for series in found if series]


def cost(run: Run) -> Figure | None:
    """Cost against size: a plot per operation, a line per channel."""
    slot = colours(run)
    plots, names = [], set()
    for operation in selection.sized(run):
        lines = selection.lines(run, operation)
        series = _channel_series(run, lines, slot)
        if series:
            rows_drawn = [row for rows in lines.values() for row in rows]
            plots.append(_cost_plot(run, f"cost-{operation}", operation, series, rows_drawn))
            names |= {line.name for line in series}
    if not plots:
        return None
    unit = words.clock_words(run.clock).axis
    return Figure(
        "cost", "Cost against message size", unit, COST, tuple(plots), _legend(names, slot), True
    )


def modes(run: Run, channel: str) -> Figure | None:
    """Cost against size of one channel: a plot per operation, a line per mode."""
    slot = slots(sorted({row.mode for row in run.of(channel)}))
    plots, names = [], set()
    for operation in selection.sized(run):
        lines = selection.variants(run, channel, operation)
        series = []
        for number, rows in enumerate(lines):
            line = _line(rows, slot[rows[0].mode], _setting(rows[0], run.clock), dash=number)
            if line:
                series.append(_renamed(line, rows[0].mode))
        if series and max(len(line.xs) for line in series) > 1:
            rows_drawn = [row for rows in lines for row in rows]
            plots.append(_cost_plot(run, f"{channel}-{operation}", operation, series, rows_drawn))
            names |= {line.name for line in series}
    if not plots:
        return None
    unit = words.clock_words(run.clock).axis
    return Figure(
        "cost", "Cost against message size", unit, MODES, tuple(plots), _legend(names, slot), True
    )


def _renamed(series: Series, name: str) -> Series:
    return Series(**{**series.__dict__, "name": name})


def _setting(row: Measured, clock: str) -> str:
    """The mode of a row, and the factors that distinguish it from other rows of the mode."""
    parts = [row.mode]
    if row.operation == "stream":
        parts.append(words.interval(row.interval, clock))
        if row.burst > 1:
            parts.append(f"bursts of {row.burst}")
    if row.context and row.operation in ("notify", "stream"):
        parts.append(f"from {row.context} context")
    return ", ".join(parts)


def _legend(names: Iterable[str], slot: dict[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple((name, slot[name]) for name in sorted(names))


def rates(run: Run) -> Figure | None:
    """Messages per unit of the clock at the smallest size: a mark per operation and channel."""
    clock = words.clock_words(run.clock)
    names = [channel.name for channel in reversed(selection.ordered(run))]
    used = selection.used(run)
    series = []
    for slot, operation in enumerate(
        used, start=7
    ):  # colours other than those of the first channels
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
        alt=f"Messages per {clock.per} by channel and operation; the table of all cells has the "
        "numbers",
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
    legend = tuple((line.name, line.slot) for line in series)
    title, unit = "Message rate", f"messages per {clock.per}"
    return Figure("rates", title, unit, RATE, (draw(plot),), legend)


def bandwidth(run: Run) -> Figure | None:
    """Bytes per unit of the clock against size: a plot per operation, a line per channel."""
    clock = words.clock_words(run.clock)
    slot = colours(run)
    plots, names = [], set()
    for operation in selection.sized(run):
        lines = selection.lines(run, operation)
        series = _channel_series(run, lines, slot, "bytes_per_unit")
        if not series or max(len(line.xs) for line in series) < 2:
            continue
        names |= {line.name for line in series}
        plots.append(
            draw(
                Plot(
                    name=f"bytes-{operation}",
                    title=operation,
                    alt=f"Bytes per {clock.per} of {operation} against message size; at the "
                    "largest size: "
                    + "; ".join(f"{line.label} {words.number(line.ys[-1])}" for line in series),
                    x="body of the message",
                    y=f"bytes per {clock.per}",
                    series=tuple(series),
                    xticks=_sizes(row for rows in lines.values() for row in rows),
                )
            )
        )
    if not plots:
        return None
    title, unit = "Byte rate", f"bytes per {clock.per}"
    return Figure("bytes", title, unit, BYTES, tuple(plots), _legend(names, slot))


def cost_of_several(sides: list[tuple[str, Run]]) -> Figure | None:
    """Cost against size of several runs of one clock: a colour per channel, a dash per run."""
    clock = words.clock_words(sides[0][1].clock)
    slot = slots(sorted({channel.name for _, run in sides for channel in run.channels}))
    plots, names = [], set()
    for operation in (name for name in OPERATIONS if name != "dump"):
        series, rows_drawn = [], []
        for dash, (letter, run) in enumerate(sides):
            for name, rows in selection.lines(run, operation).items():
                label = f"{letter}: {_label(run, name, rows)}"
                if line := _line(rows, slot[name], label, dash=dash):
                    series.append(line)
                    rows_drawn += rows
        if not series:
            continue
        names |= {line.name for line in series}
        plots.append(
            draw(
                Plot(
                    name=f"several-{sides[0][1].clock}-{operation}",
                    title=operation,
                    alt=f"Cost of {operation} against message size in {clock.axis}: "
                    + "; ".join(f"{line.label} {words.number(line.ys[0])}" for line in series),
                    x="body of the message",
                    y=clock.axis,
                    series=tuple(series),
                    xticks=_sizes(rows_drawn),
                )
            )
        )
    if not plots:
        return None
    drawn = ("solid", "dashed", "dotted", "dash-dotted")
    dashes = words.listed([f"{letter} {drawn[i % 4]}" for i, (letter, _) in enumerate(sides)])
    how = (
        f"The colour shows the channel, and the dash shows the run: {dashes}. Equal lines cover "
        "each other."
    )
    name = f"cost-{sides[0][1].clock}"
    legend = _legend(names, slot)
    return Figure(name, "Cost against message size", clock.axis, how, tuple(plots), legend)
