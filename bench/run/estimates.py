# SPDX-License-Identifier: GPL-2.0-only
"""Computes the figures of a cell from the agent's raw counts.

Raw counts are in units of the clock: nanoseconds or instructions.  The agent reports how much
of each round and of each sample is the harness's own work (clock readings, iterations of the
empty loop; in a stream, producing and checking each message).  This is subtracted, and reported
as ``overhead``.  For a stream, one operation is one delivered message.

Rounds are grouped by load of the module, loads by boot.  The width of an interval is
determined by the variation at the highest of these levels that has more than one unit.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from bench.plan.cells import EVENTS, PER, CellResult, Clock

Floats = NDArray[np.float64]
Levels = Sequence[Sequence[Floats]]
"""Net rounds, in units per operation: for each boot, one array for each load."""

FEWEST_ROUNDS = 11
"""The fewest rounds for an interval; with fewer, the interval is NaN."""
IMPRECISE_ABOVE = 0.05
"""Under ``time``, a cell is imprecise if its interval is wider than this share of its median."""
DIFFERS_ABOVE = 0.005
"""Under ``instructions``, a cell differs if its :func:`spread` exceeds this share."""
MILD, SEVERE = 1.5, 3.0
"""Tukey's fences, in interquartile ranges beyond the quartiles."""
_RESAMPLES = 999
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Summary:
    """The figures of one cell: net, per operation, in units of the clock.

    Figures are NaN where there is too little data for them.

    Attributes:
        rounds: number of rounds, over all loads and boots.
        n: operations per round.
        min, median, mean: of the rounds.
        p50, p90, p99, p999, p9999, max: percentiles and maximum of the samples.
        ci_low, ci_high: the 95 % interval of the median, see :func:`median_interval`.
        overhead: mean of the harness's own cost, already subtracted.
        raw_median: median of the rounds before the subtraction.
        messages_per_unit: messages per second or per million instructions.
        bytes_per_unit: bytes of body, or of all records, per second or per million instructions.
        mad: median absolute deviation of the rounds.
        low_severe, low_mild, high_mild, high_severe: number of rounds beyond Tukey's fences.
            These rounds are only labelled; they count like all others.
        spread: relative difference of the boots' medians, see :func:`spread`.
        marks: see :func:`marks`.
        cpu_user_side, cpu_other_side: processor time in ns per operation, see :func:`cpu`.
        producer: of a stream: units that the producer spent in the channel, per emitted message.
        consumer: of a stream: units that the reader needed per delivered message; on one CPU,
            all that is not the producer's. NaN for a reader that spins on a CPU of its own.
        cycles_user, cycles_kernel, instructions_user, instructions_kernel: hardware events of
            the user side per operation: the median of the rounds in which they were counted.
    """

    rounds: int
    n: int
    min: float
    median: float
    mean: float
    p50: float
    p90: float
    p99: float
    p999: float
    max: float
    ci_low: float
    ci_high: float
    overhead: float
    raw_median: float
    messages_per_unit: float
    bytes_per_unit: float
    p9999: float
    mad: float
    low_severe: int
    low_mild: int
    high_mild: int
    high_severe: int
    spread: float
    marks: str
    cpu_user_side: float
    cpu_other_side: float
    cycles_user: float
    cycles_kernel: float
    instructions_user: float
    instructions_kernel: float
    producer: float
    consumer: float


def operations(result: CellResult) -> Floats:
    """Operations of each round: ``n``, or the delivered messages of a stream."""
    if result.cell.operation != "stream":
        return np.full(len(result.rounds), result.n, dtype=np.float64)
    return np.asarray(result.stream.get("delivered", ()), dtype=np.float64)


def _per_operation(result: CellResult, units: Floats) -> Floats:
    """``units`` of each round per operation; NaN for a round without an operation."""
    count = operations(result)
    return np.divide(units, count, out=np.full_like(count, math.nan), where=count > 0)


def raw_rounds(result: CellResult) -> Floats:
    """Units per operation of each round, as measured; NaN for a round without an operation."""
    return _per_operation(result, np.asarray(result.rounds, dtype=np.float64))


def overheads(result: CellResult) -> Floats:
    """The harness's own cost in units per operation of each round."""
    if "overheads" in result.costs:
        return _per_operation(result, np.asarray(result.costs["overheads"], dtype=np.float64))
    return _per_operation(result, np.full(len(result.rounds), result.round_overhead))


def net_rounds(result: CellResult) -> Floats:
    """Units per operation of each round, without the harness's own cost."""
    return raw_rounds(result) - overheads(result)


def net_samples(result: CellResult) -> Floats:
    """Units of each sampled operation, without the harness's own cost."""
    return np.asarray(result.samples, dtype=np.float64) - result.sample_overhead


def cpu(results: Sequence[CellResult], side: str) -> float:
    """Processor time in ns per operation, over all rounds that report it; NaN if none does.

    This includes the work of the harness around the operations: its loop, its clock readings,
    and one request per event.

    Args:
        results: results of one cell.
        side: ``user`` (the measuring process) or ``other`` (all else on the machine).
    """
    known = [result for result in results if side in result.cpu]
    count = sum(float(operations(result).sum()) for result in known)
    return sum(result.cpu[side] for result in known) / count if count else math.nan


def stream_cost(results: Sequence[CellResult], end: str) -> float:
    """The median over all rounds of what one end of a stream needed per message; NaN if unknown.

    Args:
        results: results of one cell.
        end: ``producer`` or ``consumer``.
    """
    values = (value for result in results for value in result.costs.get(end, ()))
    return known_median(value for value in values if value is not None)


def events(results: Sequence[CellResult], name: str) -> float:
    """The median over all counted rounds of one hardware event; NaN if none was counted."""
    return known_median(value for result in results for value in result.events.get(name, ()))


def percentile(samples: Floats, p: float) -> float:
    """The ``p``-th percentile (0 to 100); NaN unless at least one sample lies beyond it.

    For example, the 99.9th percentile of 200 samples would only be the largest sample.
    """
    if len(samples) == 0 or len(samples) * (100 - p) < 100 - 1e-6:
        return math.nan
    return float(np.percentile(samples, p))


def grouped(
    results: Sequence[CellResult], figure: Callable[[CellResult], Floats]
) -> list[list[Floats]]:
    """``figure`` of the rounds of each load of each boot, in order, without those that are NaN.

    Loads without a round are left out.
    """
    by_boot: dict[int, list[Floats]] = {}
    for result in sorted(results, key=lambda result: (result.boot, result.load)):
        if len(rounds := _pooled(figure, [result])):
            by_boot.setdefault(result.boot, []).append(rounds)
    return list(by_boot.values())


def levels(results: Sequence[CellResult]) -> list[list[Floats]]:
    """Net rounds of each load of each boot, in order; loads without a round are left out."""
    return grouped(results, net_rounds)


def resampling_units(boots: Levels) -> list[Floats]:
    """The rounds of each boot, or of each load if there is only one boot."""
    return [np.concatenate(boot) for boot in boots] if len(boots) > 1 else list(*boots)


def median_interval(boots: Levels) -> tuple[float, float]:
    """The 95 % bootstrap interval of the median; NaN for fewer than 11 rounds in all.

    The bootstrap resamples the highest level that has more than one unit: boots, else loads,
    else rounds.  Each drawn unit brings all its rounds (Kalibera & Jones).  The seed is fixed:
    equal rounds give equal intervals.
    """
    units = resampling_units(boots)
    rounds = np.concatenate([*units, np.zeros(0)])
    if len(rounds) < FEWEST_ROUNDS:
        return math.nan, math.nan
    if np.all(rounds == rounds[0]):
        return float(rounds[0]), float(rounds[0])
    if len(units) > 1:
        return _widened_interval(_resampled_medians(units), float(np.median(rounds)), len(units))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        interval = scipy.stats.bootstrap(
            (rounds,),
            np.median,
            n_resamples=_RESAMPLES,
            confidence_level=_CONFIDENCE,
            method="percentile",
            vectorized=True,
            rng=np.random.default_rng(0),
        ).confidence_interval
    return float(interval.low), float(interval.high)


def _widened_interval(medians: Floats, median: float, units: int) -> tuple[float, float]:
    """The percentile interval of resampled medians, widened for a small number of ``units``.

    With n units, the bootstrap underestimates the spread by a factor of √(n/(n-1)).  An estimate
    from so few units also needs Student's quantile instead of the normal one.
    """
    tail = 50 * (1 - _CONFIDENCE)
    low, high = np.percentile(medians, [tail, 100 - tail])
    quantile = 0.5 + _CONFIDENCE / 2
    factor = math.sqrt(units / (units - 1))
    factor *= float(scipy.stats.t.ppf(quantile, units - 1) / scipy.stats.norm.ppf(quantile))
    low, high = median - factor * (median - low), median + factor * (high - median)
    return (max(0.0, float(low)) if median >= 0 else float(low)), float(high)


def _resampled_medians(units: Sequence[Floats]) -> Floats:
    """Medians of units drawn with replacement; all units have the same weight."""
    rng = np.random.default_rng(0)
    longest = max(len(rounds) for rounds in units)
    table = np.stack([np.resize(rounds, longest) for rounds in units])
    drawn = table[rng.integers(len(units), size=(_RESAMPLES, len(units)))]
    medians: Floats = np.median(drawn.reshape(_RESAMPLES, -1), axis=1)
    return medians


def outlier_classes(rounds: Floats) -> NDArray[np.int8]:
    """The outlier class of each round: ±1 beyond Tukey's mild fence, ±2 beyond the severe one.

    All other rounds, and those without a value (NaN), have class 0.
    """
    labels = np.zeros(len(rounds), dtype=np.int8)
    known = rounds[~np.isnan(rounds)]
    if not len(known):
        return labels
    low, high = np.percentile(known, [25, 75])
    reach = high - low
    for fence in (MILD, SEVERE):
        labels += (rounds > high + fence * reach).astype(np.int8)
        labels -= (rounds < low - fence * reach).astype(np.int8)
    return labels


def spread(boots: Levels) -> float:
    """Largest over smallest median of the boots, minus 1.

    With only one boot, the medians of its loads are compared.  NaN if there is only one load
    too, or if a median is not positive.
    """
    medians = [float(np.median(rounds)) for rounds in resampling_units(boots)]
    if len(medians) < 2 or min(medians) <= 0:
        return math.nan
    return max(medians) / min(medians) - 1


def marks(clock: Clock, median: float, interval: tuple[float, float], spread: float) -> str:
    """The marks of a cell, separated by a space; empty if it has none.

    ``imprecise``: under ``time``, the interval is wider than 5 % of the median, or NaN.
    ``differs``: under ``instructions``, the spread is more than 0.5 %.

    Args:
        clock: the clock of the run.
        median: the median of the rounds.
        interval: its interval.
        spread: as from :func:`spread`.
    """
    names = []
    if clock == "time" and not interval[1] - interval[0] <= IMPRECISE_ABOVE * median:
        names.append("imprecise")
    if clock == "instructions" and spread > DIFFERS_ABOVE:
        names.append("differs")
    return " ".join(names)


def summarise(results: Sequence[CellResult], clock: Clock) -> Summary:
    """The figures of one cell, from the pooled rounds and samples of all results.

    Args:
        results: results of one cell, one per load and boot; at least one.
        clock: the clock of the run.
    """
    rounds = _pooled(net_rounds, results)
    raw, overhead = _pooled(raw_rounds, results), _pooled(overheads, results)
    samples = np.concatenate([net_samples(result) for result in results])
    boots = levels(results)
    median = float(np.median(rounds)) if len(rounds) else math.nan
    interval, boot_spread = median_interval(boots), spread(boots)
    messages = PER[clock][0] / median if median > 0 else math.nan
    outliers = _count_outliers(boots)
    return Summary(
        rounds=len(rounds),
        n=results[0].n,
        min=float(rounds.min()) if len(rounds) else math.nan,
        median=median,
        mean=float(rounds.mean()) if len(rounds) else math.nan,
        p50=percentile(samples, 50),
        p90=percentile(samples, 90),
        p99=percentile(samples, 99),
        p999=percentile(samples, 99.9),
        max=float(samples.max()) if len(samples) else math.nan,
        ci_low=interval[0],
        ci_high=interval[1],
        overhead=float(overhead.mean()) if len(overhead) else math.nan,
        raw_median=float(np.median(raw)) if len(raw) else math.nan,
        messages_per_unit=messages,
        bytes_per_unit=messages * results[0].cell.size * max(1, results[0].cell.records),
        p9999=percentile(samples, 99.99),
        mad=float(scipy.stats.median_abs_deviation(rounds)) if len(rounds) else math.nan,
        low_severe=outliers[-2],
        low_mild=outliers[-1],
        high_mild=outliers[1],
        high_severe=outliers[2],
        spread=boot_spread,
        marks=marks(clock, median, interval, boot_spread),
        cpu_user_side=cpu(results, "user"),
        cpu_other_side=cpu(results, "other"),
        **{name: events(results, name) for name in EVENTS},
        producer=stream_cost(results, "producer"),
        consumer=stream_cost(results, "consumer"),
    )


def _count_outliers(boots: Levels) -> dict[int, int]:
    """Number of rounds of each outlier class; the fences are computed per load."""
    loads = [outlier_classes(rounds) for boot in boots for rounds in boot]
    labels = np.concatenate([*loads, np.zeros(0, dtype=np.int8)])
    return {kind: int((labels == kind).sum()) for kind in (-2, -1, 0, 1, 2)}


def _pooled(figure: Callable[[CellResult], Floats], results: Sequence[CellResult]) -> Floats:
    values: Floats = np.concatenate([figure(result) for result in results])
    return values[np.flatnonzero(~np.isnan(values))]


def known_median(values: Iterable[float]) -> float:
    """The median of the values that are not NaN; NaN if there are none."""
    known = [value for value in values if not math.isnan(value)]
    return float(np.median(known)) if known else math.nan


def stream_total(results: Sequence[CellResult], key: str) -> int | None:
    """The sum of a stream's counter ``key`` over all rounds; None for other operations."""
    counts = [result.stream[key] for result in results if key in result.stream]
    return sum(sum(count) for count in counts) if counts else None
