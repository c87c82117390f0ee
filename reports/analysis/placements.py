# SPDX-License-Identifier: GPL-2.0-only
"""Compare the placements of both ends of a conversation, for cells that differ in nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reports.data.run import KEY, OPERATIONS, Measured, Run
from reports.text.words import PLACEMENTS


@dataclass(frozen=True)
class Line:
    """One cell in several placements.

    Attributes:
        row: the cell in its nearest placement, the base of the ratios.
        factors: its factors besides the placement, one word each, separated by blanks.
        by_placement: the cell in each placement in which it was measured, from near to far.
    """

    row: Measured
    factors: str
    by_placement: dict[str, Measured]

    def ratio(self, placement: str) -> float | None:
        """The median over that of the nearest placement."""
        other = self.by_placement.get(placement)
        if other is None or not self.row.median or other.median is None:
            return None
        return other.median / self.row.median


def lines(run: Run, channel: str = "") -> tuple[Line, ...]:
    """A line for each cell with at least two placements, of all channels or of one, in order."""
    groups: dict[tuple[Any, ...], dict[str, Measured]] = {}
    for row in run.rows:
        if row.measured and row.placement in PLACEMENTS and channel in ("", row.channel):
            key = tuple(getattr(row, name) for name in KEY if name != "placement")
            groups.setdefault(key, {})[row.placement] = row
    found = []
    for group in groups.values():
        ordered = {name: group[name] for name in PLACEMENTS if name in group}
        if len(ordered) > 1:
            first = next(iter(ordered.values()))
            found.append(Line(first, _other_factors(first), ordered))
    return tuple(sorted(found, key=_order))


def _order(line: Line) -> tuple[Any, ...]:
    row = line.row
    return row.channel, OPERATIONS.index(row.operation), row.mode, row.size, line.factors


def used(table: tuple[Line, ...]) -> tuple[str, ...]:
    """The placements of a table's columns, from near to far."""
    return tuple(name for name in PLACEMENTS if any(name in line.by_placement for line in table))


def _other_factors(row: Measured) -> str:
    return " ".join(word for word in row.factors.split() if word != row.placement)
