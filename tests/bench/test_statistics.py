"""Figures with known answers, and properties that must hold for any figures."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.cells import Cell, CellResult
from bench.statistics import (
    median_interval,
    net_rounds,
    net_samples,
    percentile,
    stream_total,
    summarise,
)

CALL = Cell("netlink", "unicast", "call", 64)
STREAM = Cell("netlink", "multicast", "stream", 64)
NOTIFY = Cell("netlink", "unicast", "notify", 64)


def result(cell: Cell, rounds: list[int], **values: object) -> CellResult:
    return CellResult(cell, "ok", n=100, rounds=tuple(rounds), **values)  # type: ignore[arg-type]


def test_a_round_is_net_per_operation() -> None:
    one = result(CALL, [10_302, 10_402], round_overhead=302, sample_overhead=5, samples=(105, 205))
    assert net_rounds(one).tolist() == [100, 101]
    assert net_samples(one).tolist() == [100, 200]


def test_a_stream_counts_what_was_delivered() -> None:
    stream = {"delivered": (100, 50, 0), "raised": (100, 100, 100), "lost": (0, 50, 100)}
    one = result(STREAM, [1000, 1000, 1000], stream=stream)
    nets = net_rounds(one).tolist()
    assert nets[:2] == [10, 20]
    assert math.isnan(nets[2])
    summary = summarise([one], "instructions")
    assert summary.rounds == 2
    assert summary.median == 15
    assert stream_total([one, one], "lost") == 300
    assert stream_total([result(CALL, [1])], "lost") is None


def test_known_answers() -> None:
    rounds = [100 * value for value in (10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 1000)]
    samples = tuple(range(1, 1002))
    summary = summarise([result(CALL, rounds, samples=samples)], "time")
    assert (summary.min, summary.median) == (10, 60)
    assert summary.mean == pytest.approx(1550 / 11)
    assert (summary.p50, summary.p90) == (501, 901)
    assert summary.p999 == pytest.approx(1000)
    assert summary.max == 1001
    assert summary.messages_per_unit == pytest.approx(1e9 / 60)
    assert summary.bytes_per_unit == pytest.approx(64e9 / 60)
    assert summary.ci_low <= 60 <= summary.ci_high
    assert summary.ci_low >= 10
    assert summary.ci_high <= 100  # one wild round does not widen a median's interval


def test_overhead_and_raw_stand_beside_the_net() -> None:
    summary = summarise([result(CALL, [1000] * 11, round_overhead=300)], "instructions")
    assert summary.overhead == pytest.approx(3)
    assert summary.raw_median == pytest.approx(summary.median + summary.overhead)
    assert summary.messages_per_unit == pytest.approx(1e6 / 7)


def test_boots_are_pooled() -> None:
    both = [result(CALL, [100] * 6), result(CALL, [300] * 6, boot=1)]
    summary = summarise(both, "time")
    assert (summary.rounds, summary.median, summary.min) == (12, 2, 1)


def test_few_samples_have_no_far_percentile() -> None:
    samples = np.arange(200, dtype=np.float64)
    assert percentile(samples, 50) == 99.5
    assert not math.isnan(percentile(samples, 99))
    assert math.isnan(percentile(samples, 99.9))
    assert math.isnan(percentile(np.zeros(0), 50))
    assert not math.isnan(percentile(np.zeros(1000), 99.9))


def test_few_rounds_have_no_interval() -> None:
    assert all(math.isnan(end) for end in median_interval([np.arange(10.0)]))


def test_equal_rounds_have_a_point_for_an_interval() -> None:
    assert median_interval([np.full(11, 7.0)]) == (7, 7)


def test_an_interval_is_always_the_same() -> None:
    rounds = np.random.default_rng(3).normal(100, 5, 25)
    assert median_interval([rounds]) == median_interval([rounds])
    assert median_interval([rounds, rounds + 1]) == median_interval([rounds, rounds + 1])


def test_what_differs_between_boots_widens_the_interval() -> None:
    rng = np.random.default_rng(3)
    boots = [rng.normal(level, 1, size) for level, size in ((100, 20), (110, 11), (105, 20))]
    low, high = median_interval(boots)
    assert low < 101
    assert high > 109
    within = median_interval([np.concatenate(boots)])
    assert high - low > within[1] - within[0]


@pytest.mark.parametrize("seed", range(20))
def test_what_must_hold_for_any_figures(seed: int) -> None:
    rng = np.random.default_rng(seed)
    totals = rng.integers(1_000, 100_000, int(rng.integers(11, 40))).tolist()
    samples = tuple(rng.integers(10, 1_000, 1500).tolist())
    one = result(NOTIFY, totals, samples=samples, round_overhead=200, sample_overhead=2)
    s = summarise([one], "instructions")
    assert s.min <= s.median <= max(totals) / 100
    assert s.min <= s.mean
    assert s.p50 <= s.p90 <= s.p99 <= s.p999 <= s.max
    assert s.min <= s.ci_low <= s.ci_high
    # Shuffled rounds are the same rounds, and twice the cost is half the rate.
    shuffled = result(NOTIFY, rng.permutation(totals).tolist(), round_overhead=200)
    assert summarise([shuffled], "instructions").median == s.median
    double = result(NOTIFY, [2 * total for total in totals], round_overhead=400)
    half = summarise([double], "instructions").messages_per_unit
    assert half == pytest.approx(s.messages_per_unit / 2)


def test_nothing_measured_is_nan_and_not_an_error() -> None:
    summary = summarise([result(CALL, [])], "time")
    assert math.isnan(summary.median)
    assert math.isnan(summary.messages_per_unit)
