# SPDX-License-Identifier: GPL-2.0-only
"""How the cost of each channel moved over several runs, as a line per channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.data.run import OPERATIONS
from reports.figures.cost import Figure
from reports.figures.svg import Plot, Series, draw, slots

HOW = (
    "Each line is one channel. It shows the cost in each run as a multiple of the cost in the "
    "first run, so all lines start at 1. A line that rises means that the channel became more "
    "expensive."
)


@dataclass(frozen=True)
class Track:
    """The medians of one channel's operation in each run, in the order of the page."""

    channel: str
    operation: str
    medians: tuple[float, ...]


def movement(name: str, labels: Sequence[str], paths: Sequence[Track]) -> Figure | None:
    """A plot per operation; None if there are no two runs to connect.

    Args:
        name: identifies the figure on its page.
        labels: a short label of each run.
        paths: what to draw, each measured in all runs.
    """
    if len(labels) < 2 or not paths:
        return None
    slot = slots(sorted({path.channel for path in paths}))
    plots = []
    places = tuple(float(place) for place in range(1, len(labels) + 1))
    for operation in OPERATIONS:
        lines = [path for path in paths if path.operation == operation]
        if not lines:
            continue
        ratios = {
            path.channel: tuple(median / path.medians[0] for median in path.medians)
            for path in lines
        }
        low = min(0.95, *(min(values) for values in ratios.values())) / 1.03
        high = max(1.05, *(max(values) for values in ratios.values())) * 1.03
        plots.append(
            draw(
                Plot(
                    name=f"{name}-{operation}",
                    title=operation,
                    alt=f"Cost of {operation} as a multiple of the first run, in the last run: "
                    + "; ".join(f"{channel} {r[-1]:.3g}" for channel, r in ratios.items()),
                    x="run",
                    y="multiple of the first run",
                    series=tuple(
                        Series(
                            channel, f"{channel}: {_listed(values)}", slot[channel], places, values
                        )
                        for channel, values in ratios.items()
                    ),
                    xscale="linear",
                    yscale="linear",
                    xticks=tuple(zip(places, labels, strict=True)),
                    ylimits=(low, high),
                )
            )
        )
    legend = tuple((channel, slot[channel]) for channel in sorted(slot))
    return Figure(
        name, "How each cost moved", "multiple of the first run", HOW, tuple(plots), legend
    )


def _listed(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.3g}×" for value in values)
