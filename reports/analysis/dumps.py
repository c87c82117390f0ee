# SPDX-License-Identifier: GPL-2.0-only
"""Dumps of a table: what a dump and a record cost, and from which length on which channel wins."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from scipy import optimize

from reports.data.run import Run
from reports.text import words
from reports.text.excluded import WORDS

TEXT = ("seqfile", "text")
"""The channel and mode of the usual file in /proc: seq_file, with numbers as text."""
BINARY = ("seqfile", "records")
"""The same with binary records."""
ALIKE = 0.02
"""Costs that differ by at most this share are not compared."""
QUOTED = (
    ("netlink", "unicast", "netlink is 66 times faster than /proc"),
    ("bpfiter", "map", "a BPF iterator is 100 times faster than /proc"),
)
"""Statements that go around without a source: which mode is said to be faster than :data:`TEXT`."""


@dataclass(frozen=True)
class Line:
    """The dumps of one mode.

    Attributes:
        channel, mode: whose dumps they are.
        costs: units per dump, by the number of records.
        fixed: units that a dump costs without any record, from a fit; 0 with one length only.
        each: units that each record adds, from the same fit.
        silent: a dump makes no system call, because the table is already there.
    """

    channel: str
    mode: str
    costs: dict[int, float]
    fixed: float = 0.0
    each: float = 0.0
    silent: bool = False

    @property
    def name(self) -> str:
        """The channel, with the mode in parentheses."""
        return f"{self.channel} ({self.mode})"

    def per_record(self, records: int) -> float | None:
        """Units per record of a dump of that many records; None if it was not measured."""
        return self.costs[records] / records if records in self.costs else None


def lines(run: Run) -> tuple[Line, ...]:
    """The dumps of each mode, in the order of their cost per record at the greatest length."""
    rows = sorted(
        (row for row in run.rows if row.operation == "dump" and row.measured and row.records),
        key=lambda row: (row.channel, row.mode, row.records),
    )
    found = []
    for (channel, mode), group in groupby(rows, key=lambda row: (row.channel, row.mode)):
        of_mode = list(group)
        costs = {row.records: float(row.median or 0.0) for row in of_mode}
        silent = any(WORDS["call"] in row.excluded for row in of_mode)
        found.append(Line(channel, mode, costs, *fit(costs), silent))
    return tuple(sorted(found, key=lambda line: line.costs[max(line.costs)] / max(line.costs)))


def fit(costs: dict[int, float]) -> tuple[float, float]:
    """The fixed cost of a dump, and the cost of each record.

    Both minimise the squares of the relative errors, so that short tables count as much as long
    ones, and neither is negative. With one length only, the whole cost is the records'.
    """
    points = {records: cost for records, cost in costs.items() if cost > 0}
    if not points:
        return 0.0, 0.0
    if len(points) == 1:
        ((records, cost),) = points.items()
        return 0.0, cost / records
    weights = np.array([[1 / cost, records / cost] for records, cost in points.items()])
    (fixed, each), _ = optimize.nnls(weights, np.ones(len(points)))
    return float(fixed), float(each)


def lengths(found: Iterable[Line]) -> list[int]:
    """The measured numbers of records."""
    return sorted({records for line in found for records in line.costs})


def winner(found: Iterable[Line], records: int) -> Line | None:
    """The line whose dump of that many records is the cheapest."""
    there = [line for line in found if records in line.costs]
    return min(there, key=lambda line: line.costs[records], default=None)


def crossing(one: Line, other: Line) -> float | None:
    """From how many records on the line that was more expensive is the cheaper one, by the fits.

    None if the one with the lower fixed cost also has the lower cost per record.
    """
    fixed, each = other.fixed - one.fixed, one.each - other.each
    return fixed / each if fixed * each > 0 else None


def crossings(found: Sequence[Line]) -> list[tuple[Line, Line, float]]:
    """Each pair whose order changes within the measured lengths, from short to long tables.

    The first of a pair is cheaper up to that number of records, and the second from there on.
    """
    fitted = [line for line in found if len(line.costs) > 1]
    pairs = [
        (one, other, at)
        for one in fitted
        for other in fitted
        if one.fixed < other.fixed * (1 - ALIKE)
        and other.each < one.each * (1 - ALIKE)
        and (at := crossing(one, other)) is not None
        and 1 < at <= min(max(one.costs), max(other.costs))
    ]
    return sorted(pairs, key=lambda pair: (pair[2], pair[0].name, pair[1].name))


# ---- sentences -------------------------------------------------------------------------


def answer(found: Sequence[Line]) -> list[str]:
    """Which line wins at which length, in sentences."""
    asked = [line for line in found if not line.silent]
    sentences = []
    silent = [line.name for line in found if line.silent]
    if silent:
        sentences.append(
            f"Without any system call: {words.listed(silent)}. The table is already there, so a "
            "record costs only its reading. The cost of keeping the table up to date is not "
            "included."
        )
    runs = _winners(asked)
    if runs:
        of = "of those that make the table on request " if silent else ""
        sentences.append(f"The cheapest dump {of}is {_intervals(runs)}.")
    sentences += _opposite(asked)
    return sentences


def _winners(found: Sequence[Line]) -> list[tuple[Line, list[int]]]:
    """Each winner with the lengths at which it wins one after another."""
    runs: list[tuple[Line, list[int]]] = []
    for records in lengths(found):
        best = winner(found, records)
        assert best is not None
        if runs and runs[-1][0] == best:
            runs[-1][1].append(records)
        else:
            runs.append((best, [records]))
    return runs


def _intervals(runs: Sequence[tuple[Line, list[int]]]) -> str:
    """``a up to 16 records, and b from 256 records on``."""
    if len(runs) == 1:
        return f"{runs[0][0].name} at every measured length"
    parts = []
    for at, (line, records) in enumerate(runs):
        first, last = words.number(records[0]), words.number(records[-1])
        if not at:
            parts.append(f"{line.name} up to {last} record{_s(records[-1])}")
        elif at == len(runs) - 1:
            parts.append(f"{line.name} from {first} records on")
        elif first == last:
            parts.append(f"{line.name} at {first} records")
        else:
            parts.append(f"{line.name} from {first} to {last} records")
    return words.listed(parts)


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _opposite(found: Sequence[Line]) -> list[str]:
    """Why the order of one record is not that of many."""
    swaps = crossings(found)
    if not swaps:
        return []
    one, other, at = max(swaps, key=lambda swap: swap[0].each / swap[1].each)
    return [
        "The order for one record can differ from that for many: a dump costs a fixed amount and "
        f"an amount per record. {one.name} has {words.number(one.fixed)} and "
        f"{words.number(one.each)}, "
        f"{other.name} has {words.number(other.fixed)} and {words.number(other.each)}. So "
        f"{one.name} is cheaper for fewer than about {max(2, round(at)):,} records, and "
        f"{words.ratio(one.each / other.each).rstrip('×')} times as expensive for very many."
    ]


def of_text(found: Sequence[Line]) -> list[str]:
    """How much of a record of :data:`TEXT` is the text, in one sentence."""
    by_name = {(line.channel, line.mode): line for line in found}
    text, binary = by_name.get(TEXT), by_name.get(BINARY)
    if text is None or binary is None or not 0 < binary.each < text.each:
        return []
    share = 100 * (1 - binary.each / text.each)
    return [
        f"Printing and parsing the text is {share:.0f} % of a record in {text.name}: the same "
        f"iterator without text, {binary.name}, costs {words.number(binary.each)} per record "
        f"instead of {words.number(text.each)}."
    ]


@dataclass(frozen=True)
class Claim:
    """A ratio that people quote, and what was measured: by number of records, for whole dumps."""

    text: str
    slow: Line
    fast: Line
    ratios: dict[int, float]


def claims(found: Sequence[Line]) -> tuple[Claim, ...]:
    """The quoted ratios that this run can check."""
    by_name = {(line.channel, line.mode): line for line in found}
    slow = by_name.get(TEXT)
    if slow is None:
        return ()
    checked = []
    for channel, mode, text in QUOTED:
        fast = by_name.get((channel, mode))
        if fast is not None:
            common = sorted(set(slow.costs) & set(fast.costs))
            ratios = {records: slow.costs[records] / fast.costs[records] for records in common}
            checked.append(Claim(text, slow, fast, ratios))
    return tuple(checked)


def verdict(claim: Claim) -> str:
    """What was measured of a claim, in one sentence."""
    measured = words.listed(
        [
            f"{words.ratio(ratio).rstrip('×')} at {words.number(records)}"
            for records, ratio in claim.ratios.items()
        ]
    )
    return (
        f"It is often said that “{claim.text}”. Here, the cost of a dump by {claim.slow.name} "
        f"divided by that of one by {claim.fast.name} is, by number of records: {measured}."
    )
