# SPDX-License-Identifier: GPL-2.0-only
"""Compare two runs cell by cell: ratios, their intervals, and verdicts.

Under ``time``, a cell of each run is first divided by the control that was measured beside its
rounds, if both runs have controls.  The speed of the machine at the time then cancels out.

Under ``time`` a cell counts as changed when the interval of its ratio lies outside ±1 %.  Under
``instructions`` the minima must differ too, by more than they differ between the boots of one run.

An interval is computed from the variation at the highest level of repetition that the cell has:
boots, else loads, else rounds.  A few boots can agree by chance, so the variance of a cell is
never taken to be lower than the typical variance of its run.  The interval is widened for the
number of cells compared (Bonferroni).  Two runs of the same configuration must show no change.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from reports.data.rounds import Rounds
from reports.data.run import KEY, OPERATIONS, Measured, Run
from reports.text import words

Floats = NDArray[np.float64]
Verdict = Literal["slower", "faster", "same", "unknown"]

MEDIAN, QUARTILE = 50.0, 25.0
"""Percentiles of the rounds: of the costs, and of the ratios to the control."""
THRESHOLD = 0.01
"""Relative difference below which a cell does not count as changed."""
UNREPEATED = 0.03
"""The same for instruction counts of a single boot and load: their spread is not known."""
TYPICAL_MIN_CELLS = 8
"""Number of repeated cells required to estimate the typical variance of a run."""
RESAMPLES = 999
NORMAL = float(stats.norm.ppf(0.975))
MARKED = (
    "kernel machine cpu_model mitigations config cmdline cpus clocksource accelerator qemu plan "
    "seed boots loads target forced"
).split()
"""Entries of environment.json whose differences are shown."""
ENVIRONMENT = frozenset(MARKED) - {"plan", "seed", "boots", "loads"}
"""Those that describe the machine and the kernel, not the plan of the run."""


class Refused(Exception):
    """The two runs cannot be compared; the message says why."""


@dataclass(frozen=True)
class Mark:
    """One difference between the two machines or plans."""

    what: str
    a: str
    b: str


@dataclass(frozen=True)
class Row:
    """One cell in both runs.

    Attributes:
        a, b: medians, in units of the clock.
        absolute: b over a.
        control_a, control_b: ratios of the cell to its control; None if a run has no controls.
        ratio: ``control_b`` over ``control_a``, else ``absolute``; above 1 is slower.
        low, high: 95 % interval of the ratio; None if there is not enough data.
        verdict: whether the cell counts as changed.
        source: data from which the interval was computed: ``boots``, ``loads``, ``rounds``,
            ``intervals`` or ``none``.
    """

    cell: Measured
    a: float
    b: float
    absolute: float
    control_a: float | None
    control_b: float | None
    ratio: float
    low: float | None
    high: float | None
    verdict: Verdict
    source: str

    @property
    def name(self) -> str:
        """Title of the cell."""
        return self.cell.title

    def to_json(self) -> dict[str, Any]:
        """The key of the cell and the numbers, as JSON values."""
        values = asdict(self)
        del values["cell"]
        return {name: getattr(self.cell, name) for name in KEY} | values


@dataclass(frozen=True)
class Mean:
    """Geometric mean of the ratios of one operation."""

    operation: str
    ratio: float
    cells: int


@dataclass(frozen=True)
class Comparison:
    """Two runs, cell by cell.

    Attributes:
        marks: recorded differences between the machines and plans.
        only_a, only_b: titles of cells that only one run measured.
        notes: sentences about limits of the comparison.
        fail_above: relative slowdown of a cell above which the comparison fails.
    """

    a: str
    b: str
    clock: str
    threshold: float
    rows: tuple[Row, ...]
    means: tuple[Mean, ...]
    marks: tuple[Mark, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    notes: tuple[str, ...] = ()
    fail_above: float | None = None

    @property
    def changed(self) -> tuple[Row, ...]:
        """Changed cells, largest change first."""
        rows = [row for row in self.rows if row.verdict in ("slower", "faster")]
        return tuple(sorted(rows, key=lambda row: -abs(math.log(row.ratio))))

    @property
    def failing(self) -> tuple[Row, ...]:
        """Cells that got slower by more than ``fail_above``."""
        if self.fail_above is None:
            return ()
        limit = 1 + self.fail_above
        return tuple(row for row in self.changed if row.verdict == "slower" and row.ratio > limit)

    @property
    def failed(self) -> bool:
        """At least one cell got slower by more than ``fail_above``."""
        return bool(self.failing)

    @property
    def has_controls(self) -> bool:
        """Whether any cell is compared by its ratio to the control."""
        return any(row.control_a is not None for row in self.rows)

    def table(self) -> list[tuple[str, ...]]:
        """Rows for a terminal: the header, the changed cells, then all other cells."""
        unit = words.clock_words(self.clock).unit
        relative = ("b / a, to control",) if self.has_controls else ()
        head = (
            "cell",
            f"a ({unit})",
            f"b ({unit})",
            "b / a",
            *relative,
            "95 % interval",
            "verdict",
        )
        rest = [row for row in self.rows if row not in self.changed]
        return [head, *(_texts(row, self.has_controls) for row in (*self.changed, *rest))]

    def to_json(self) -> dict[str, Any]:
        """The comparison as JSON values."""
        return {
            "a": self.a,
            "b": self.b,
            "clock": self.clock,
            "unit": words.clock_words(self.clock).unit,
            "threshold": self.threshold,
            "fail_above": self.fail_above,
            "failed": [row.name for row in self.failing],
            "rows": [row.to_json() for row in self.rows],
            "means": [asdict(mean) for mean in self.means],
            "marks": [asdict(mark) for mark in self.marks],
            "notes": list(self.notes),
            "only_a": list(self.only_a),
            "only_b": list(self.only_b),
        }


def _texts(row: Row, has_controls: bool) -> tuple[str, ...]:
    a, b = words.number(row.a), words.number(row.b)
    relative = (relative_text(row),) if has_controls else ()
    return row.name, a, b, f"{row.absolute:.3f}", *relative, interval_text(row), row.verdict


def relative_text(row: Row) -> str:
    """The ratio of the two ratios to the control, or a dash if a run has no controls."""
    return words.MISSING if row.control_a is None else f"{row.ratio:.3f}"


def interval_text(row: Row) -> str:
    """The interval of a ratio, or a dash if there is none."""
    if row.low is None or row.high is None:
        return words.MISSING
    return f"{row.low:.3f} … {row.high:.3f}"


def compare(
    a: Run, b: Run, threshold: float = THRESHOLD, fail_above: float | None = None
) -> Comparison:
    """Compare run ``b`` with run ``a``.

    Raises:
        Refused: the clocks differ, or no cell was measured in both runs.
    """
    if a.clock != b.clock:
        raise Refused(
            f"{a.name} was measured in {words.clock_words(a.clock).unit} and {b.name} in "
            f"{words.clock_words(b.clock).unit}. There is no ratio between the two units. Compare "
            "two runs of the same clock."
        )
    left = {row.key: row for row in a.rows if _usable(row)}
    right = {row.key: row for row in b.rows if _usable(row)}
    both = sorted(left.keys() & right.keys(), key=_order)
    if not both:
        raise Refused(
            f"{a.name} and {b.name} have no measured cell in common. Compare two runs of the "
            "same channels, operations and sizes."
        )
    sides = _sides(a, b, [left[key] for key in both], [right[key] for key in both])
    family = 0.025 / len(both)
    marks = differences(a, b)

    def rows_beyond(threshold: float) -> tuple[Row, ...]:
        pairs = ((left[key], right[key]) for key in both)
        return tuple(_row(pair, sides, a.clock, threshold, family) for pair in pairs)

    rows = rows_beyond(threshold)
    notes = list(_weaknesses(a, b))
    controls = _controls(a, rows)
    control_change = max((abs(row.ratio - 1) for row in controls), default=0.0)
    environment_differs = any(mark.what.partition(":")[0] in ENVIRONMENT for mark in marks)
    if control_change > threshold and not environment_differs:
        threshold = control_change
        rows = rows_beyond(threshold)
        notes.append(
            f"The control system calls changed by up to {100 * control_change:.1f} %, although "
            "both runs record the same machine and kernel. This is noise of the machine. Only "
            "larger differences count as changes."
        )
    elif changed := [row for row in controls if row.verdict in ("slower", "faster")]:
        changes = "; ".join(f"{row.name} {100 * (row.ratio - 1):+.1f} %" for row in changed)
        notes.append(
            f"The control system calls changed too ({changes}). The kernel, its settings or the "
            "machine differ, so the changes are not limited to the channels."
        )
    return Comparison(
        a=a.name,
        b=b.name,
        clock=a.clock,
        threshold=threshold,
        rows=rows,
        means=_means(rows),
        marks=marks,
        only_a=_only_in(left, right),
        only_b=_only_in(right, left),
        notes=tuple(notes),
        fail_above=fail_above,
    )


def _weaknesses(*runs: Run) -> Iterable[str]:
    """A sentence for each run that was measured in a single boot."""
    for run in runs:
        one_boot = max((row.boots or 0 for row in run.rows), default=0) == 1
        if one_boot and run.clock == "time":
            yield (
                f"{run.name} was measured in one boot, so its intervals do not include the "
                "variation between boots."
            )
        elif one_boot and max((row.loads or 1 for row in run.rows), default=1) == 1:
            yield (
                f"{run.name} was measured in one boot, so the spread between seeds is not known. "
                f"Only differences above {100 * UNREPEATED:g} % count as changes. Measure with "
                "--boots 3 to detect smaller ones."
            )


def _controls(run: Run, rows: Iterable[Row]) -> list[Row]:
    """The rows of the controls: stock system calls that use no channel."""
    recorded = run.environment.get("controls")
    names = {str(name) for name in recorded} if isinstance(recorded, list) else set()
    return [row for row in rows if "-".join(map(str, row.cell.key[:4])) in names]


def _usable(row: Measured) -> bool:
    return row.measured and row.median is not None and row.median > 0


def _order(key: tuple[str | int, ...]) -> tuple[Any, ...]:
    channel, mode, operation, size, *rest = key
    return channel, OPERATIONS.index(str(operation)), mode, size, *map(str, rest)


def _only_in(rows: dict[Any, Measured], others: dict[Any, Measured]) -> tuple[str, ...]:
    only = [rows[key] for key in sorted(rows.keys() - others.keys(), key=_order)]
    return tuple(row.title for row in only)


@dataclass(frozen=True)
class Side:
    """One of the two runs: its rounds, and the typical variation between its boots or loads.

    The rounds are ratios to the control if ``percentile`` is that of such ratios.

    Attributes:
        typical: variance of the logarithm of the medians of boots or loads, as the median over
            all cells; 0 if too few cells were repeated.
    """

    rounds: Rounds
    typical: float
    percentile: float = MEDIAN

    @classmethod
    def of(cls, run: Run, rows: Iterable[Measured], percentile: float = MEDIAN) -> Side:
        """Estimate the typical variance of ``run`` from the rows that are compared."""
        rounds = Rounds(run, ratios=percentile == QUARTILE)
        repeated = [_logs(units, percentile) for row in rows if len(units := rounds.units(row)) > 1]
        # The median of sample variances underestimates the variance, most of all for few units.
        variances = [
            logs.var(ddof=1) * (len(logs) - 1) / _chi2_median(len(logs)) for logs in repeated
        ]
        enough = len(variances) >= TYPICAL_MIN_CELLS
        return cls(rounds, float(np.median(variances)) if enough else 0.0, percentile)

    def error(self, row: Measured) -> tuple[float | None, int, str]:
        """Standard error of the log of the median, degrees of freedom, and its source."""
        units = self.rounds.units(row)
        if len(units) > 1:
            level = "boots" if len(self.rounds.of(row)) > 1 else "loads"
            variance = max(float(_logs(units, self.percentile).var(ddof=1)), self.typical)
            # The typical variance is estimated from many cells and treated as known.
            freedom = 1000 if self.typical else len(units) - 1
            return math.sqrt(variance / len(units)), freedom, level
        if units:
            return _bootstrap(units[0], self.percentile), 1000, "rounds"
        if self.percentile == QUARTILE or not row.ci_low or not row.ci_high or row.ci_low <= 0:
            return None, 0, "none"
        width = math.log(row.ci_high) - math.log(row.ci_low)
        return width / (2 * NORMAL), 1000, "intervals"

    def spread(self, row: Measured) -> float:
        """Largest minimum of the boots or loads over the smallest one, minus 1."""
        minima = [float(unit.min()) for unit in self.rounds.units(row)]
        if len(minima) > 1:
            return max(minima) / min(minima) - 1
        return UNREPEATED if (row.boots or 1) * (row.loads or 1) == 1 else 0.0


@dataclass(frozen=True)
class Sides:
    """Both runs by the costs of their rounds and, if both have controls, by ratios to these."""

    costs: tuple[Side, Side]
    ratios: tuple[Side, Side] | None


def _sides(a: Run, b: Run, of_a: list[Measured], of_b: list[Measured]) -> Sides:
    ratios = None
    if all(any(row.control_ratio for row in rows) for rows in (of_a, of_b)):
        ratios = Side.of(a, of_a, QUARTILE), Side.of(b, of_b, QUARTILE)
    return Sides((Side.of(a, of_a), Side.of(b, of_b)), ratios)


def _logs(units: Iterable[Floats], percentile: float) -> Floats:
    logs: Floats = np.log(np.asarray([float(_percentile(unit, percentile)) for unit in units]))
    return logs


def _chi2_median(units: int) -> float:
    """Median of the chi-squared distribution that the variance of ``units`` values follows."""
    return float(stats.chi2.median(units - 1))


def _row(
    pair: tuple[Measured, Measured],
    sides: Sides,
    clock: str,
    threshold: float,
    family: float,
) -> Row:
    a, b = pair
    assert a.median is not None, "callers pass usable rows"
    assert b.median is not None, "callers pass usable rows"
    absolute = ratio = b.median / a.median
    chosen, control_a, control_b = sides.costs, None, None
    if sides.ratios and a.control_ratio and b.control_ratio:
        chosen, control_a, control_b = sides.ratios, a.control_ratio, b.control_ratio
        ratio = control_b / control_a
    errors = [side.error(row) for side, row in zip(chosen, pair, strict=True)]
    source = min((source for _, _, source in errors), key=_SOURCES.index)
    verdict: Verdict = "unknown"
    low = high = None
    if source != "none":
        error = math.hypot(*(known for known, _, _ in errors if known is not None))
        freedom = sum(freedom for _, freedom, _ in errors)
        margin = float(stats.t.ppf(0.975, freedom)) * error
        low, high = ratio * math.exp(-margin), ratio * math.exp(margin)
        verdict = _verdict(ratio, float(stats.t.ppf(1 - family, freedom)) * error, threshold)
    if clock == "instructions" and a.min and b.min and a.min > 0 and b.min > 0:
        spread = max(threshold, *(side.spread(row) for side, row in zip(chosen, pair, strict=True)))
        of_minima = _verdict(b.min / a.min, 0.0, spread)
        verdict = of_minima if verdict in ("unknown", of_minima) else "same"
    return Row(
        a, a.median, b.median, absolute, control_a, control_b, ratio, low, high, verdict, source
    )


_SOURCES = ("none", "intervals", "rounds", "loads", "boots")
"""Sources of an interval, weakest first."""


def _verdict(ratio: float, margin: float, threshold: float) -> Verdict:
    """Whether the interval ``log(ratio)`` ± ``margin`` lies outside the threshold."""
    edge = math.log1p(threshold) + 1e-12
    if math.log(ratio) - margin > edge:
        return "slower"
    if math.log(ratio) + margin < -edge:
        return "faster"
    return "same"


def _percentile(values: Floats, percentile: float) -> Floats:
    """Percentiles along the last axis; the median has a faster function of its own."""
    if percentile == MEDIAN:
        return np.asarray(np.median(values, axis=-1))
    return np.asarray(np.percentile(values, percentile, axis=-1))


def _bootstrap(rounds: Floats, percentile: float) -> float:
    """Bootstrap standard error of the logarithm of a percentile of the rounds."""
    if (rounds == rounds[0]).all():
        return 0.0
    random = np.random.default_rng(0)
    resamples = rounds[random.integers(0, len(rounds), (RESAMPLES, len(rounds)))]
    return float(np.log(_percentile(resamples, percentile)).std(ddof=1))


def _means(rows: tuple[Row, ...]) -> tuple[Mean, ...]:
    means = []
    for operation in OPERATIONS:
        logs = [math.log(row.ratio) for row in rows if row.cell.operation == operation]
        if logs:
            means.append(Mean(operation, math.exp(sum(logs) / len(logs)), len(logs)))
    return tuple(means)


def differences(a: Run, b: Run) -> tuple[Mark, ...]:
    """Differences between the environment.json of two runs; tables are compared by entry."""
    marks: list[Mark] = []
    for name in MARKED:
        of_a, of_b = a.environment.get(name), b.environment.get(name)
        if isinstance(of_a, dict) and isinstance(of_b, dict):
            marks += _entries(name, of_a, of_b)
        elif of_a != of_b:
            marks.append(Mark(name, _text(a.environment, name), _text(b.environment, name)))
    return (*marks, *_entries("knob", _knobs(a), _knobs(b)))


def _entries(name: str, of_a: Mapping[str, Any], of_b: Mapping[str, Any]) -> list[Mark]:
    keys = sorted(key for key in {*of_a, *of_b} if of_a.get(key) != of_b.get(key))
    return [Mark(f"{name}: {key}", _text(of_a, key), _text(of_b, key)) for key in keys]


def _knobs(run: Run) -> dict[str, str]:
    """The state of each knob, without the measured values, which differ in every run."""
    knobs = run.environment.get("knobs")
    return {
        str(knob.get("name")): str(knob.get("state"))
        for knob in (knobs if isinstance(knobs, list) else [])
        if isinstance(knob, dict)
    }


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key)
    return "not recorded" if value is None else str(value)
