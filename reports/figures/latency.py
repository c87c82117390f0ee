# SPDX-License-Identifier: GPL-2.0-only
"""Figures of single operations: latency percentiles and distribution."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reports.analysis import selection
from reports.data.run import KEY, Measured, Run
from reports.figures.cost import Figure, colours
from reports.figures.svg import Plot, Series, draw, slots
from reports.text import words

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

POINTS = 120
"""Maximum number of evenly spaced points per curve; the tail gets as many more."""

STREAMS = (
    " For a stream at a rate, the cost is the latency of one message, which starts when its event "
    "is due."
)
CHANNELS = (
    " Each line is one channel in its cheapest mode at the smallest size. Unlike the heat map, "
    "this includes modes whose messages have one fixed size, such as one integer."
)
SPECTRUM = (
    "A line shows, at each percentile, the cost that this share of operations does not exceed. A "
    "flat line is a predictable channel. A step upward is something that happens occasionally, "
    "such as a timer tick. The right end of a line is based on very few operations."
)
ECDF = (
    "A line shows, at each cost, the share of operations that cost that much or less. A steep line "
    "means that all operations cost the same. Steps mean that there are two or more paths through "
    "the kernel."
)


@dataclass(frozen=True)
class Curve:
    """Sorted net samples of one cell, and the series that shows them."""

    series: Series
    values: Floats

    @property
    def alt(self) -> str:
        """Label and median, for the text alternative of the plot."""
        return f"{self.series.label} {words.number(float(np.median(self.values)))}"


def sampled(frame: pd.DataFrame, row: Measured) -> Floats:
    """Sorted samples of a row, minus the cost of the harness.

    Values below one unit of the clock become one unit, because the axes are logarithmic.
    """
    # A file of an earlier version has fewer columns.
    is_of_row = [frame[name] == getattr(row, name) for name in KEY if name in frame]
    chosen = frame[np.logical_and.reduce(is_of_row)]
    values = chosen["value"].to_numpy(dtype=float)
    if "overhead" in chosen:
        values = values - np.nan_to_num(chosen["overhead"].to_numpy(dtype=float))
    net: Floats = np.maximum(np.sort(values[np.isfinite(values)]), 1.0)
    return net


def _curve(run: Run, row: Measured, name: str, slot: int) -> Curve | None:
    if run.samples is None:
        return None
    values = sampled(run.samples, row)
    if len(values) < 2:
        return None
    label = f"{row.channel} ({row.mode}), {words.size(row.size)}"
    return Curve(Series(name, label, slot, (), (), style="step"), values)


def _kept(count: int) -> list[int]:
    """Indices of the sorted samples to draw: evenly spaced, and denser towards the tail."""
    even = np.linspace(0, count - 1, min(count, POINTS))
    tail = count - np.geomspace(1, count, min(count, POINTS))
    return sorted({int(at) for at in np.concatenate([even, tail]) if 0 <= at < count})


def _steps(curve: Curve) -> list[int]:
    """The same indices, with only the first and last of each sequence of equal values."""
    at = _kept(len(curve.values))
    value = [float(curve.values[i]) for i in at]
    last = len(at) - 1
    return [
        i
        for n, i in enumerate(at)
        if n in (0, last) or not value[n - 1] == value[n] == value[n + 1]
    ]


def spectrum(curve: Curve) -> Series:
    """Cost over 1/(1-p): the k-th of n sorted samples is at x = n/(n-k)."""
    count = len(curve.values)
    at = _steps(curve)
    xs = tuple(count / (count - i) for i in at)
    return replace(curve.series, xs=xs, ys=tuple(float(curve.values[i]) for i in at))


def ecdf(curve: Curve) -> Series:
    """Share of the samples that cost no more than x."""
    count = len(curve.values)
    at = _steps(curve)
    xs = (float(curve.values[0]), *(float(curve.values[i]) for i in at))
    return replace(curve.series, xs=xs, ys=(0.0, *((i + 1) / count for i in at)))


def _percentiles(most: float) -> tuple[tuple[float, str], ...]:
    named = [(1.0, "0 %"), (2.0, "50 %"), (10.0, "90 %"), (100.0, "99 %")]
    named += [(1e3, "99.9 %"), (1e4, "99.99 %"), (1e5, "99.999 %")]
    return tuple((at, name) for at, name in named if at <= most)


def _spectrum_plot(axis: str, name: str, operation: str, curves: list[Curve]) -> str:
    medians = "; ".join(curve.alt for curve in curves)
    plot = Plot(
        name=name,
        title=operation,
        alt=f"Percentiles of {operation} in {axis}, medians: {medians}",
        x="share of operations that cost no more",
        y=axis,
        series=tuple(spectrum(curve) for curve in curves),
        xticks=_percentiles(max(len(curve.values) for curve in curves)),
    )
    return draw(plot)


def _ecdf_plot(axis: str, name: str, operation: str, curves: list[Curve]) -> str:
    medians = "; ".join(curve.alt for curve in curves)
    plot = Plot(
        name=name,
        title=operation,
        alt=f"Share of {operation} operations by cost in {axis}, medians: {medians}",
        x=axis,
        y="share of operations",
        series=tuple(ecdf(curve) for curve in curves),
        yscale="linear",
        yticks=tuple((i / 4, f"{25 * i} %") for i in range(5)),
        ylimits=(0.0, 1.02),
    )
    return draw(plot)


def _legend(curves: list[Curve]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted({(curve.series.name, curve.series.slot) for curve in curves}))


def channels_latency(run: Run) -> tuple[Figure, ...]:
    """Percentiles and distribution of all channels, in the cheapest mode at the smallest size."""
    slot = colours(run)
    axis = words.clock_words(run.clock).axis
    spectra, shares, drawn = [], [], []
    for operation in selection.used(run):
        candidates = [
            _curve(run, row, channel.name, slot[channel.name])
            for channel in selection.ordered(run)
            if (row := selection.best(list(run.of(channel.name, operation))))
        ]
        curves = [curve for curve in candidates if curve]
        if curves:
            spectra.append(_spectrum_plot(axis, f"spectrum-{operation}", operation, curves))
            shares.append(_ecdf_plot(axis, f"ecdf-{operation}", operation, curves))
            drawn += curves
    if not drawn:
        return ()
    legend = _legend(drawn)
    spectrum_how, ecdf_how = SPECTRUM + STREAMS + CHANNELS, ECDF + STREAMS + CHANNELS
    return (
        Figure("latency", "Latency percentiles", axis, spectrum_how, tuple(spectra), legend),
        Figure("ecdf", "Distribution of cost", axis, ecdf_how, tuple(shares), legend),
    )


def modes_latency(run: Run, channel: str) -> Figure | None:
    """Percentiles of the modes of one channel at their smallest size."""
    slot = slots(sorted({row.mode for row in run.of(channel)}))
    axis = words.clock_words(run.clock).axis
    spectra, drawn = [], []
    for operation in selection.used(run):
        firsts: dict[str, Measured] = {}
        for rows in selection.variants(run, channel, operation):
            firsts.setdefault(rows[0].mode, rows[0])
        candidates = [_curve(run, row, mode, slot[mode]) for mode, row in firsts.items()]
        curves = [curve for curve in candidates if curve]
        if curves:
            name = f"{channel}-spectrum-{operation}"
            spectra.append(_spectrum_plot(axis, name, operation, curves))
            drawn += curves
    if not drawn:
        return None
    streams = any(row.operation == "stream" for row in run.of(channel))
    how = SPECTRUM + (STREAMS if streams else "")
    return Figure("latency", "Latency percentiles", axis, how, tuple(spectra), _legend(drawn))
