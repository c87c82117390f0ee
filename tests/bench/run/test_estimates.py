# SPDX-License-Identifier: GPL-2.0-only
"""Estimates: figures with known answers, and relations that hold for any figures."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from bench.plan.cells import Cell, CellResult, Clock
from bench.run.estimates import (
    levels,
    marks,
    median_interval,
    net_rounds,
    net_samples,
    outlier_classes,
    percentile,
    spread,
    stream_total,
    summarise,
)

CALL = Cell("netlink", "unicast", "call", 64)
STREAM = Cell("netlink", "multicast", "stream", 64)
NOTIFY = Cell("netlink", "unicast", "notify", 64)


def result(cell: Cell, rounds: list[int], **values: object) -> CellResult:
    return CellResult(cell, "ok", n=100, rounds=tuple(rounds), **values)  # type: ignore[arg-type]


def test_a_round_is_net_per_operation() -> None:
    measured = result(
        CALL, [10_302, 10_402], round_overhead=302, sample_overhead=5, samples=(105, 205)
    )
    assert net_rounds(measured).tolist() == [100, 101]
    assert net_samples(measured).tolist() == [100, 200]


def test_a_stream_counts_what_was_delivered() -> None:
    stream = {"delivered": (100, 50, 0), "emitted": (100, 100, 100), "lost": (0, 50, 100)}
    measured = result(STREAM, [1000, 1000, 1000], stream=stream)
    nets = net_rounds(measured).tolist()
    assert nets[:2] == [10, 20]
    assert math.isnan(nets[2])
    summary = summarise([measured], "instructions")
    assert summary.rounds == 2
    assert summary.median == 15
    assert stream_total([measured, measured], "lost") == 300
    assert stream_total([result(CALL, [1])], "lost") is None


def test_processor_time_is_per_operation() -> None:
    """For a stream, per delivered message; loads without processor time are left out."""
    measured = result(CALL, [1000, 1000], cpu={"user": 3000, "other": 500})
    other = result(CALL, [1000], cpu={"user": 3000})
    summary = summarise([measured, other, result(CALL, [1000])], "time")
    assert (summary.cpu_user_side, summary.cpu_other_side) == (20, 2.5)
    stream = result(STREAM, [1000, 1000], cpu={"user": 300}, stream={"delivered": (100, 50)})
    assert summarise([stream], "time").cpu_user_side == 2
    assert math.isnan(summarise([result(CALL, [1])], "instructions").cpu_user_side)


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
    assert summary.ci_high <= 100  # a single outlier does not widen the interval of the median


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
    assert math.isnan(percentile(np.zeros(9_999), 99.99))
    assert percentile(np.arange(10_001.0), 99.99) == pytest.approx(9_999)


def test_loads_are_pooled_and_far_percentiles_come_of_many() -> None:
    measured = result(CALL, [1000] * 11, samples=tuple(range(5_000)))
    summary = summarise([measured, replace(measured, load=1)], "time")
    assert summary.rounds == 22
    assert summary.p9999 == pytest.approx(4_999, abs=1)
    assert math.isnan(summarise([measured], "time").p9999)


def test_few_rounds_have_no_interval() -> None:
    assert all(math.isnan(end) for end in median_interval([[np.arange(10.0)]]))
    assert all(math.isnan(end) for end in median_interval([]))


def test_equal_rounds_have_a_point_for_an_interval() -> None:
    assert median_interval([[np.full(11, 7.0)]]) == (7, 7)


def test_an_interval_is_always_the_same() -> None:
    rounds = np.random.default_rng(3).normal(100, 5, 25)
    assert median_interval([[rounds]]) == median_interval([[rounds]])
    several = [[rounds, rounds + 2], [rounds + 1]]
    assert median_interval(several) == median_interval(several)


def units(*centres: float) -> list[np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Rounds around each of the ``centres``, of different counts."""
    rng = np.random.default_rng(3)
    return [rng.normal(centre, 1, 11 + 9 * (at % 2)) for at, centre in enumerate(centres)]


@pytest.mark.parametrize("level", ["boots", "loads"])
def test_what_differs_at_the_highest_level_widens_the_interval(level: str) -> None:
    parts = units(100, 110, 105)
    boots = [[part] for part in parts] if level == "boots" else [parts]
    low, high = median_interval(boots)
    assert low < 101
    assert high > 109
    within = median_interval([[np.concatenate(parts)]])
    assert high - low > within[1] - within[0]


def test_loads_that_differ_alike_in_each_boot_do_not_count_as_boots_that_differ() -> None:
    alike = [units(100, 110) for _ in range(5)]
    differing = [units(value, value) for value in (100, 110, 105, 100, 110)]
    assert median_interval(alike)[0] > median_interval(differing)[0]


def test_few_boots_are_trusted_less() -> None:
    """Two boots have the same spread as ten, but their interval is wider."""
    two = median_interval([[u] for u in units(100, 110)])
    many = median_interval([[u] for u in units(*([100, 110] * 5))])
    assert two[1] - two[0] > 3 * (many[1] - many[0])
    assert two[0] >= 0


def test_an_interval_holds_the_true_median_as_often_as_it_says() -> None:
    """Intervals of 3 boots × 2 loads × 11 rounds, where boots, loads and rounds all vary."""
    rng = np.random.default_rng(11)
    hits = 0
    for _ in range(200):
        boots = [
            [rng.normal(boot + rng.normal(0, 0.5), 1, 11) for _ in range(2)]
            for boot in rng.normal(100, 2, 3)
        ]
        low, high = median_interval(boots)
        hits += low <= 100 <= high
    assert hits >= 180


def test_outliers_are_labelled_by_tukeys_fences_and_stay() -> None:
    body = [float(value) for value in range(10, 21)]  # quartiles 12.5 and 17.5
    assert outlier_classes(np.asarray([*body, 25.0])).tolist() == [0] * 12
    rounds = np.asarray([-40.0, 0.0, *body, *body, 30.0, 60.0])
    assert outlier_classes(rounds).tolist() == [-2, -1, *[0] * 22, 1, 2]
    summary = summarise([result(CALL, (100 * (rounds + 100)).astype(int).tolist())], "time")
    counts = (summary.low_severe, summary.low_mild, summary.high_mild, summary.high_severe)
    assert counts == (1, 1, 1, 1)
    assert (summary.rounds, summary.min) == (26, 60)
    assert summary.mad == pytest.approx(3)
    assert outlier_classes(np.asarray([1.0, math.nan])).tolist() == [0, 0]
    assert outlier_classes(np.zeros(0)).tolist() == []


def test_a_load_that_differs_is_no_outlier() -> None:
    calm = [1000 + value for value in range(11)]
    both = [result(CALL, calm), result(CALL, [10 * total for total in calm], load=1)]
    summary = summarise(both, "time")
    assert summary.high_severe + summary.high_mild + summary.low_mild + summary.low_severe == 0


def test_spread_is_of_the_highest_level_that_has_more_than_one() -> None:
    def of(*centres: float) -> list[np.ndarray[tuple[int], np.dtype[np.float64]]]:
        return [np.full(11, centre) for centre in centres]

    assert spread([of(100, 130), of(102, 132)]) == pytest.approx(117 / 115 - 1)
    assert spread([of(100, 103)]) == pytest.approx(0.03)
    assert math.isnan(spread([of(100)]))
    assert math.isnan(spread([]))


def test_levels_are_put_in_order() -> None:
    by_boot = levels([
        result(CALL, [300], boot=1),
        result(CALL, [200], load=1),
        result(CALL, [100]),
        result(CALL, [], boot=2),
    ])  # fmt: skip
    assert [[load.tolist() for load in boot] for boot in by_boot] == [[[1], [2]], [[3]]]


@pytest.mark.parametrize(
    ("clock", "interval", "spread", "expected"),
    [
        ("time", (98, 102), 0.2, ""),
        ("time", (97, 103), 0.0, "imprecise"),
        ("time", (math.nan, math.nan), math.nan, "imprecise"),
        ("instructions", (90, 110), 0.004, ""),
        ("instructions", (100, 100), 0.006, "differs"),
        ("instructions", (100, 100), math.nan, ""),
    ],
)
def test_marks(clock: Clock, interval: tuple[float, float], spread: float, expected: str) -> None:
    assert marks(clock, 100, interval, spread) == expected


@pytest.mark.parametrize("seed", range(20))
def test_what_must_hold_for_any_figures(seed: int) -> None:
    rng = np.random.default_rng(seed)
    totals = rng.integers(1_000, 100_000, int(rng.integers(11, 40))).tolist()
    samples = tuple(rng.integers(10, 1_000, 1500).tolist())
    measured = result(NOTIFY, totals, samples=samples, round_overhead=200, sample_overhead=2)
    s = summarise([measured], "instructions")
    assert s.min <= s.median <= max(totals) / 100
    assert s.min <= s.mean
    assert s.p50 <= s.p90 <= s.p99 <= s.p999 <= s.max
    assert s.min <= s.ci_low <= s.ci_high
    # The order of rounds does not matter, and twice the cost halves the rate.
    shuffled = result(NOTIFY, rng.permutation(totals).tolist(), round_overhead=200)
    assert summarise([shuffled], "instructions").median == s.median
    double = result(NOTIFY, [2 * total for total in totals], round_overhead=400)
    half = summarise([double], "instructions").messages_per_unit
    assert half == pytest.approx(s.messages_per_unit / 2)


def test_the_overhead_of_a_stream_is_that_of_each_round() -> None:
    measured = result(
        STREAM,
        [1000, 2000, 500],
        round_overhead=7,
        stream={"delivered": (10, 10, 0)},
        costs={"overheads": (100.0, 300.0, 7.0)},
    )
    assert net_rounds(measured)[:2].tolist() == [90, 170]
    summary = summarise([measured], "instructions")
    assert (summary.median, summary.overhead, summary.raw_median) == (130, 20, 150)


def test_each_end_of_a_stream_has_its_median() -> None:
    costs: dict[str, tuple[float | None, ...]] = {
        "producer": (70.0, None, 90.0),
        "consumer": (None, None, None),
    }
    measured = result(STREAM, [1000] * 3, stream={"delivered": (10, 10, 10)}, costs=costs)
    summary = summarise([measured, measured], "instructions")
    assert summary.producer == 80
    assert math.isnan(summary.consumer)
    assert math.isnan(summarise([result(CALL, [1000])], "instructions").producer)


def test_nothing_measured_is_nan_and_not_an_error() -> None:
    summary = summarise([result(CALL, [])], "time")
    assert math.isnan(summary.median)
    assert math.isnan(summary.messages_per_unit)
