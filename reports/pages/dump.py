# SPDX-License-Identifier: GPL-2.0-only
"""The section on dumps: sentences, and a table of modes by number of records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.analysis import dumps
from reports.analysis.dumps import Line
from reports.pages.view import page_of
from reports.text import words


@dataclass(frozen=True)
class Amount:
    """One cell of the table, as texts: the cost of a record, and of the whole dump."""

    record: str
    whole: str
    value: float | None
    wins: bool = False


@dataclass(frozen=True)
class ModeRow:
    """One mode: what a dump costs at each length, and the parts of the fit."""

    channel: str
    mode: str
    link: str
    amounts: tuple[Amount, ...]
    fixed: str
    each: str


@dataclass(frozen=True)
class Section:
    """What the page shows about dumps."""

    sentences: tuple[str, ...]
    heads: tuple[str, ...]
    rows: tuple[ModeRow, ...]
    winners: tuple[tuple[str, str, str], ...]
    crossings: tuple[tuple[str, str, str], ...]


def section(lines: Sequence[Line], channel: str = "") -> Section | None:
    """The section of all channels, or of one; None if no dump was measured.

    Args:
        lines: those of :func:`reports.analysis.dumps.lines`.
        channel: its name, or empty.
    """
    found = tuple(line for line in lines if channel in ("", line.channel))
    if not found:
        return None
    records = dumps.lengths(found)
    claims = () if channel else dumps.claims(found)
    sentences = [] if channel else dumps.answer(found)
    return Section(
        sentences=(
            *sentences,
            *(dumps.verdict(claim) for claim in claims),
            *(() if channel else dumps.of_text(found)),
        ),
        heads=tuple(words.number(count) for count in records),
        rows=tuple(_row(line, records, found, bool(channel)) for line in found),
        winners=() if channel else tuple(_winners(found, records)),
        crossings=tuple(
            (short.name, long.name, f"{max(2, round(at)):,}")
            for short, long, at in dumps.crossings(found)
        ),
    )


def _row(line: Line, records: Sequence[int], found: Sequence[Line], alone: bool) -> ModeRow:
    fitted = len(line.costs) > 1
    return ModeRow(
        channel=line.channel,
        mode=line.mode,
        link=f"{page_of(line.channel)}#dump",
        amounts=tuple(
            _amount(line, count, not alone and dumps.winner(found, count) is line)
            for count in records
        ),
        fixed=words.number(line.fixed) if fitted else words.MISSING,
        each=words.number(line.each) if fitted else words.MISSING,
    )


def _amount(line: Line, records: int, wins: bool) -> Amount:
    per_record = line.per_record(records)
    if per_record is None:
        return Amount(words.MISSING, "", None)
    return Amount(words.number(per_record), words.number(line.costs[records]), per_record, wins)


def _winners(found: Sequence[Line], records: Sequence[int]) -> list[tuple[str, str, str]]:
    """For each length: the cheapest mode, and the cheapest that makes the table on request."""
    rows = []
    for count in records:
        first = dumps.winner(found, count)
        asked = dumps.winner([line for line in found if not line.silent], count)
        rows.append((words.number(count), _result(first, count), _result(asked, count)))
    return rows


def _result(line: Line | None, records: int) -> str:
    if line is None:
        return words.MISSING
    return f"{line.name}: {words.number(line.costs[records])}"
