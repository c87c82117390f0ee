"""Whether a run's figures can be trusted: what varied, where, and the likely reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from reports.data.rounds import Floats, Rounds
from reports.data.run import OPERATIONS, Measured, Run
from reports.text import words

APART = 0.005
"""Share that boots may lie apart under ``instructions``, as the harness marks it."""
FEW = 100
"""Operations per round below which deferred work is in a round or not by chance."""
TICK = 4e6
"""Instructions between two timer ticks at 250 Hz."""
MOST = 12
"""Cells that are shown one by one."""


@dataclass(frozen=True)
class Fact:
    """A named figure of the whole run."""

    name: str
    value: str


@dataclass(frozen=True)
class Suspect:
    """A marked cell, and why it varies.

    Attributes:
        spread, width, within: in percent, as texts: of the boots' medians, of the interval,
            and of the rounds of one boot around their median.
        why: sentences.
    """

    row: Measured
    name: str
    spread: str
    width: str
    within: str
    why: str


@dataclass(frozen=True)
class Outliers:
    """Rounds of an operation by Tukey's classes."""

    operation: str
    rounds: int
    low_severe: int
    low_mild: int
    high_mild: int
    high_severe: int

    @property
    def share(self) -> str:
        """Of all its rounds."""
        beyond = self.low_severe + self.low_mild + self.high_mild + self.high_severe
        return f"{100 * beyond / self.rounds:.1f} %" if self.rounds else words.MISSING


@dataclass(frozen=True)
class Control:
    """A control cell, as texts."""

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
    found: str
    note: str


def facts(run: Run) -> tuple[Fact, ...]:
    """The run in a few figures."""
    rows = [row for row in run.rows if row.measured]
    rounds = sum(row.rounds or 0 for row in rows)
    beyond = sum(row.outliers for row in rows)
    found = [
        Fact("Measured cells", str(len(rows))),
        Fact("Boots, each with its own seed", _most(row.boots for row in rows)),
        Fact("Loads of each module per boot", _most(row.loads for row in rows)),
        Fact("Rounds", words.number(rounds)),
    ]
    if rounds:
        found.append(Fact("Rounds beyond Tukey's fences", f"{100 * beyond / rounds:.1f} %"))
    spreads = [row.spread for row in rows if row.spread is not None]
    if spreads and run.clock == "instructions":
        close = sum(spread <= APART for spread in spreads)
        told = f"{close} of {len(spreads)} ({100 * close / len(spreads):.1f} %)"
        found.append(Fact(f"Cells whose {units(run)} agree within 0.5 %", told))
    if run.clock == "time":
        wide = sum("imprecise" in row.marks.split() for row in rows)
        found.append(Fact("Cells with an interval wider than 5 %", f"{wide} of {len(rows)}"))
        found.append(Fact("Shortest round this clock can tell", _enough(run)))
    return tuple(found)


def _most(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{max(known):g}" if known else "not recorded"


def _enough(run: Run) -> str:
    told = run.environment.get("overhead")
    if not isinstance(told, dict) or "loop" not in told:
        return "not recorded"
    enough = told.get("min_round")
    if enough is None:
        return "none was found: the machine is too loud"
    return f"{words.number(float(enough) / 1000)} µs"


def units(run: Run) -> str:
    """What is repeated: boots, else loads."""
    return "boots" if any((row.boots or 0) > 1 for row in run.rows) else "loads"


def repeated(run: Run) -> bool:
    """Whether any cell was measured more than once."""
    return any((row.boots or 0) > 1 or (row.loads or 0) > 1 for row in run.rows)


def suspects(run: Run, rounds: Rounds) -> tuple[Suspect, ...]:
    """The marked cells, those that vary most first."""
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
    """How far the slowest repetition of the run lies above the quickest, in all cells alike.

    The share by which the machine itself changed; 0 where nothing was repeated.
    """
    shifts = []
    for row in run.rows:
        medians = np.asarray([float(np.median(unit)) for unit in rounds.units(row)])
        if row.measured and len(medians) > 1:
            shifts.append(np.log(medians / np.median(medians)))
    most = max((len(one) for one in shifts), default=0)
    if most < 2:
        return 0.0
    common = np.median([one for one in shifts if len(one) == most], axis=0)
    return float(np.exp(common.max() - common.min()) - 1)


def _width(row: Measured) -> float | None:
    if row.ci_low is None or row.ci_high is None or not row.median:
        return None
    return (row.ci_high - row.ci_low) / row.median


def _percent(share: float | None) -> str:
    return words.MISSING if share is None else f"{100 * share:.2g} %"


def _within(found: Sequence[Floats]) -> float | None:
    """How far half the rounds lie from the median of their own boot or load, as a share."""
    shares = [
        float(np.median(np.abs(one - np.median(one))) / np.median(one))
        for one in found
        if np.median(one) > 0
    ]
    return max(shares) if shares else None


def reasons(
    row: Measured, found: Sequence[Floats], each: str, clock: str, common: float = 0.0
) -> list[str]:
    """What in the rounds of a cell speaks for which cause; the clearest first.

    Args:
        found: its rounds, for each repetition.
        each: what is repeated, ``boots`` or ``loads``.
        common: see :func:`pace`.
    """
    told = [*_levels(row, found, each, common), *_shape(row, clock)]
    return told or ["Nothing in its rounds tells why."]


def _levels(row: Measured, found: Sequence[Floats], each: str, common: float) -> list[str]:
    """Whether boots differ as such, with all cells or alone, or their rounds as much."""
    within = _within(found)
    if within is None or len(found) < 2 or row.spread is None:
        return []
    one = each.removesuffix("s")
    if common > row.spread / 2:
        return [f"All cells moved alike between these {each}: the machine changed its pace."]
    if row.spread > 4 * within:
        return [
            f"The rounds of one {one} agree, and the {each} differ: something is settled once per "
            f"{one}, such as where memory lies or how tables are hashed."
        ]
    return [f"The rounds of one {one} differ as much as the {each} do: it is the operation itself."]


def _shape(row: Measured, clock: str) -> list[str]:
    """What the length and the operation of a round let expect."""
    told = []
    length = (row.n or 0) * (row.median or 0)
    if clock == "instructions" and length > TICK:
        told.append("Its rounds are so long that timer ticks fall into them.")
    if row.n and row.n < FEW and row.operation not in ("notify", "stream"):
        told.append(
            f"Only {row.n:.0f} operations fit into a round, so that work which the kernel defers "
            "is in it or not."
        )
    if row.operation == "notify":
        told.append("The event finds the CPU idle, and the way out of idle is not always the same.")
    if row.operation == "stream":
        told.append("Producer and reader take turns as the scheduler decides.")
    if row.rounds and row.outliers > row.rounds / 4:
        told.append(f"{row.outliers:.0f} of its {row.rounds:.0f} rounds are outliers.")
    return told


def controls(run: Run) -> tuple[Control, ...]:
    """The stock system calls that every run measures."""
    told = run.environment.get("controls")
    names = [str(one) for one in told] if isinstance(told, list) else []
    found = {
        "-".join((row.channel, row.mode, row.operation, str(row.size))): row
        for row in run.rows
        if row.measured
    }
    return tuple(
        Control(
            name=found[one].title,
            median=words.number(found[one].median),
            interval=_interval(found[one]),
            minimum=words.number(found[one].min),
            spread=_percent(found[one].spread),
        )
        for one in names
        if one in found
    )


def _interval(row: Measured) -> str:
    if row.ci_low is None or row.ci_high is None:
        return ""
    return f"{words.number(row.ci_low)} … {words.number(row.ci_high)}"


def outliers(run: Run) -> tuple[Outliers, ...]:
    """Classes by operation, and all together."""
    found = []
    for operation in (*OPERATIONS, "all"):
        rows = [row for row in run.rows if row.measured and operation in (row.operation, "all")]
        if rows:
            found.append(
                Outliers(
                    operation,
                    *(
                        int(sum(getattr(row, kind) or 0 for row in rows))
                        for kind in ("rounds", "low_severe", "low_mild", "high_mild", "high_severe")
                    ),
                )
            )
    return tuple(found)


def knobs(run: Run) -> tuple[Knob, ...]:
    """How the machine and the kernel were set, what stands badly first."""
    told = run.environment.get("knobs")
    rank = {"poor": 0, "good": 1}
    found = [
        Knob(
            name=str(one.get("name", "")),
            place=str(one.get("place", "")),
            state=str(one.get("state", "")),
            found=str(one.get("found", "")),
            note=str(one.get("warning", "")),
        )
        for one in (told if isinstance(told, list) else [])
        if isinstance(one, dict)
    ]
    return tuple(sorted(found, key=lambda knob: (rank.get(knob.state, 2), knob.name)))
