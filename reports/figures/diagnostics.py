# SPDX-License-Identifier: GPL-2.0-only
"""Figures of the variation in a run: over the run, within a cell, between boots."""

from __future__ import annotations

import numpy as np

from reports.analysis import diagnostics
from reports.analysis.diagnostics import Suspect
from reports.data.rounds import Floats, Rounds
from reports.data.run import KEY, OPERATIONS, Measured, Run
from reports.figures.cost import Figure
from reports.figures.svg import Plot, Series, draw
from reports.text import words

BINS = 60
"""Maximum number of points of the curve over the run."""
LEAST = 0.01
"""Percent; smaller spreads are drawn at this value."""
PERCENTS = (
    (LEAST, f"≤ {LEAST:g}"), (0.03, "0.03"), (0.1, "0.1"), (0.5, "0.5"), (1.0, "1"), (3.0, "3"),
    (10.0, "10"), (30.0, "30"), (100.0, "100"),
)  # fmt: skip

DRIFT = (
    "Each point is a section of the run, in the order of measurement. It shows by how much the "
    "results in this section differ from other results of the same cells. The line is the median; "
    "the band contains 80 % of the results. A rising or falling line means that the machine "
    "drifts. Cells are measured in random order, so a drift affects all of them alike."
)
COURSE = (
    "Each point shows by how much the first, second, third … round of the cells differs from the "
    "median of its load. The line is the median of all cells; the band contains 80 % of them. The "
    "line should be flat from the first round on. If it starts high, the warm-up was too short."
)
SPREAD = (
    "At each percentage, the share of cells whose repetitions agree within it. A line that rises "
    "further left is better."
)
TARGET = " The dotted lines mark the target: 95 % of the cells within 0.5 %."
SINGLE = (
    "Each mark is a cell. The horizontal axis shows the cost of an operation in a round of many, "
    "the vertical axis the cost of an operation that is timed on its own. On the dotted line the "
    "two are equal. Above it, a single operation pays for something that the operations of a "
    "round share"
)
SHARED = {
    "time": ", such as cold caches.",
    "instructions": ". Caches are not among the reasons, because this clock does not see them.",
}
"""The end of ``SINGLE``, by clock."""
ROUNDS = (
    "The rounds of each marked cell in the order of measurement, one colour per boot. Two "
    "levels mean two paths through the kernel, a slope means a state that builds up, and single "
    "high points mean something that happens occasionally."
)


def drift(run: Run) -> Figure | None:
    """Difference of each result from the median of its cell, over the run."""
    frame = run.rounds
    if frame is None or "place" not in frame or not diagnostics.repeated(run):
        return None
    names = [name for name in KEY if name in frame]
    medians = frame.groupby([*names, "place"])["value"].median().reset_index()
    of_cell = medians.groupby(names)["value"].transform("median")
    shares = 100 * (medians["value"] / of_cell - 1).to_numpy(dtype=float)
    places = medians["place"].to_numpy(dtype=float)
    series = _band(places, shares, "results", BINS)
    if series is None:
        return None
    plot = _percent_plot("drift", "", "results in the order of the run", series)
    return Figure("drift", "Over the run", "percent", DRIFT, (draw(plot),))


def course(run: Run) -> Figure | None:
    """Difference of each round from the median of its load, by the number of the round."""
    frame = run.rounds
    if frame is None or "round" not in frame or not len(frame):
        return None
    load = ["place"] if "place" in frame else ["channel", "mode", "operation", "size"]
    median = frame.groupby(load)["value"].transform("median")
    shares = 100 * (frame["value"] / median - 1).to_numpy(dtype=float)
    series = _band(frame["round"].to_numpy(dtype=float) + 1, shares, "rounds", 0)
    if series is None:
        return None
    plot = _percent_plot("course", "", "round", series)
    return Figure("course", "Within a cell", "percent", COURSE, (draw(plot),))


def _band(xs: Floats, ys: Floats, label: str, bins: int) -> Series | None:
    """Median and 10th to 90th percentile of ``ys`` over ``xs``, grouped into ``bins``."""
    known = np.isfinite(ys)
    xs, ys = xs[known], ys[known]
    if len(xs) < 2:
        return None
    if bins and len(np.unique(xs)) > bins:
        edges = np.linspace(xs.min(), xs.max(), bins + 1)
        xs = ((edges[:-1] + edges[1:]) / 2)[np.clip(np.digitize(xs, edges) - 1, 0, bins - 1)]
    at = np.unique(xs)
    low, middle, high = (
        tuple(float(np.percentile(ys[xs == x], p)) for x in at) for p in (10, 50, 90)
    )
    return Series(
        "median", f"median of all {label}", 0, tuple(at.tolist()), middle, low, high, "band"
    )


def _percent_plot(name: str, title: str, x: str, series: Series) -> Plot:
    largest = max(abs(value) for value in (*series.low, *series.high, 0.01))
    return Plot(
        name=name,
        title=title,
        alt=f"Difference from the median in percent over {x}; the largest is {largest:.2g} %",
        x=x,
        y="difference from the median, %",
        series=(series,),
        xscale="linear",
        yscale="linear",
        width=8.4,
        height=2.8,
    )


def spread(run: Run) -> Figure | None:
    """Share of the cells whose repetitions agree within each percentage."""
    spreads = sorted(row.spread for row in run.rows if row.measured and row.spread is not None)
    if len(spreads) < 2:
        return None
    xs = tuple(max(100 * value, LEAST) for value in spreads)
    ys = tuple((at + 1) / len(spreads) for at in range(len(spreads)))
    ends = (LEAST, max(xs[-1], 1.0))
    has_target = run.clock == "instructions"
    at = 100 * diagnostics.DIFFERS
    target = (
        Series("floor", "95 % of the cells", 0, ends, (0.95, 0.95), style="floor"),
        Series("floor", "0.5 %", 0, (at, at), (0.0, 1.02), style="floor"),
    )
    plot = Plot(
        name="spread",
        title="",
        alt=f"Share of cells by spread: half within {100 * spreads[len(spreads) // 2]:.2g} %, "
        f"all within {100 * spreads[-1]:.2g} %",
        x=f"largest over smallest median of the {diagnostics.units(run)}, minus 1, %",
        y="share of cells",
        series=(
            Series("cells", "cells", 0, (ends[0], *xs, ends[1]), (0.0, *ys, 1.0), style="step"),
            *(target if has_target else ()),
        ),
        xticks=tuple((at, text) for at, text in PERCENTS if at <= ends[1]),
        yscale="linear",
        yticks=tuple((i / 4, f"{25 * i} %") for i in range(5)),
        ylimits=(0.0, 1.02),
        width=8.4,
        height=2.8,
    )
    title = f"Between {diagnostics.units(run)}"
    how = SPREAD + TARGET if has_target else SPREAD
    return Figure("spread", title, "percent", how, (draw(plot),))


def single(run: Run) -> Figure | None:
    """Cost of an operation timed on its own against cost of one in a round of many."""
    axis = words.clock_words(run.clock).axis
    series = []
    for slot, operation in enumerate(OPERATIONS):
        rows = [row for row in run.rows if row.measured and row.operation == operation]
        points = [(row.median, row.p50) for row in rows if row.median and row.p50]
        points = [(x, y) for x, y in points if x > 0 and y > 0]
        if points:
            xs, ys = tuple(x for x, _ in points), tuple(y for _, y in points)
            series.append(Series(operation, operation, slot, xs, ys, style="dots"))
    if not series:
        return None
    values = [x for marks in series for x in (*marks.xs, *marks.ys)]
    ends = (min(values), max(values))
    diagonal = Series("floor", "both are equal", 0, ends, ends, style="floor")
    plot = Plot(
        name="alone",
        title="",
        alt=f"Cost of a single operation against one in a round, {len(values) // 2} cells",
        x=f"in a round of many, {axis}",
        y="timed on its own",
        series=(*series, diagonal),
        width=5.6,
        height=4.6,
    )
    legend = tuple((marks.name, marks.slot) for marks in series)
    how = SINGLE + SHARED.get(run.clock, ".")
    return Figure("alone", "Single operations and rounds", axis, how, (draw(plot),), legend)


def order(run: Run, rounds: Rounds, suspects: tuple[Suspect, ...]) -> Figure | None:
    """Rounds of the marked cells in the order of measurement."""
    axis = words.clock_words(run.clock).axis
    rows = [suspect.row for suspect in suspects[: diagnostics.MOST] if rounds.of(suspect.row)]
    if not rows:
        return None
    plots = tuple(_order(axis, f"order-{at}", row, rounds) for at, row in enumerate(rows))
    return Figure("order", "Rounds of marked cells", axis, ROUNDS, plots)


def _order(axis: str, name: str, row: Measured, rounds: Rounds) -> str:
    series, start = [], 1
    for slot, boot in enumerate(rounds.of(row)):
        for load in boot:
            xs = tuple(float(start + at) for at in range(len(load)))
            label = f"boot {slot + 1}"
            series.append(Series(label, label, slot, xs, tuple(load.tolist()), style="small"))
            start += len(load)
    return draw(
        Plot(
            name=name,
            title=row.title,
            alt=f"{start - 1} rounds of {row.title} in order, median "
            f"{words.number(row.median)} {axis}",
            x="round",
            y=axis,
            series=tuple(series),
            xscale="linear",
            yscale="linear",
        )
    )


def figures(run: Run, rounds: Rounds, suspects: tuple[Suspect, ...]) -> tuple[Figure, ...]:
    """All figures for which this run has data."""
    drawn = (spread(run), drift(run), course(run), order(run, rounds, suspects), single(run))
    return tuple(figure for figure in drawn if figure)
