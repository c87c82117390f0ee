"""From the agent's raw counts to the figures of one row.

The agent says how much of each round and of each sample is the harness's own work
(clock readings, turns of the empty loop); that is taken off, and printed beside the
result as ``overhead``.  An operation of a stream is one *delivered* message.

Rounds lie within loads of the module, loads within boots.  What varies at the highest of
these levels that has more than one decides how wide an interval is.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from bench.plan.cells import PER, CellResult, Clock

Floats = NDArray[np.float64]
Levels = Sequence[Sequence[Floats]]
"""Rounds of each load of each boot."""

FEWEST_ROUNDS = 11
"""Rounds that an interval needs; below, it is NaN."""
WIDE = 0.05
"""Under ``time``: an interval wider than this share of its median is marked."""
APART = 0.005
"""Under ``instructions``: boots that lie further apart than this share are marked."""
MILD, SEVERE = 1.5, 3.0
"""Tukey's fences, in distances of the quartiles beyond them."""
_RESAMPLES = 999
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Summary:
    """The figures of one cell, per operation, in units of the clock, net.

    ``min`` to ``ci_high`` and ``p50`` to ``max`` are NaN where there is too little
    to tell them from.  ``overhead`` was taken off; ``raw_median`` is with it.

    Attributes:
        mad: median distance of the rounds from their median.
        low_severe, low_mild, high_mild, high_severe: rounds that lie beyond Tukey's fences;
            they are labelled, and count like all others.
        spread: largest over smallest median of the boots, less one; of the loads where there
            is one boot, and NaN where there is one of each.
        marks: what a reader should know, see :func:`marks`.
        cpu_user_side, cpu_other_side: processor time per operation, see :func:`cpu`.
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


def operations(result: CellResult) -> Floats:
    """How many operations each round did: ``n``, or what a stream has delivered."""
    if result.cell.operation != "stream":
        return np.full(len(result.rounds), result.n, dtype=np.float64)
    return np.asarray(result.stream.get("delivered", ()), dtype=np.float64)


def _per_operation(result: CellResult, units: Floats) -> Floats:
    """``units`` of each round per operation; NaN where none was done."""
    done = operations(result)
    return np.divide(units, done, out=np.full_like(done, math.nan), where=done > 0)


def raw_rounds(result: CellResult) -> Floats:
    """Units per operation of each round, as measured; NaN where none was done."""
    return _per_operation(result, np.asarray(result.rounds, dtype=np.float64))


def overheads(result: CellResult) -> Floats:
    """Units per operation of each round that are the harness's own."""
    return _per_operation(result, np.full(len(result.rounds), result.round_overhead))


def net_rounds(result: CellResult) -> Floats:
    """Units per operation of each round, the harness's own work taken off."""
    return raw_rounds(result) - overheads(result)


def net_samples(result: CellResult) -> Floats:
    """Units of each sampled operation, the harness's own work taken off."""
    return np.asarray(result.samples, dtype=np.float64) - result.sample_overhead


def cpu(results: Sequence[CellResult], side: str) -> float:
    """Nanoseconds of processor time per operation over all rounds; NaN where it is not known.

    What the harness does around the operations is in it: its loop and clock readings, and for
    events the request for each.
    """
    known = [result for result in results if side in result.cpu]
    done = sum(float(operations(result).sum()) for result in known)
    return sum(result.cpu[side] for result in known) / done if done else math.nan


def percentile(samples: Floats, p: float) -> float:
    """The ``p``-th percentile (0 to 100), NaN when too few samples lie beyond it.

    Of 200 samples, the 99.9th percentile would be the largest under another name.
    """
    if len(samples) == 0 or len(samples) * (100 - p) < 100 - 1e-6:
        return math.nan
    return float(np.percentile(samples, p))


def levels(results: Sequence[CellResult]) -> list[list[Floats]]:
    """Net rounds of each load of each boot; those without a round are left out."""
    found: dict[int, list[Floats]] = {}
    for result in sorted(results, key=lambda result: (result.boot, result.load)):
        if len(rounds := _pooled(net_rounds, [result])):
            found.setdefault(result.boot, []).append(rounds)
    return list(found.values())


def _units(boots: Levels) -> list[Floats]:
    """The rounds of each boot; of each load where there is one boot."""
    return [np.concatenate(boot) for boot in boots] if len(boots) > 1 else list(*boots)


def median_interval(boots: Levels) -> tuple[float, float]:
    """The bootstrap 95 % interval of the median, from the rounds of each load of each boot.

    NaN below 11 rounds in all.  What is resampled are the units of the highest level that has
    more than one, each with all that is below it (Kalibera & Jones): boots, else loads, else
    rounds.  The seed is fixed, so that the same rounds always give the same interval.
    """
    units = _units(boots)
    rounds = np.concatenate([*units, np.zeros(0)])
    if len(rounds) < FEWEST_ROUNDS:
        return math.nan, math.nan
    if np.all(rounds == rounds[0]):
        return float(rounds[0]), float(rounds[0])
    if len(units) > 1:
        return _widened(_resampled_medians(units), float(np.median(rounds)), len(units))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        interval = stats.bootstrap(
            (rounds,),
            np.median,
            n_resamples=_RESAMPLES,
            confidence_level=_CONFIDENCE,
            method="percentile",
            vectorized=True,
            rng=np.random.default_rng(0),
        ).confidence_interval
    return float(interval.low), float(interval.high)


def _widened(medians: Floats, median: float, units: int) -> tuple[float, float]:
    """The percentile interval of resampled medians, made as wide as few ``units`` deserve.

    Two or three boots show less than the spread they come from: the bootstrap is too narrow
    by the root of n/(n-1), and what is estimated from so few wants Student's quantile.
    """
    tail = 50 * (1 - _CONFIDENCE)
    low, high = np.percentile(medians, [tail, 100 - tail])
    quantile = 0.5 + _CONFIDENCE / 2
    factor = math.sqrt(units / (units - 1))
    factor *= float(stats.t.ppf(quantile, units - 1) / stats.norm.ppf(quantile))
    low, high = median - factor * (median - low), median + factor * (high - median)
    return (max(0.0, float(low)) if median >= 0 else float(low)), float(high)


def _resampled_medians(units: Sequence[Floats]) -> Floats:
    """Medians of units drawn with replacement; all units weigh the same."""
    rng = np.random.default_rng(0)
    longest = max(len(rounds) for rounds in units)
    table = np.stack([np.resize(rounds, longest) for rounds in units])
    drawn = table[rng.integers(len(units), size=(_RESAMPLES, len(units)))]
    medians: Floats = np.median(drawn.reshape(_RESAMPLES, -1), axis=1)
    return medians


def classes(rounds: Floats) -> NDArray[np.int8]:
    """Tukey's class of each round: 0, ±1 beyond the mild fence, ±2 beyond the severe one.

    A round without a value (NaN) is of class 0.
    """
    found = np.zeros(len(rounds), dtype=np.int8)
    known = rounds[~np.isnan(rounds)]
    if not len(known):
        return found
    low, high = np.percentile(known, [25, 75])
    reach = high - low
    for fence in (MILD, SEVERE):
        found += (rounds > high + fence * reach).astype(np.int8)
        found -= (rounds < low - fence * reach).astype(np.int8)
    return found


def spread(boots: Levels) -> float:
    """How far the medians of the boots lie apart, as a share of the smallest.

    Of the loads where there is one boot; NaN where there is one of each.
    """
    medians = [float(np.median(rounds)) for rounds in _units(boots)]
    if len(medians) < 2 or min(medians) <= 0:
        return math.nan
    return max(medians) / min(medians) - 1


def marks(clock: Clock, median: float, interval: tuple[float, float], apart: float) -> str:
    """What to tell of a cell: ``wide`` and ``apart``, separated by a blank.

    ``wide``: under time, the interval is wider than 5 % of the median, or unknown.
    ``apart``: under instructions, the boots' medians lie more than 0.5 % apart.
    """
    found = []
    if clock == "time" and not interval[1] - interval[0] <= WIDE * median:
        found.append("imprecise")
    if clock == "instructions" and apart > APART:
        found.append("differs")
    return " ".join(found)


def summarise(results: Sequence[CellResult], clock: Clock) -> Summary:
    """The row of one cell from its results, one per load and boot.

    Rounds and samples of several are pooled.  ``results`` holds at least one.
    """
    rounds = _pooled(net_rounds, results)
    raw, overhead = _pooled(raw_rounds, results), _pooled(overheads, results)
    samples = np.concatenate([net_samples(result) for result in results])
    boots = levels(results)
    median = float(np.median(rounds)) if len(rounds) else math.nan
    interval, apart = median_interval(boots), spread(boots)
    messages = PER[clock][0] / median if median > 0 else math.nan
    outliers = _outliers(boots)
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
        bytes_per_unit=messages * results[0].cell.size,
        p9999=percentile(samples, 99.99),
        mad=float(stats.median_abs_deviation(rounds)) if len(rounds) else math.nan,
        low_severe=outliers[-2],
        low_mild=outliers[-1],
        high_mild=outliers[1],
        high_severe=outliers[2],
        spread=apart,
        marks=marks(clock, median, interval, apart),
        cpu_user_side=cpu(results, "user"),
        cpu_other_side=cpu(results, "other"),
    )


def _outliers(boots: Levels) -> dict[int, int]:
    """How many rounds there are of each class, each load seen by itself."""
    loads = [classes(rounds) for boot in boots for rounds in boot]
    found = np.concatenate([*loads, np.zeros(0, dtype=np.int8)])
    return {kind: int((found == kind).sum()) for kind in (-2, -1, 0, 1, 2)}


def _pooled(figure: Callable[[CellResult], Floats], results: Sequence[CellResult]) -> Floats:
    values: Floats = np.concatenate([figure(result) for result in results])
    return values[np.flatnonzero(~np.isnan(values))]


def middle(values: Iterable[float]) -> float:
    """The median of the values that are no NaN; NaN when there are none."""
    known = [value for value in values if not math.isnan(value)]
    return float(np.median(known)) if known else math.nan


def stream_total(results: Sequence[CellResult], key: str) -> int | None:
    """The sum of a stream's counter over rounds and boots; None for other operations."""
    counts = [result.stream[key] for result in results if key in result.stream]
    return sum(sum(count) for count in counts) if counts else None
