# SPDX-License-Identifier: GPL-2.0-only
"""Diagnostics of a run: which cells varied, by how much, and the likely cause."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from reports.data.rounds import Floats, Rounds
from reports.data.run import OPERATIONS, Measured, Run
from reports.text import words

DIFFERS = 0.005
"""Spread of the boots above which the harness marks a cell ``differs`` under ``instructions``."""
FEW = 100
"""Operations per round below which a round contains deferred work only by chance."""
TICK = 4e6
"""Instructions between two timer ticks at 250 Hz."""
MOST = 12
"""Number of cells that get a figure of their own."""


@dataclass(frozen=True)
class Fact:
    """A named value of the whole run."""

    name: str
    value: str


@dataclass(frozen=True)
class Suspect:
    """A marked cell and the likely causes of its variation.

    Attributes:
        spread: of the medians of the boots, in percent, as text.
        width: of the interval, in percent of the figure, as text; see :func:`_width`.
        within: distance of half the rounds of one boot from their median, in percent, as text.
        why: the causes, as sentences.
    """

    row: Measured
    name: str
    spread: str
    width: str
    within: str
    why: str


@dataclass(frozen=True)
class Outliers:
    """Numbers of rounds of an operation by Tukey's classes of outliers."""

    operation: str
    rounds: int
    low_severe: int
    low_mild: int
    high_mild: int
    high_severe: int

    @property
    def share(self) -> str:
        """Share of the outliers in all rounds of the operation, as text."""
        outliers = self.low_severe + self.low_mild + self.high_mild + self.high_severe
        return f"{100 * outliers / self.rounds:.1f} %" if self.rounds else words.MISSING


@dataclass(frozen=True)
class Control:
    """A control and its results, as texts."""

    name: str
    median: str
    interval: str
    minimum: str
    spread: str


@dataclass(frozen=True)
class Knob:
    """A knob of the machine as the run found it."""

    name: str
    place: str
    state: str
    value: str
    note: str


def facts(run: Run) -> tuple[Fact, ...]:
    """The run in a few figures."""
    rows = [row for row in run.rows if row.measured]
    rounds = sum(row.rounds or 0 for row in rows)
    outside = sum(row.outliers for row in rows)
    listed = [
        Fact("Measured cells", str(len(rows))),
        Fact("Boots, each with its own seed", _most(row.boots for row in rows)),
        Fact("Loads of each module per boot", _most(row.loads for row in rows)),
        Fact("Rounds", words.number(rounds)),
    ]
    if rounds:
        listed.append(Fact("Rounds that are outliers", f"{100 * outside / rounds:.1f} %"))
    spreads = [row.spread for row in rows if row.spread is not None]
    if spreads and run.clock == "instructions":
        close = sum(spread <= DIFFERS for spread in spreads)
        count = f"{close} of {len(spreads)} ({100 * close / len(spreads):.1f} %)"
        listed.append(Fact(f"Cells whose {units(run)} agree within 0.5 %", count))
    if run.clock == "time":
        imprecise = sum("imprecise" in row.marks.split() for row in rows)
        listed.append(Fact("Cells with an interval wider than 5 %", f"{imprecise} of {len(rows)}"))
        if (pace := _recorded_pace(run)) is not None:
            listed.append(Fact("Change of the machine's speed during the run", _percent(pace)))
        listed.append(Fact("Shortest round that this clock can measure", _min_round(run)))
    return tuple(listed)


def _most(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{max(known):g}" if known else "not recorded"


def _recorded_pace(run: Run) -> float | None:
    """How much the control rounds changed during the run, as a share; None if not recorded."""
    noise = run.environment.get("noise")
    pace = noise.get("pace") if isinstance(noise, dict) else None
    return float(pace) if isinstance(pace, int | float) else None


def _min_round(run: Run) -> str:
    overhead = run.environment.get("overhead")
    if not isinstance(overhead, dict) or "loop" not in overhead:
        return "not recorded"
    min_round = overhead.get("min_round")
    if min_round is None:
        return "none found, because the machine is too noisy"
    return f"{words.number(float(min_round))} {words.clock_words(run.clock).unit}"


def units(run: Run) -> str:
    """The name of the highest level of repetition: ``boots``, else ``loads``."""
    return "boots" if any((row.boots or 0) > 1 for row in run.rows) else "loads"


def repeated(run: Run) -> bool:
    """Whether any cell was measured in more than one boot or load."""
    return any((row.boots or 0) > 1 or (row.loads or 0) > 1 for row in run.rows)


def suspects(run: Run, rounds: Rounds) -> tuple[Suspect, ...]:
    """The marked cells, largest variation first."""
    rows = [row for row in run.rows if row.measured and row.marks]
    rows.sort(key=lambda row: -max(row.spread or 0.0, _width(row) or 0.0))
    each, common = units(run), pace(run, rounds)
    return tuple(
        Suspect(
            row=row,
            name=row.title,
            spread=_percent(row.spread),
            width=_percent(_width(row)),
            within=_percent(_within(rounds.units(row))),
            why=" ".join(reasons(row, rounds.units(row), each, run.clock, common)),
        )
        for row in rows
    )


def pace(run: Run, rounds: Rounds) -> float:
    """Slowest over fastest repetition of the run, minus 1, as the median over all cells.

    This is the change of the machine itself.  It is 0 if no cell was repeated.
    """
    shifts = []
    for row in run.rows:
        medians = np.asarray([float(np.median(unit)) for unit in rounds.units(row)])
        if row.measured and len(medians) > 1:
            shifts.append(np.log(medians / np.median(medians)))
    repetitions = max((len(shift) for shift in shifts), default=0)
    if repetitions < 2:
        return 0.0
    common = np.median([shift for shift in shifts if len(shift) == repetitions], axis=0)
    return float(np.exp(common.max() - common.min()) - 1)


def _width(row: Measured) -> float | None:
    """Width of the interval of the ratio to the control round, else of that of the median."""
    if row.control_ratio and row.control_ratio_low and row.control_ratio_high:
        return (row.control_ratio_high - row.control_ratio_low) / row.control_ratio
    if row.ci_low is None or row.ci_high is None or not row.median:
        return None
    return (row.ci_high - row.ci_low) / row.median


def _percent(share: float | None) -> str:
    return words.MISSING if share is None else f"{100 * share:.2g} %"


def _within(repetitions: Sequence[Floats]) -> float | None:
    """Median distance of rounds from the median of their repetition, as a share; the largest."""
    shares = [
        float(np.median(np.abs(rounds - np.median(rounds))) / np.median(rounds))
        for rounds in repetitions
        if np.median(rounds) > 0
    ]
    return max(shares) if shares else None


def reasons(
    row: Measured, repetitions: Sequence[Floats], level: str, clock: str, common: float = 0.0
) -> list[str]:
    """Likely causes of the variation of a cell, as sentences; the best supported first.

    Args:
        repetitions: the rounds of the cell, one array per boot or load.
        level: ``boots`` or ``loads``.
        common: see :func:`pace`.
    """
    causes = [*_levels(row, repetitions, level, common), *_shape(row, clock)]
    return causes or ["The rounds show no cause."]


def _levels(row: Measured, repetitions: Sequence[Floats], level: str, common: float) -> list[str]:
    """Whether the variation comes from the machine, from the boots or from the operation."""
    within = _within(repetitions)
    if within is None or len(repetitions) < 2 or row.spread is None:
        return []
    unit = level.removesuffix("s")
    if common > row.spread / 2:
        return [f"All cells changed alike between these {level}: the speed of the machine changed."]
    if row.spread > 4 * within:
        return [
            f"The rounds of each {unit} agree, but the {level} differ. The cause is fixed once per "
            f"{unit}, such as the layout of memory or the hashing of tables."
        ]
    return [
        f"The rounds within one {unit} differ as much as the {level} do. The operation itself "
        "varies."
    ]


def _shape(row: Measured, clock: str) -> list[str]:
    """Causes that follow from the operation and the length of its rounds."""
    causes = []
    length = (row.n or 0) * (row.median or 0)
    if clock == "instructions" and length > TICK:
        causes.append("Its rounds are so long that they contain timer ticks.")
    if row.n and row.n < FEW and row.operation not in ("notify", "stream", "upcall"):
        causes.append(
            f"Only {row.n:.0f} operations fit into a round, so some rounds contain work that the "
            "kernel defers and others do not."
        )
    if row.operation == "notify":
        causes.append("The event wakes an idle CPU, and the path out of idle varies.")
    if row.operation == "stream":
        causes.append("The scheduler decides when producer and reader run.")
    if row.rounds and row.outliers > row.rounds / 4:
        causes.append(f"{row.outliers:.0f} of its {row.rounds:.0f} rounds are outliers.")
    return causes


def controls(run: Run) -> tuple[Control, ...]:
    """The controls of the run: stock system calls that every run measures."""
    recorded = run.environment.get("controls")
    names = [str(name) for name in recorded] if isinstance(recorded, list) else []
    measured = {
        "-".join((row.channel, row.mode, row.operation, str(row.size))): row
        for row in run.rows
        if row.measured
    }
    return tuple(
        Control(
            name=measured[name].title,
            median=words.number(measured[name].median),
            interval=_interval(measured[name]),
            minimum=words.number(measured[name].min),
            spread=_percent(measured[name].spread),
        )
        for name in names
        if name in measured
    )


def _interval(row: Measured) -> str:
    if row.ci_low is None or row.ci_high is None:
        return ""
    return f"{words.number(row.ci_low)} … {words.number(row.ci_high)}"


def outliers(run: Run) -> tuple[Outliers, ...]:
    """Outliers by operation, and for all operations together."""
    classes = []
    for operation in (*OPERATIONS, "all"):
        rows = [row for row in run.rows if row.measured and operation in (row.operation, "all")]
        if rows:
            classes.append(
                Outliers(
                    operation,
                    *(
                        int(sum(getattr(row, kind) or 0 for row in rows))
                        for kind in ("rounds", "low_severe", "low_mild", "high_mild", "high_severe")
                    ),
                )
            )
    return tuple(classes)


def knobs(run: Run) -> tuple[Knob, ...]:
    """The settings of the machine and the kernel, problems first."""
    recorded = run.environment.get("knobs")
    rank = {"poor": 0, "good": 1}
    settings = [
        Knob(
            name=str(knob.get("name", "")),
            place=str(knob.get("place", "")),
            state=str(knob.get("state", "")),
            value=str(knob.get("found", "")),
            note=str(knob.get("warning", "")),
        )
        for knob in (recorded if isinstance(recorded, list) else [])
        if isinstance(knob, dict)
    ]
    return tuple(sorted(settings, key=lambda knob: (rank.get(knob.state, 2), knob.name)))
