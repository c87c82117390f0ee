"""Compare two runs cell by cell: ratios with intervals, and what counts as a change.

Under ``time`` a change counts when its interval lies outside ±1 %.  Under ``instructions``
the smallest rounds must differ too, by more than they differ between the boots of one run.

What decides is how much a cell varies at the highest level it was repeated at: boots, else
loads, else rounds.  Few boots can agree by chance, so a cell is never trusted to vary less than
is usual in its run; and the interval is widened for the number of cells compared (Bonferroni).
A run compared with its like must find nothing.
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

THRESHOLD = 0.01
"""Share below which nothing counts as a change."""
UNREPEATED = 0.03
"""The same for counted instructions of one boot and load, whose spread over seeds is not known."""
USUAL = 8
"""Repeated cells from which what is usual in a run can be told."""
RESAMPLES = 999
NORMAL = float(stats.norm.ppf(0.975))
MARKED = (
    "kernel machine cpu_model mitigations config cmdline clocksource accelerator qemu plan "
    "seed boots loads target forced"
).split()
"""Entries of environment.json that two runs should share."""
PLACE = frozenset(MARKED) - {"plan", "seed", "boots", "loads"}
"""Those that make two places or kernels of them, and not only two runs."""


class Refused(Exception):
    """Two runs that cannot be compared; the message says why."""


@dataclass(frozen=True)
class Mark:
    """Something that differs between the two machines or plans."""

    what: str
    a: str
    b: str


@dataclass(frozen=True)
class Row:
    """One cell in both runs.

    Attributes:
        a, b: medians, in units of the clock.
        ratio: b over a; above 1 is slower.
        low, high: 95 % interval of the ratio; None where it cannot be told.
        verdict: whether it counts as a change.
        source: what the interval was made from: ``boots``, ``loads``, ``rounds``,
            ``intervals`` or ``none``.
    """

    cell: Measured
    a: float
    b: float
    ratio: float
    low: float | None
    high: float | None
    verdict: Verdict
    source: str

    @property
    def name(self) -> str:
        """What was measured, in one line."""
        return self.cell.title

    def to_json(self) -> dict[str, Any]:
        """For programs: what was measured, and the figures as numbers."""
        values = asdict(self)
        del values["cell"]
        return {name: getattr(self.cell, name) for name in KEY} | values


@dataclass(frozen=True)
class Mean:
    """The geometric mean of the ratios of an operation."""

    operation: str
    ratio: float
    cells: int


@dataclass(frozen=True)
class Comparison:
    """Two runs, cell by cell.

    Attributes:
        marks: what differs between the runs besides their numbers.
        only_a, only_b: cells that one run alone has a number for.
        notes: what weakens the comparison, in sentences.
        fail_above: share by which a cell may get slower before this counts as failed.
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
        """Cells whose change counts, the largest first."""
        rows = [row for row in self.rows if row.verdict in ("slower", "faster")]
        return tuple(sorted(rows, key=lambda row: -abs(math.log(row.ratio))))

    @property
    def failing(self) -> tuple[Row, ...]:
        """Cells that got slower by more than ``fail_above``."""
        if self.fail_above is None:
            return ()
        most = 1 + self.fail_above
        return tuple(row for row in self.changed if row.verdict == "slower" and row.ratio > most)

    @property
    def failed(self) -> bool:
        """Some cell got slower than is allowed."""
        return bool(self.failing)

    def table(self) -> list[tuple[str, ...]]:
        """Rows for a terminal, a heading first; changes lead, the rest follows in order."""
        unit = words.clock_words(self.clock).unit
        head = ("cell", f"a ({unit})", f"b ({unit})", "b / a", "95 % interval", "verdict")
        rest = [row for row in self.rows if row not in self.changed]
        return [head, *(_texts(row) for row in (*self.changed, *rest))]

    def to_json(self) -> dict[str, Any]:
        """For programs."""
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


def _texts(row: Row) -> tuple[str, ...]:
    a, b = words.number(row.a), words.number(row.b)
    return row.name, a, b, f"{row.ratio:.3f}", interval_text(row), row.verdict


def interval_text(row: Row) -> str:
    """The interval of a ratio, or that there is none."""
    if row.low is None or row.high is None:
        return words.MISSING
    return f"{row.low:.3f} … {row.high:.3f}"


def compare(
    a: Run, b: Run, threshold: float = THRESHOLD, fail_above: float | None = None
) -> Comparison:
    """Compare run ``b`` with run ``a``.

    Raises:
        Refused: the clocks differ, or no cell was measured in both.
    """
    if a.clock != b.clock:
        raise Refused(
            f"{a.name} counts {words.clock_words(a.clock).unit}, {b.name} "
            f"{words.clock_words(b.clock).unit}: there is no ratio between the two; "
            "compare runs of one clock."
        )
    left = {row.key: row for row in a.rows if _usable(row)}
    right = {row.key: row for row in b.rows if _usable(row)}
    both = sorted(left.keys() & right.keys(), key=_place)
    if not both:
        raise Refused(f"{a.name} and {b.name} have no measured cell in common.")
    sides = Side.of(a, [left[key] for key in both]), Side.of(b, [right[key] for key in both])
    family = 0.025 / len(both)
    marks = differences(a, b)

    def rows_beyond(threshold: float) -> tuple[Row, ...]:
        pairs = ((left[key], right[key]) for key in both)
        return tuple(_row(pair, sides, a.clock, threshold, family) for pair in pairs)

    rows = rows_beyond(threshold)
    notes = list(_weaknesses(a, b))
    controls = _controls(a, rows)
    drift = max((abs(row.ratio - 1) for row in controls), default=0.0)
    if drift > threshold and not any(mark.what.partition(":")[0] in PLACE for mark in marks):
        threshold = drift
        rows = rows_beyond(threshold)
        notes.append(
            f"Nothing recorded differs but stock system calls moved by {100 * drift:.1f} %, which "
            "is the machine's own unrest: a change counts beyond that alone."
        )
    elif changed := [row for row in controls if row.verdict in ("slower", "faster")]:
        moved = "; ".join(f"{row.name} {100 * (row.ratio - 1):+.1f} %" for row in changed)
        notes.append(
            f"Stock system calls changed too ({moved}): what differs is the kernel, its settings "
            "or the machine as such, and not the channels alone."
        )
    return Comparison(
        a=a.name,
        b=b.name,
        clock=a.clock,
        threshold=threshold,
        rows=rows,
        means=_means(rows),
        marks=marks,
        only_a=_names(left, right),
        only_b=_names(right, left),
        notes=tuple(notes),
        fail_above=fail_above,
    )


def _weaknesses(*runs: Run) -> Iterable[str]:
    """Why a run says little about how it would differ from its own repetition."""
    for run in runs:
        once = max((row.boots or 0 for row in run.rows), default=0) == 1
        if once and run.clock == "time":
            yield (
                f"{run.name} is of one boot, so what varies between boots is not in its intervals."
            )
        elif once and max((row.loads or 1 for row in run.rows), default=1) == 1:
            yield (
                f"{run.name} is of one boot, so how far seeds spread is not known: a change "
                f"counts from {100 * UNREPEATED:g} % on; --boots 3 tells finer ones."
            )


def _controls(run: Run, rows: Iterable[Row]) -> list[Row]:
    """The stock system calls among the rows, which no channel is part of."""
    told = run.environment.get("controls")
    names = {str(one) for one in told} if isinstance(told, list) else set()
    return [row for row in rows if "-".join(map(str, row.cell.key[:4])) in names]


def _usable(row: Measured) -> bool:
    return row.measured and row.median is not None and row.median > 0


def _place(key: tuple[str | int, ...]) -> tuple[Any, ...]:
    channel, mode, operation, size, *rest = key
    return channel, OPERATIONS.index(str(operation)), mode, size, *map(str, rest)


def _names(some: dict[Any, Measured], other: dict[Any, Measured]) -> tuple[str, ...]:
    rows = [some[key] for key in sorted(some.keys() - other.keys(), key=_place)]
    return tuple(row.title for row in rows)


@dataclass(frozen=True)
class Side:
    """One of the two runs: its rounds, and how much its cells usually vary between units.

    Attributes:
        usual: variance of the logarithm of a unit's median, in the middle of all cells; 0 where
            too few were repeated to tell.
    """

    rounds: Rounds
    usual: float

    @classmethod
    def of(cls, run: Run, rows: Iterable[Measured]) -> Side:
        """The run, and what is usual among the rows that are compared."""
        rounds = Rounds(run)
        found = [_logs(units) for row in rows if len(units := rounds.units(row)) > 1]
        # The median of sample variances lies below what they estimate, the more so for few.
        variances = [logs.var(ddof=1) * (len(logs) - 1) / _middle(len(logs)) for logs in found]
        return cls(rounds, float(np.median(variances)) if len(variances) >= USUAL else 0.0)

    def error(self, row: Measured) -> tuple[float | None, int, str]:
        """Standard error of the log of the median, degrees of freedom, and its source."""
        units = self.rounds.units(row)
        if len(units) > 1:
            level = "boots" if len(self.rounds.of(row)) > 1 else "loads"
            variance = max(float(_logs(units).var(ddof=1)), self.usual)
            # What many cells say is as good as known.
            freedom = 1000 if self.usual else len(units) - 1
            return math.sqrt(variance / len(units)), freedom, level
        if units:
            return _bootstrap(units[0]), 1000, "rounds"
        if not row.ci_low or not row.ci_high or row.ci_low <= 0:
            return None, 0, "none"
        width = math.log(row.ci_high) - math.log(row.ci_low)
        return width / (2 * NORMAL), 1000, "intervals"

    def spread(self, row: Measured) -> float:
        """How far the smallest rounds of its units lie apart, as a share."""
        smallest = [float(unit.min()) for unit in self.rounds.units(row)]
        if len(smallest) > 1:
            return max(smallest) / min(smallest) - 1
        return UNREPEATED if (row.boots or 1) * (row.loads or 1) == 1 else 0.0


def _logs(units: Iterable[Floats]) -> Floats:
    logs: Floats = np.log(np.asarray([float(np.median(unit)) for unit in units]))
    return logs


def _middle(units: int) -> float:
    """Median of the chi-squared distribution that the variance of so many units follows."""
    return float(stats.chi2.median(units - 1))


def _row(
    pair: tuple[Measured, Measured],
    sides: tuple[Side, Side],
    clock: str,
    threshold: float,
    family: float,
) -> Row:
    a, b = pair
    assert a.median is not None, "only usable rows come here"
    assert b.median is not None, "only usable rows come here"
    ratio = b.median / a.median
    errors = [side.error(row) for side, row in zip(sides, pair, strict=True)]
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
        spread = max(threshold, *(side.spread(row) for side, row in zip(sides, pair, strict=True)))
        floor = _verdict(b.min / a.min, 0.0, spread)
        verdict = floor if verdict in ("unknown", floor) else "same"
    return Row(a, a.median, b.median, ratio, low, high, verdict, source)


_SOURCES = ("none", "intervals", "rounds", "loads", "boots")
"""What an interval can be made from, the weakest first."""


def _verdict(ratio: float, margin: float, threshold: float) -> Verdict:
    """Whether a ratio with its margin, in logarithms, lies beyond the threshold."""
    edge = math.log1p(threshold) + 1e-12
    if math.log(ratio) - margin > edge:
        return "slower"
    if math.log(ratio) + margin < -edge:
        return "faster"
    return "same"


def _bootstrap(rounds: Floats) -> float:
    """Standard error of the log of the median of rounds that are drawn again."""
    if (rounds == rounds[0]).all():
        return 0.0
    random = np.random.default_rng(0)
    drawn = rounds[random.integers(0, len(rounds), (RESAMPLES, len(rounds)))]
    return float(np.log(np.median(drawn, axis=1)).std(ddof=1))


def _means(rows: tuple[Row, ...]) -> tuple[Mean, ...]:
    found = []
    for operation in OPERATIONS:
        logs = [math.log(row.ratio) for row in rows if row.cell.operation == operation]
        if logs:
            found.append(Mean(operation, math.exp(sum(logs) / len(logs)), len(logs)))
    return tuple(found)


def differences(a: Run, b: Run) -> tuple[Mark, ...]:
    """What environment.json says differently of the two runs; tables entry by entry."""
    found: list[Mark] = []
    for name in MARKED:
        one, two = a.environment.get(name), b.environment.get(name)
        if isinstance(one, dict) and isinstance(two, dict):
            found += _entries(name, one, two)
        elif one != two:
            found.append(Mark(name, _told(a.environment, name), _told(b.environment, name)))
    return (*found, *_entries("knob", _knobs(a), _knobs(b)))


def _entries(name: str, one: Mapping[str, Any], two: Mapping[str, Any]) -> list[Mark]:
    keys = sorted(key for key in {*one, *two} if one.get(key) != two.get(key))
    return [Mark(f"{name}: {key}", _told(one, key), _told(two, key)) for key in keys]


def _knobs(run: Run) -> dict[str, str]:
    """How the knobs stood, without the amounts that are never twice the same."""
    told = run.environment.get("knobs")
    return {
        str(one.get("name")): str(one.get("state"))
        for one in (told if isinstance(told, list) else [])
        if isinstance(one, dict)
    }


def _told(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key)
    return "not recorded" if value is None else str(value)
