"""Compare two runs cell by cell: ratios with intervals, and what counts as a change.

Under ``time`` a change counts when its interval lies outside the threshold.
Under ``instructions`` the smallest rounds must differ too, by more than they
differ between the boots of one run.  The interval that decides is widened for
the number of cells compared (Bonferroni), so that a run compared with its like
finds nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from reports import words
from reports.load import OPERATIONS, Measured, Run

Floats = NDArray[np.float64]
Verdict = Literal["slower", "faster", "same", "unknown"]

RESAMPLES = 999
NORMAL = float(stats.norm.ppf(0.975))
MARKED = (
    "kernel machine cpu_model mitigations config cmdline clocksource accelerator qemu plan "
    "target forced"
).split()
"""Entries of environment.json that two runs should share."""


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
        ratio: b over a; above 1 is slower.
        low, high: 95 % interval of the ratio; None where it cannot be told.
        verdict: whether it counts as a change.
        source: what the interval was made from: ``rounds``, ``intervals`` or ``none``.
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
        """Channel, mode, operation and size in one line."""
        cell = self.cell
        return f"{cell.channel} {cell.mode} {cell.operation} {words.size(cell.size)}"


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


def _texts(row: Row) -> tuple[str, ...]:
    a, b = words.number(row.a), words.number(row.b)
    return row.name, a, b, f"{row.ratio:.3f}", interval_text(row), row.verdict


def interval_text(row: Row) -> str:
    """The interval of a ratio, or that there is none."""
    if row.low is None or row.high is None:
        return words.MISSING
    return f"{row.low:.3f} … {row.high:.3f}"


def compare(a: Run, b: Run, threshold: float = 0.01, fail_above: float | None = None) -> Comparison:
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
    rounds = _rounds(a), _rounds(b)
    family = float(stats.norm.ppf(1 - 0.025 / len(both)))
    rows = tuple(_row(left[key], right[key], rounds, a.clock, threshold, family) for key in both)
    return Comparison(
        a=a.name,
        b=b.name,
        clock=a.clock,
        threshold=threshold,
        rows=rows,
        means=_means(rows),
        marks=differences(a, b),
        only_a=_names(left, right),
        only_b=_names(right, left),
        notes=tuple(note for run in (a, b) if (note := _weakness(run))),
        fail_above=fail_above,
    )


def _weakness(run: Run) -> str:
    """Why a run says little about how it would differ from its own repetition."""
    if run.clock == "time" and max((row.boots or 0 for row in run.rows), default=0) == 1:
        return f"{run.name} is of one boot, so what varies between boots is not in its intervals."
    return ""


def _usable(row: Measured) -> bool:
    return row.measured and row.median is not None and row.median > 0


def _place(key: tuple[str | int, ...]) -> tuple[Any, ...]:
    channel, mode, operation, size, *rest = key
    return channel, OPERATIONS.index(str(operation)), mode, size, *map(str, rest)


def _names(some: dict[Any, Measured], other: dict[Any, Measured]) -> tuple[str, ...]:
    rows = [some[key] for key in sorted(some.keys() - other.keys(), key=_place)]
    return tuple(f"{row.channel} {row.mode} {row.operation} {words.size(row.size)}" for row in rows)


Rounds = dict[tuple[Any, ...], list[Floats]]


def _rounds(run: Run) -> Rounds:
    """Rounds of each cell, one array a boot; empty where the run did not keep them."""
    frame = run.rounds
    if frame is None:
        return {}
    names = ["channel", "mode", "operation", "size"]
    found: Rounds = {}
    by = [*names, "boot"] if "boot" in frame else names
    for key, group in frame.groupby(by, sort=True):
        values = group["value"].to_numpy(dtype=float)
        if "overhead" in group:
            values = values - np.nan_to_num(group["overhead"].to_numpy(dtype=float))
        values = values[np.isfinite(values) & (values > 0)]
        if len(values):
            found.setdefault(tuple(key)[: len(names)], []).append(values)
    return found


def _row(
    a: Measured,
    b: Measured,
    rounds: tuple[Rounds, Rounds],
    clock: str,
    threshold: float,
    family: float,
) -> Row:
    assert a.median is not None, "only usable rows come here"
    assert b.median is not None, "only usable rows come here"
    key = (a.channel, a.mode, a.operation, a.size)
    boots_a, boots_b = rounds[0].get(key, []), rounds[1].get(key, [])
    ratio = b.median / a.median
    error, source = _error(a, b, boots_a, boots_b)
    verdict: Verdict = "unknown"
    low = high = None
    if error is not None:
        low, high = ratio * math.exp(-NORMAL * error), ratio * math.exp(NORMAL * error)
        verdict = _verdict(ratio, family * error, threshold)
    if clock == "instructions" and a.min and b.min and a.min > 0 and b.min > 0:
        spread = max(threshold, _spread(boots_a), _spread(boots_b))
        floor = _verdict(b.min / a.min, 0.0, spread)
        verdict = floor if verdict in ("unknown", floor) else "same"
    return Row(a, a.median, b.median, ratio, low, high, verdict, source)


def _verdict(ratio: float, margin: float, threshold: float) -> Verdict:
    """Whether a ratio with its margin, in logarithms, lies beyond the threshold."""
    edge = math.log1p(threshold) + 1e-12
    if math.log(ratio) - margin > edge:
        return "slower"
    if math.log(ratio) + margin < -edge:
        return "faster"
    return "same"


def _error(
    a: Measured, b: Measured, boots_a: list[Floats], boots_b: list[Floats]
) -> tuple[float | None, str]:
    """Standard error of the logarithm of the ratio, and what it was made from."""
    if boots_a and boots_b:
        return math.hypot(_bootstrap(boots_a), _bootstrap(boots_b)), "rounds"
    widths = []
    for row in (a, b):
        if not row.ci_low or not row.ci_high or row.ci_low <= 0:
            return None, "none"
        widths.append((math.log(row.ci_high) - math.log(row.ci_low)) / (2 * NORMAL))
    return math.hypot(*widths), "intervals"


def _bootstrap(boots: list[Floats]) -> float:
    """Standard error of the log of the median: boots are drawn, then rounds within them."""
    random = np.random.default_rng(0)
    if all((boot == boots[0][0]).all() for boot in boots):
        return 0.0
    medians = np.stack(
        [
            np.median(boot[random.integers(0, len(boot), (RESAMPLES, len(boot)))], axis=1)
            for boot in boots
        ]
    )
    drawn = random.integers(0, len(boots), (RESAMPLES, len(boots)))
    means = medians[drawn, np.arange(RESAMPLES)[:, None]].mean(axis=1)
    few = len(boots) / (len(boots) - 1) if len(boots) > 1 else 1.0
    return float(np.log(means).std(ddof=1)) * math.sqrt(few)


def _spread(boots: list[Floats]) -> float:
    """How far the smallest rounds of a run's boots lie apart, as a share."""
    smallest = [float(boot.min()) for boot in boots]
    return max(smallest) / min(smallest) - 1 if smallest else 0.0


def _means(rows: tuple[Row, ...]) -> tuple[Mean, ...]:
    found = []
    for operation in OPERATIONS:
        logs = [math.log(row.ratio) for row in rows if row.cell.operation == operation]
        if logs:
            found.append(Mean(operation, math.exp(sum(logs) / len(logs)), len(logs)))
    return tuple(found)


def differences(a: Run, b: Run) -> tuple[Mark, ...]:
    """What environment.json says differently of the two runs."""
    found: list[Mark] = []
    for name in MARKED:
        one, two = a.environment.get(name), b.environment.get(name)
        if one == two:
            continue
        if isinstance(one, dict) and isinstance(two, dict):
            keys = sorted(key for key in {*one, *two} if one.get(key) != two.get(key))
            found += [Mark(f"{name}: {key}", _told(one, key), _told(two, key)) for key in keys]
        else:
            found.append(Mark(name, _told(a.environment, name), _told(b.environment, name)))
    return tuple(found)


def _told(table: dict[str, Any], key: str) -> str:
    value = table.get(key)
    return "not recorded" if value is None else str(value)


@dataclass(frozen=True)
class Drawn:
    """A row with its places on the forest plot, in percent of its width."""

    row: Row
    point: float
    left: float
    width: float
    interval: str
    counts: bool


def _drawn(comparison: Comparison) -> tuple[list[Drawn], list[tuple[float, str]]]:
    """Rows and ticks of the forest plot, on one logarithmic scale around 1."""
    reach = max(
        [math.log(1.1)]
        + [
            abs(math.log(edge))
            for row in comparison.rows
            for edge in (row.ratio, row.low, row.high)
            if edge
        ]
    )
    reach = min(reach * 1.05, math.log(20))

    def place(ratio: float) -> float:
        return round(min(100.0, max(0.0, 50 + 50 * math.log(ratio) / reach)), 2)

    drawn = []
    rest = [row for row in comparison.rows if row not in comparison.changed]
    for row in (*comparison.changed, *rest):
        left, right = place(row.low or row.ratio), place(row.high or row.ratio)
        counts = row.verdict in ("slower", "faster")
        drawn.append(
            Drawn(row, place(row.ratio), left, round(right - left, 2), interval_text(row), counts)
        )
    most = math.exp(reach)
    steps = [step for step in (1.02, 1.05, 1.1, 1.2, 1.5, 2, 5, 10) if step < most]
    top = steps[-1] if steps else 1.0
    ticks = [(place(1 / top), f"{1 / top:.2g}×"), (50.0, "1×"), (place(top), f"{top:.2g}×")]
    return drawn, ticks


def render_comparison(comparison: Comparison, out: Path) -> Path:
    """Write the comparison's page into the folder ``out`` and return it."""
    from reports.pages import write

    out.mkdir(parents=True, exist_ok=True)
    drawn, ticks = _drawn(comparison)
    page = out / "index.html"
    forced = any(mark.what == "forced" for mark in comparison.marks)
    write(
        page,
        "compare.html.j2",
        comparison=comparison,
        clock=words.clock_words(comparison.clock),
        drawn=drawn,
        ticks=ticks,
        banners=["One of the two runs took its times under emulation, by force."] if forced else [],
    )
    return page
