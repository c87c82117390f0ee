# SPDX-License-Identifier: GPL-2.0-only
"""Render the page of a comparison with its forest plot."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from reports.analysis.compare import Comparison, Row, interval_text, relative_text
from reports.pages.template import write
from reports.text import words

FORCED = "One of the two runs measured time under emulation, because --force-time was given."


@dataclass(frozen=True)
class Drawn:
    """A row with its positions on the forest plot, in percent of the width."""

    row: Row
    point: float
    left: float
    width: float
    interval: str
    relative: str


def _drawn(comparison: Comparison) -> tuple[list[Drawn], list[tuple[float, str]]]:
    """Rows and ticks of the forest plot, on a logarithmic scale centred on 1."""
    reach = max(
        [math.log(1.1)]
        + [
            abs(math.log(edge))
            for row in comparison.rows
            for edge in (row.ratio, row.low, row.high)
            if edge
        ]
    )
    reach = min(reach * 1.05, math.log(20))

    def place(ratio: float) -> float:
        return round(min(100.0, max(0.0, 50 + 50 * math.log(ratio) / reach)), 2)

    drawn = []
    rest = [row for row in comparison.rows if row not in comparison.changed]
    for row in (*comparison.changed, *rest):
        left, right = place(row.low or row.ratio), place(row.high or row.ratio)
        texts = interval_text(row), relative_text(row)
        drawn.append(Drawn(row, place(row.ratio), left, round(right - left, 2), *texts))
    largest = math.exp(reach)
    steps = [step for step in (1.02, 1.05, 1.1, 1.2, 1.5, 2, 5, 10) if step < largest]
    top = steps[-1] if steps else 1.0
    ticks = [(place(1 / top), f"{1 / top:.2g}×"), (50.0, "1×"), (place(top), f"{top:.2g}×")]
    return drawn, ticks


def render_comparison(comparison: Comparison, out: Path) -> Path:
    """Write the page of the comparison into the folder ``out`` and return its path."""
    out.mkdir(parents=True, exist_ok=True)
    drawn, ticks = _drawn(comparison)
    page = out / "index.html"
    forced = any(mark.what == "forced" for mark in comparison.marks)
    write(
        page,
        "compare.html.j2",
        comparison=comparison,
        clock=words.clock_words(comparison.clock),
        drawn=drawn,
        ticks=ticks,
        banners=[FORCED] if forced else [],
    )
    return page
