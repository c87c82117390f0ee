# SPDX-License-Identifier: GPL-2.0-only
"""Ratios to the control rounds: known answers, and intervals that contain what they should."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from bench.plan.cells import Cell, CellResult
from bench.run import ratios
from bench.run.ratios import (
    FEWEST_UNITS,
    ControlRatio,
    control_costs,
    control_ratio,
    pace,
    precision,
)

CALL = Cell("netlink", "unicast", "call", 64)
ROUNDS, N = 15, 10


def result(
    rounds: Sequence[float],
    controls: Sequence[float],
    load: int = 0,
    round_overhead: float = 0.0,
    control_overhead: float = 0.0,
) -> CellResult:
    """A result with these costs per operation; a control round has N operations, too."""
    return CellResult(
        CALL,
        "ok",
        n=N,
        rounds=tuple(round(N * cost) for cost in rounds),
        controls=tuple(round(N * cost) for cost in controls),
        control_n=N,
        round_overhead=round_overhead,
        control_overhead=control_overhead,
        load=load,
    )


def test_a_round_is_compared_with_the_controls_before_and_after_it() -> None:
    measured = result([1000, 2000], [100, 300, 100], round_overhead=100, control_overhead=0)
    assert control_costs(measured).tolist() == [200, 200]
    assert ratios.round_ratios(measured).tolist() == [990 / 200, 1990 / 200]


def test_the_cost_of_the_harness_is_subtracted_from_a_control() -> None:
    assert control_costs(result([1000], [103, 105], control_overhead=40)).tolist() == [100]


def test_a_change_of_speed_cancels_out() -> None:
    """The same cell on a machine that is up to twice as slow from one load to the next."""
    loads = [
        result([1000 * slow] * ROUNDS, [100 * slow] * (ROUNDS + 1), load)
        for load, slow in enumerate((1, 1.3, 2, 1.1))
    ]
    found = control_ratio(loads)
    interval = (found.control_ratio_low, found.control_ratio_high)
    assert (found.control_ratio, *interval) == pytest.approx((10, 10, 10))
    assert precision(loads) == pytest.approx(0)
    assert pace([loads]) > 0.5
    steady = [result([1000] * ROUNDS, [100] * (ROUNDS + 1), load) for load in range(4)]
    assert pace([steady]) == 0


def test_interrupted_rounds_do_not_count() -> None:
    """Other work lengthens most rounds of a load, and all of one load, and a few controls."""
    quiet = [100.0] * (ROUNDS + 1)
    loads = [result([1000] * 6 + [4000] * 9, quiet, load) for load in range(3)]
    loads.append(result([9000] * ROUNDS, [700, *quiet[1:]], 3))
    assert control_ratio(loads).control_ratio == 10


def test_without_controls_there_is_no_ratio() -> None:
    for measured in (result([1000] * 20, []), result([1000] * 20, [100] * 20)):
        assert math.isnan(control_ratio([measured]).control_ratio)
        loads = [replace(measured, load=load) for load in range(FEWEST_UNITS)]
        assert precision(loads) == 0, "the rounds themselves are equal"
    assert math.isnan(pace([[result([1000], [])]]))


def test_few_rounds_have_no_interval() -> None:
    assert math.isnan(control_ratio([result([1000] * 10, [100] * 11)]).control_ratio_low)
    assert control_ratio([result([1000] * 11, [100] * 12)]).control_ratio_low == 10


@pytest.mark.parametrize("level", ["boot", "load"])
def test_few_boots_or_loads_may_agree_by_chance(level: str) -> None:
    one = result([1000] * ROUNDS, [100] * (ROUNDS + 1))
    units = [replace(one, boot=n) if level == "boot" else replace(one, load=n) for n in range(4)]
    assert math.isnan(precision(units[:3]))
    assert precision(units) == 0


@pytest.mark.parametrize(
    ("interval", "before", "after"),
    [
        ((9.9, 10.1), "imprecise", ""),
        ((9.0, 11.0), "", "imprecise"),
        ((math.nan, math.nan), "", "imprecise"),
    ],
)
def test_a_cell_is_as_precise_as_its_ratio(
    interval: tuple[float, float], before: str, after: str
) -> None:
    assert ratios.marks(ControlRatio(100, 10, *interval), before) == after
    assert ratios.marks(ControlRatio(), before) == before


def simulated(random: np.random.Generator, visits: int, busy: bool) -> list[CellResult]:
    """Loads that differ by 2 %, with rounds that do, too, on a machine whose speed changes."""
    loads = []
    for load in range(visits):
        speed, own = random.uniform(1, 1.4), math.exp(random.normal(0, 0.02))
        costs = 100_000 * speed * own * np.exp(random.normal(0, 0.02, ROUNDS))
        if busy:
            costs *= np.where(random.random(ROUNDS) < 0.3, 1 + random.exponential(1, ROUNDS), 1)
        controls = 10_000 * speed * np.exp(random.normal(0, 0.01, ROUNDS + 1))
        loads.append(result(costs.tolist(), controls.tolist(), load))
    return loads


@pytest.mark.parametrize("busy", [False, True])
@pytest.mark.parametrize("visits", [4, 10])
def test_intervals_contain_what_they_claim(visits: int, busy: bool) -> None:
    """The interval of one run contains the true ratio in 95 % of the cases.

    It contains the ratio of another run less often, because that varies as well: with n loads in
    the share in which Student's t of n - 1 degrees of freedom lies within its quantile over √2.
    """
    random = np.random.default_rng(visits)
    quantile = stats.t.ppf(0.975, visits - 1)
    expected = 1 - 2 * stats.t.sf(quantile / math.sqrt(2), visits - 1)
    true = control_ratio(simulated(random, 600, busy)).control_ratio
    of_true, of_other, pairs = 0, 0, 300
    for _ in range(pairs):
        found = control_ratio(simulated(random, visits, busy))
        other = control_ratio(simulated(random, visits, busy)).control_ratio
        of_true += found.control_ratio_low <= true <= found.control_ratio_high
        of_other += found.control_ratio_low <= other <= found.control_ratio_high
    assert of_true / pairs == pytest.approx(0.95, abs=0.04)
    assert of_other / pairs == pytest.approx(expected, abs=0.06)
