"""Figures of what varied in a run: over the run, within a cell, between boots."""

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
"""Points that the run's course is drawn with."""
LEAST = 0.01
"""Percent; what agrees even better is drawn here."""
PERCENTS = (
    (LEAST, f"≤ {LEAST:g}"), (0.03, "0.03"), (0.1, "0.1"), (0.5, "0.5"), (1.0, "1"), (3.0, "3"),
    (10.0, "10"), (30.0, "30"), (100.0, "100"),
)  # fmt: skip

DRIFT = (
    "Each point is a stretch of the run, in the order in which cells were measured: how far what "
    "was measured then lies from the same cells at other times. The line is the median, the band "
    "holds eight of ten. A line that climbs or falls is a machine that drifts; cells are shuffled, "
    "so that a drift blurs all of them alike instead of favouring some."
)
COURSE = (
    "The first, second, third … round of all cells, as the distance from the median of their own "
    "load. The line is the median of all cells, the band holds eight of ten. A line that starts "
    "high is a warm-up that was too short; it should be flat from the first round on."
)
SPREAD = (
    "How many cells have repetitions that agree within so much. The further left the line rises, "
    "the better."
)
PROMISE = " The dotted lines are the promise: 95 % of the cells within 0.5 %."
ALONE = (
    "Each mark is a cell: what one operation costs among many in a row (across), and what one "
    "stamped alone costs (upward). On the dotted line both are the same. Above it, an operation "
    "that stands alone pays for something that a row of them shares, such as cold caches."
)
SERIES = (
    "The rounds of each marked cell in the order in which they were measured, one colour per "
    "repetition. Two levels mean two ways through the kernel, a slope a state that fills up, "
    "single high points something that happens now and then."
)


def drift(run: Run) -> Figure | None:
    """How results lie beside the other results of their cell, over the run."""
    frame = run.rounds
    if frame is None or "place" not in frame or not diagnostics.repeated(run):
        return None
    names = [name for name in KEY if name in frame]
    medians = frame.groupby([*names, "place"])["value"].median().reset_index()
    whole = medians.groupby(names)["value"].transform("median")
    shares = 100 * (medians["value"] / whole - 1).to_numpy(dtype=float)
    places = medians["place"].to_numpy(dtype=float)
    series = _band(places, shares, "results", BINS)
    if series is None:
        return None
    plot = _percent_plot("drift", "", "results in the order of the run", series)
    return Figure("drift", "Over the run", "percent", DRIFT, (draw(plot),))


def course(run: Run) -> Figure | None:
    """How rounds lie beside the other rounds of their load, by their number."""
    frame = run.rounds
    if frame is None or "round" not in frame or not len(frame):
        return None
    whose = ["place"] if "place" in frame else ["channel", "mode", "operation", "size"]
    whole = frame.groupby(whose)["value"].transform("median")
    shares = 100 * (frame["value"] / whole - 1).to_numpy(dtype=float)
    series = _band(frame["round"].to_numpy(dtype=float) + 1, shares, "rounds", 0)
    if series is None:
        return None
    plot = _percent_plot("course", "", "round", series)
    return Figure("course", "Within a cell", "percent", COURSE, (draw(plot),))


def _band(xs: Floats, ys: Floats, label: str, bins: int) -> Series | None:
    """Median and the middle eight tenths of ``ys`` over ``xs``, gathered into ``bins``."""
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
    widest = max(abs(value) for value in (*series.low, *series.high, 0.01))
    return Plot(
        name=name,
        title=title,
        alt=f"Distance from the median in percent over {x}; the widest is {widest:.2g} %",
        x=x,
        y="distance from the median, %",
        series=(series,),
        xscale="linear",
        yscale="linear",
        width=8.4,
        height=2.8,
    )


def spread(run: Run) -> Figure | None:
    """Share of the cells whose repetitions agree within so much."""
    found = sorted(row.spread for row in run.rows if row.measured and row.spread is not None)
    if len(found) < 2:
        return None
    xs = tuple(max(100 * value, LEAST) for value in found)
    ys = tuple((at + 1) / len(found) for at in range(len(found)))
    ends = (LEAST, max(xs[-1], 1.0))
    counted = run.clock == "instructions"
    at = 100 * diagnostics.APART
    promise = (
        Series("floor", "95 % of the cells", 0, ends, (0.95, 0.95), style="floor"),
        Series("floor", "0.5 %", 0, (at, at), (0.0, 1.02), style="floor"),
    )
    plot = Plot(
        name="spread",
        title="",
        alt=f"Share of cells by spread: half within {100 * found[len(found) // 2]:.2g} %, "
        f"all within {100 * found[-1]:.2g} %",
        x=f"largest over smallest median of the {diagnostics.units(run)}, less one, %",
        y="share of cells",
        series=(
            Series("cells", "cells", 0, (ends[0], *xs, ends[1]), (0.0, *ys, 1.0), style="step"),
            *(promise if counted else ()),
        ),
        xticks=tuple((at, text) for at, text in PERCENTS if at <= ends[1]),
        yscale="linear",
        yticks=tuple((i / 4, f"{25 * i} %") for i in range(5)),
        ylimits=(0.0, 1.02),
        width=8.4,
        height=2.8,
    )
    title = f"Between {diagnostics.units(run)}"
    how = SPREAD + PROMISE if counted else SPREAD
    return Figure("spread", title, "percent", how, (draw(plot),))


def alone(run: Run) -> Figure | None:
    """One operation alone against one in a row."""
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
    every = [x for one in series for x in (*one.xs, *one.ys)]
    ends = (min(every), max(every))
    diagonal = Series("floor", "both the same", 0, ends, ends, style="floor")
    plot = Plot(
        name="alone",
        title="",
        alt=f"Cost of one operation alone against one in a row, {len(every) // 2} cells",
        x=f"in a row, {axis}",
        y="alone",
        series=(*series, diagonal),
        width=5.6,
        height=4.6,
    )
    legend = tuple((one.name, one.slot) for one in series)
    return Figure("alone", "Alone and in a row", axis, ALONE, (draw(plot),), legend)


def order(run: Run, rounds: Rounds, found: tuple[Suspect, ...]) -> Figure | None:
    """Rounds of the marked cells in the order in which they were measured."""
    axis = words.clock_words(run.clock).axis
    shown = [suspect.row for suspect in found[: diagnostics.MOST] if rounds.of(suspect.row)]
    if not shown:
        return None
    plots = tuple(_order(axis, f"order-{at}", row, rounds) for at, row in enumerate(shown))
    return Figure("order", "Rounds of marked cells", axis, SERIES, plots)


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


def figures(run: Run, rounds: Rounds, found: tuple[Suspect, ...]) -> tuple[Figure, ...]:
    """All that this run has data for."""
    drawn = (spread(run), drift(run), course(run), order(run, rounds, found), alone(run))
    return tuple(figure for figure in drawn if figure)
