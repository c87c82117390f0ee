# SPDX-License-Identifier: GPL-2.0-only
"""Show several runs side by side, one section per clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase

from reports.analysis import selection
from reports.analysis.compare import Mark, differences
from reports.data.run import OPERATIONS, Run
from reports.figures import cost
from reports.pages import view
from reports.pages.run_report import render_run
from reports.pages.template import write
from reports.text import words
from reports.text.words import ClockWords


@dataclass(frozen=True)
class Side:
    """One of several runs: its letter, the link to its report, and its machine."""

    letter: str
    run: Run
    link: str
    kernel: str
    processor: str
    plan: str
    clock: ClockWords


@dataclass(frozen=True)
class Number:
    """One run's number in a row of the table."""

    text: str
    ratio: str
    title: str


@dataclass(frozen=True)
class Line:
    """One channel's operation in every run of a clock."""

    channel: str
    operation: str
    numbers: tuple[Number, ...]


@dataclass(frozen=True)
class Group:
    """The runs of one clock."""

    name: str
    clock: ClockWords
    sides: tuple[Side, ...]
    lines: tuple[Line, ...]
    figure: cost.Figure | None
    marks: tuple[tuple[Side, tuple[Mark, ...]], ...]


def render_several(runs: Sequence[Run], out: Path, modules: Path) -> Path:
    """Write the page that shows the runs side by side, and the report of each run.

    Returns:
        The path of the page.
    """
    out.mkdir(parents=True, exist_ok=True)
    sides = [_side(letter, run) for letter, run in zip(_letters(len(runs)), runs, strict=True)]
    for side in sides:
        render_run(side.run, out / side.letter.lower(), modules)
    clocks = list(dict.fromkeys(run.clock for run in runs))
    page = out / "index.html"
    write(
        page,
        "several.html.j2",
        sides=sides,
        groups=[_group([side for side in sides if side.run.clock == clock]) for clock in clocks],
        banners=[f"Run {side.letter}: {text}" for side in sides if (text := view.banner(side.run))],
    )
    return page


def _letters(count: int) -> list[str]:
    return [ascii_uppercase[i] if i < 26 else f"R{i + 1}" for i in range(count)]


def _side(letter: str, run: Run) -> Side:
    env = run.environment
    return Side(
        letter=letter,
        run=run,
        link=f"{letter.lower()}/index.html",
        kernel=str(env.get("kernel") or "not recorded"),
        processor=str(env.get("cpu_model") or "not recorded"),
        plan=str(env.get("plan") or "not recorded"),
        clock=words.clock_words(run.clock),
    )


def _group(sides: list[Side]) -> Group:
    first = sides[0]
    return Group(
        name=first.run.clock or "unknown",
        clock=first.clock,
        sides=tuple(sides),
        lines=tuple(_lines(sides)),
        figure=cost.cost_of_several([(side.letter, side.run) for side in sides]),
        marks=tuple((side, differences(first.run, side.run)) for side in sides[1:]),
    )


def _lines(sides: list[Side]) -> list[Line]:
    """The medians of each channel and operation, in the cell that represents the first run."""
    names = list(dict.fromkeys(c.name for side in sides for c in selection.ordered(side.run)))
    lines = []
    for name in names:
        for operation in OPERATIONS:
            rows = [selection.best(list(side.run.of(name, operation))) for side in sides]
            lead = next((row for row in rows if row), None)
            if not lead:
                continue
            in_all = [
                next((row for row in side.run.rows if row.key == lead.key and row.measured), None)
                for side in sides
            ]
            base = in_all[0].median if in_all[0] else None
            numbers = tuple(
                Number(
                    text=words.number(row.median if row else None),
                    ratio=words.ratio(row.median / base)
                    if at and row and row.median and base
                    else "",
                    title=f"{lead.mode}, {words.size(lead.size)}",
                )
                for at, row in enumerate(in_all)
            )
            lines.append(Line(name, operation, numbers))
    return lines
