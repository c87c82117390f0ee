# SPDX-License-Identifier: GPL-2.0-only
"""Repeated runs: how well they agree, and how often their intervals contain each other."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from reports.analysis.agreement import agreements, coverage, expected_share, pairs_of
from reports.data.run import Measured, Run


def row(size: int, median: float, ratio: float, reach: float = 0.1, loads: int = 4) -> Measured:
    return Measured(
        "pipe", "pair", "call", size, median=median, boots=1, loads=loads, control_ratio=ratio,
        control_ratio_low=ratio / (1 + reach), control_ratio_high=ratio * (1 + reach),
    )  # fmt: skip


def run(*rows: Measured) -> Run:
    return Run(Path(), "", "time", pd.DataFrame(), rows, {}, ())


def test_each_two_runs_are_compared_in_each_cell() -> None:
    unmeasured = Measured("pipe", "pair", "call", 64, status="fail")
    runs = [run(row(8, 100, 1.0), unmeasured), run(row(8, 110, 1.004)), run(row(8, 120, 1.02))]
    pairs = pairs_of(runs)
    assert len(pairs) == 3
    absolute, ratio = agreements(pairs)
    assert absolute.pairs == ratio.pairs == 3
    assert (absolute.near, absolute.nearer) == (0, 0)
    assert ratio.near == 1
    assert ratio.nearer == pytest.approx(1 / 3)
    assert absolute.median == pytest.approx(0.1)
    assert ratio.median == pytest.approx(1.02 / 1.004 - 1)


def test_an_interval_is_checked_in_both_directions() -> None:
    pairs = pairs_of([run(row(8, 100, 1.0, reach=0.01)), run(row(8, 100, 1.05, reach=0.1))])
    found = coverage(pairs)
    assert (found.pairs, found.share) == (2, 0.5)
    assert found.expected == pytest.approx(expected_share(4, 4))


def test_without_intervals_there_is_no_coverage() -> None:
    bare = Measured("pipe", "pair", "call", 8, median=1.0, control_ratio=1.0)
    assert math.isnan(coverage([(bare, bare)]).share)


@pytest.mark.parametrize(("units", "others"), [(4, 4), (4, 40), (12, 12), (30, 5)])
def test_the_expected_share_is_that_of_a_simulation(units: int, others: int) -> None:
    random = np.random.default_rng(units)
    a, b = (random.standard_normal((20_000, count)) for count in (units, others))
    reach = stats.t.ppf(0.975, units - 1) * a.std(axis=1, ddof=1) / math.sqrt(units)
    share = float(np.mean(np.abs(a.mean(axis=1) - b.mean(axis=1)) <= reach))
    assert expected_share(units, others) == pytest.approx(share, abs=0.01)
