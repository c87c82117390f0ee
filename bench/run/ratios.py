# SPDX-License-Identifier: GPL-2.0-only
"""Ratios of rounds to the controls beside them, under the ``time`` clock.

A machine changes its speed within a second.  A round and the control immediately before and after
it see the same speed, so their ratio varies much less than the round itself.  The control writes
the bytes of one message to a pipe and reads them back (``bench/agent/measure/control.c``).

Other work on the machine can only lengthen a round.  On a busy machine it lengthens most rounds
of an operation that waits for another process, but not the fastest quarter of them.  So the ratio
of a cell is the lower quartile of the ratios of its rounds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from bench.plan.cells import CellResult
from bench.run.estimates import (
    FEWEST_ROUNDS,
    IMPRECISE_ABOVE,
    Floats,
    Levels,
    grouped,
    net_rounds,
    resampling_units,
)

QUARTILE = 25.0
"""The percentile of the rounds' ratios that stands for a cell."""
FEWEST_UNITS = 4
"""The fewest loads or boots of a cell that counts as precise: two may agree by chance."""
_RESAMPLES = 599
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class ControlRatio:
    """A cell relative to its control; NaN where there are no controls or too few rounds.

    Attributes:
        control: lower quartile of the cost of one operation of the control, net, in ns.
        control_ratio: lower quartile of the ratios of the rounds to their controls.
        control_ratio_low, control_ratio_high: its 95 % interval, see :func:`interval`.
    """

    control: float = math.nan
    control_ratio: float = math.nan
    control_ratio_low: float = math.nan
    control_ratio_high: float = math.nan


def control_costs(result: CellResult) -> Floats:
    """The control beside each round: net ns per operation, the mean of the two neighbours.

    NaN for each round of a result without controls.
    """
    if len(result.controls) != len(result.rounds) + 1 or result.control_n <= 0:
        return np.full(len(result.rounds), math.nan)
    totals = np.asarray(result.controls, dtype=np.float64) - result.control_overhead
    costs: Floats = (totals[:-1] + totals[1:]) / 2 / result.control_n
    return costs


def round_ratios(result: CellResult) -> Floats:
    """The ratio of each round to its control, per operation.

    NaN where a round has no control, or costs no more than the harness itself.
    """
    costs, nets = control_costs(result), net_rounds(result)
    valid = (costs > 0) & (nets > 0)
    return np.divide(nets, costs, out=np.full_like(costs, math.nan), where=valid)


def interval(boots: Levels) -> tuple[float, float]:
    """The 95 % interval of the lower quartile; NaN for fewer than 11 rounds in all.

    The standard error of its logarithm comes from a bootstrap over the highest level that has more
    than one unit: boots, else loads, else rounds.  Each drawn unit brings all its rounds, because
    rounds of one load resemble each other.  With n units, the bootstrap underestimates the error
    by √(n/(n-1)), and the interval needs Student's quantile of n - 1 degrees of freedom.
    """
    units = resampling_units(boots)
    if len(units) == 1:
        units = [np.asarray([value]) for value in units[0]]
    rounds = np.concatenate([*units, np.zeros(0)])
    if len(rounds) < FEWEST_ROUNDS:
        return math.nan, math.nan
    if np.all(rounds == rounds[0]):
        return float(rounds[0]), float(rounds[0])
    figure, n = float(np.percentile(rounds, QUARTILE)), len(units)
    error = float(np.log(_resampled(units)).std(ddof=1)) * math.sqrt(n / (n - 1))
    reach = math.exp(float(scipy.stats.t.ppf(0.5 + _CONFIDENCE / 2, n - 1)) * error)
    return figure / reach, figure * reach


def _resampled(units: Sequence[Floats]) -> Floats:
    """Lower quartiles of units drawn with replacement; all units have the same weight."""
    rng = np.random.default_rng(0)
    longest = max(len(rounds) for rounds in units)
    table = np.stack([np.resize(rounds, longest) for rounds in units])
    drawn = table[rng.integers(len(units), size=(_RESAMPLES, len(units)))]
    quartiles: Floats = np.percentile(drawn.reshape(_RESAMPLES, -1), QUARTILE, axis=1)
    return quartiles


def control_ratio(results: Sequence[CellResult]) -> ControlRatio:
    """The ratio of one cell to its control, from all its results."""
    boots = grouped(results, round_ratios)
    if not boots:
        return ControlRatio()
    costs = np.concatenate([control_costs(result) for result in results])
    ratios = np.concatenate([load for boot in boots for load in boot])
    low, high = interval(boots)
    control = float(np.nanpercentile(costs, QUARTILE))
    return ControlRatio(control, float(np.percentile(ratios, QUARTILE)), low, high)


def precision(results: Sequence[CellResult]) -> float:
    """How far the 95 % interval of a cell's figure reaches, as a share of it.

    The figure is the ratio to the control, or the lower quartile of the rounds of a cell without
    controls.  NaN for fewer than :data:`FEWEST_UNITS` boots, or loads if there is one boot.
    """
    boots = grouped(results, round_ratios) or grouped(results, _positive_rounds)
    if not boots or len(resampling_units(boots)) < FEWEST_UNITS:
        return math.nan
    low, high = interval(boots)
    return math.sqrt(high / low) - 1


def _positive_rounds(result: CellResult) -> Floats:
    nets = net_rounds(result)
    return np.where(nets > 0, nets, math.nan)


def pace(results: Iterable[Sequence[CellResult]]) -> float:
    """How much the speed of the machine changed between the loads of the same cell, as a share.

    This is the 90th over the 10th percentile of the controls, each relative to the median of its
    cell, minus 1.  NaN if no cell has controls in two loads.

    Args:
        results: the results of each cell.
    """
    shifts = []
    for of_cell in results:
        costs = [control_costs(result) for result in of_cell]
        medians = [np.median(known) for cost in costs if len(known := cost[cost > 0])]
        if len(medians) > 1:
            shifts.append(np.log(np.asarray(medians) / np.median(medians)))
    if not shifts:
        return math.nan
    low, high = np.percentile(np.concatenate(shifts), [10, 90])
    return float(np.exp(high - low) - 1)


def marks(ratio: ControlRatio, absolute: str) -> str:
    """The marks of a cell, given those of its absolute figure.

    For a cell with a ratio, ``imprecise`` says that the interval of the ratio is wider than 5 % of
    it.  The interval of the absolute figure also shows how the machine's speed changed.

    Args:
        ratio: of the cell to its control.
        absolute: see :func:`bench.run.estimates.marks`.
    """
    if ratio.control_ratio != ratio.control_ratio:
        return absolute
    others = [word for word in absolute.split() if word != "imprecise"]
    width = ratio.control_ratio_high - ratio.control_ratio_low
    imprecise = not width <= IMPRECISE_ABOVE * ratio.control_ratio
    return " ".join((["imprecise"] if imprecise else []) + others)
