"""From the agent's raw counts to the figures of one row.

The agent says how much of each round and of each sample is the harness's own work
(clock readings, turns of the empty loop); that is taken off, and printed beside the
result as ``overhead``.  An operation of a stream is one *delivered* message.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from bench.cells import PER, CellResult, Clock

Floats = NDArray[np.float64]

FEWEST_ROUNDS = 11
"""Rounds that an interval needs; below, it is NaN."""
_RESAMPLES = 999
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Summary:
    """The figures of one cell, per operation, in units of the clock, net.

    ``min`` to ``ci_high`` and ``p50`` to ``max`` are NaN where there is too little
    to tell them from.  ``overhead`` was taken off; ``raw_median`` is with it.
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


def percentile(samples: Floats, p: float) -> float:
    """The ``p``-th percentile (0 to 100), NaN when too few samples lie beyond it.

    Of 200 samples, the 99.9th percentile would be the largest under another name.
    """
    if len(samples) == 0 or len(samples) * (100 - p) < 100 - 1e-6:
        return math.nan
    return float(np.percentile(samples, p))


def median_interval(boots: Sequence[Floats]) -> tuple[float, float]:
    """The bootstrap 95 % interval of the median, from the rounds of each boot.

    NaN below 11 rounds in all.  What varies from boot to boot counts: of several boots,
    boots are resampled first and then the rounds within each (Kalibera & Jones).  The
    seed is fixed, so that the same rounds always give the same interval.
    """
    boots = [rounds for rounds in boots if len(rounds)]
    rounds = np.concatenate([*boots, np.zeros(0)])
    if len(rounds) < FEWEST_ROUNDS:
        return math.nan, math.nan
    if np.all(rounds == rounds[0]):
        return float(rounds[0]), float(rounds[0])
    if len(boots) > 1:
        tail = 50 * (1 - _CONFIDENCE)
        low, high = np.percentile(_resampled_medians(boots), [tail, 100 - tail])
        return float(low), float(high)
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


def _resampled_medians(boots: Sequence[Floats]) -> Floats:
    """Medians of resampled boots with resampled rounds, all boots weighing the same."""
    rng = np.random.default_rng(0)
    lengths = np.asarray([len(rounds) for rounds in boots])
    table = np.zeros((len(boots), lengths.max()))
    for line, rounds in zip(table, boots, strict=True):
        line[: len(rounds)] = rounds
    picked = rng.integers(len(boots), size=(_RESAMPLES, len(boots)))
    shares = rng.random((*picked.shape, table.shape[1]))
    places = (shares * lengths[picked][..., np.newaxis]).astype(np.intp)
    values = table[picked[..., np.newaxis], places]
    medians: Floats = np.median(values.reshape(_RESAMPLES, -1), axis=1)
    return medians


def summarise(results: Sequence[CellResult], clock: Clock) -> Summary:
    """The row of one cell from its results, one per boot.

    Rounds and samples of several boots are pooled.  ``results`` holds at least one.
    """
    rounds = _pooled(net_rounds, results)
    raw, overhead = _pooled(raw_rounds, results), _pooled(overheads, results)
    samples = np.concatenate([net_samples(result) for result in results])
    median = float(np.median(rounds)) if len(rounds) else math.nan
    low, high = median_interval([_pooled(net_rounds, [result]) for result in results])
    messages = PER[clock][0] / median if median > 0 else math.nan
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
        ci_low=low,
        ci_high=high,
        overhead=float(overhead.mean()) if len(overhead) else math.nan,
        raw_median=float(np.median(raw)) if len(raw) else math.nan,
        messages_per_unit=messages,
        bytes_per_unit=messages * results[0].cell.size,
    )


def _pooled(figure: Callable[[CellResult], Floats], results: Sequence[CellResult]) -> Floats:
    values: Floats = np.concatenate([figure(result) for result in results])
    return values[np.flatnonzero(~np.isnan(values))]


def stream_total(results: Sequence[CellResult], key: str) -> int | None:
    """The sum of a stream's counter over rounds and boots; None for other operations."""
    counts = [result.stream[key] for result in results if key in result.stream]
    return sum(sum(count) for count in counts) if counts else None
