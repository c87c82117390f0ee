# SPDX-License-Identifier: GPL-2.0-only
"""How well repeated runs of the same code agree, and how often their intervals contain each other.

Every run is compared with every other one, cell by cell.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from reports.data.run import Measured, Run

NEAR, NEARER = 0.05, 0.01
"""Relative differences; the share of pairs that differ by less is reported."""
QUANTILE = 0.975
Pairs = Sequence[tuple[Measured, Measured]]


@dataclass(frozen=True)
class Agreement:
    """Relative differences of one figure between two runs, over all pairs of runs and all cells.

    Attributes:
        figure: what was compared.
        pairs: number of pairs of values.
        median, p95: median and 95th percentile of the differences, as shares.
        near, nearer: shares of the pairs that differ by less than 5 % and by less than 1 %.
    """

    figure: str
    pairs: int
    median: float
    p95: float
    near: float
    nearer: float


@dataclass(frozen=True)
class Coverage:
    """How often the interval of the ratio in one run contains the ratio of another run.

    Attributes:
        pairs: number of pairs, each counted in both directions.
        share: the share in which the interval contains the other value.
        expected: the share for normally distributed logarithms, see :func:`expected_share`.
    """

    pairs: int
    share: float
    expected: float


def pairs_of(runs: Sequence[Run]) -> list[tuple[Measured, Measured]]:
    """Each cell in each two of the runs, if both measured it beside control rounds."""
    by_cell: dict[tuple[str | int, ...], list[Measured]] = {}
    for run in runs:
        for row in run.rows:
            if row.measured and row.control_ratio:
                by_cell.setdefault(row.key, []).append(row)
    return [pair for rows in by_cell.values() for pair in itertools.combinations(rows, 2)]


def agreements(pairs: Pairs) -> tuple[Agreement, Agreement]:
    """How well the medians agree, and how well the ratios to the control rounds.

    Args:
        pairs: at least one.
    """
    return (
        _agreement("median, ns", pairs, lambda row: row.median),
        _agreement("ratio to the control round", pairs, lambda row: row.control_ratio),
    )


def coverage(pairs: Pairs) -> Coverage:
    """How often the intervals of the ratios contain each other's values; NaN without intervals."""
    inside, expected = [], []
    for a, b in itertools.chain(pairs, ((b, a) for a, b in pairs)):
        if a.control_ratio_low and a.control_ratio_high and b.control_ratio:
            inside.append(a.control_ratio_low <= b.control_ratio <= a.control_ratio_high)
            expected.append(expected_share(_units(a), _units(b)))
    if not inside:
        return Coverage(0, math.nan, math.nan)
    return Coverage(len(inside), float(np.mean(inside)), float(np.mean(expected)))


def expected_share(units: int, other_units: int) -> float:
    """The share in which a 95 % interval from n ``units`` contains an estimate from m others.

    The interval is a ± t·s/√n.  The other estimate b varies, too, so b - a has the standard
    deviation s·√(1/n + 1/m), and the share is that of Student's t with n - 1 degrees of freedom
    within ±t/√(1 + n/m).  It is 0.89 for n = m = 4 and approaches 0.83 for many units.
    """
    if units < 2:
        return math.nan
    reach = stats.t.ppf(QUANTILE, units - 1) / math.sqrt(1 + units / other_units)
    return float(1 - 2 * stats.t.sf(reach, units - 1))


def _units(row: Measured) -> int:
    """The number of boots of a cell, or of loads if there is one boot."""
    boots = int(row.boots or 1)
    return boots if boots > 1 else int(row.loads or 1)


def _agreement(figure: str, pairs: Pairs, value: Callable[[Measured], float | None]) -> Agreement:
    values = np.asarray([[value(a), value(b)] for a, b in pairs], dtype=float)
    differences = np.exp(np.abs(np.log(values[:, 0] / values[:, 1]))) - 1
    return Agreement(
        figure=figure,
        pairs=len(pairs),
        median=float(np.median(differences)),
        p95=float(np.percentile(differences, 95)),
        near=float(np.mean(differences < NEAR)),
        nearer=float(np.mean(differences < NEARER)),
    )
