# SPDX-License-Identifier: GPL-2.0-only
"""Show several runs side by side, one section per clock."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from string import ascii_uppercase

from reports.analysis import selection
from reports.analysis.compare import THRESHOLD, Mark, Refused, compare, differences
from reports.data import call_trees
from reports.data.call_trees import Xrays
from reports.data.run import OPERATIONS, Measured, Run
from reports.figures import cost
from reports.figures.movement import Track, movement
from reports.pages import reasons, view
from reports.pages.comparison import render_comparison
from reports.pages.run_report import render_run
from reports.pages.template import write
from reports.text import words
from reports.text.words import ClockWords


@dataclass(frozen=True)
class Side:
    """One of several runs.

    Attributes:
        letter: its name on the page.
        label: what distinguishes it from the others.
        xrays: its call trees; None if it has none.
        link: to its report.
    """

    letter: str
    label: str
    run: Run
    xrays: Xrays | None
    link: str
    processor: str
    plan: str
    clock: ClockWords


@dataclass(frozen=True)
class Number:
    """One run's number in a row of the table; ``ratio`` is relative to the first run."""

    text: str
    value: float | None
    ratio: str
    verdict: str
    title: str


@dataclass(frozen=True)
class Line:
    """One channel's operation in every run of a clock.

    Attributes:
        mode: mode and size of the cell that represents the channel.
        moved: largest ratio between two of the runs, as a logarithm, for sorting.
        tree_mode: the mode of the call trees in ``why``; empty if no run has them.
        why: what changed in the call trees from run to run.
        alone: a sentence if the call trees do not cost what the cell costs.
    """

    channel: str
    operation: str
    mode: str
    numbers: tuple[Number, ...]
    moved: float
    tree_mode: str
    why: tuple[reasons.Step, ...]
    alone: str


@dataclass(frozen=True)
class Pair:
    """The comparison of a run with the one before it.

    Attributes:
        title: the two runs.
        link: the page of the comparison.
        summary: what changed, as a sentence.
        marks: recorded differences between the two machines and plans.
        cause: introduces ``causes``, the functions that changed in most operations.
    """

    title: str
    link: str
    summary: str
    marks: tuple[Mark, ...]
    cause: str
    causes: tuple[reasons.Function, ...]


@dataclass(frozen=True)
class Group:
    """The runs of one clock."""

    name: str
    clock: ClockWords
    sides: tuple[Side, ...]
    lines: tuple[Line, ...]
    figures: tuple[cost.Figure, ...]
    pairs: tuple[Pair, ...]


def render_several(runs: Sequence[Run], out: Path, modules: Path) -> Path:
    """Write the page that shows the runs side by side, and the report of each run.

    Returns:
        The path of the page.
    """
    out.mkdir(parents=True, exist_ok=True)
    sides = _sides(runs)
    for side in sides:
        render_run(side.run, out / side.letter.lower(), modules)
    clocks = list(dict.fromkeys(run.clock for run in runs))
    page = out / "index.html"
    write(
        page,
        "several.html.j2",
        sides=sides,
        groups=[_group([s for s in sides if s.run.clock == clock], out) for clock in clocks],
        banners=[f"Run {side.letter}: {text}" for side in sides if (text := view.banner(side.run))],
    )
    return page


def _sides(runs: Sequence[Run]) -> list[Side]:
    labels = _labels(runs)
    return [
        _side(letter, label, run)
        for letter, label, run in zip(_letters(len(runs)), labels, runs, strict=True)
    ]


def _letters(count: int) -> list[str]:
    return [ascii_uppercase[i] if i < 26 else f"R{i + 1}" for i in range(count)]


def _labels(runs: Sequence[Run]) -> list[str]:
    """The kernel of each run, and the kernel parameters that not all runs have."""
    parameters = [_parameters(run) for run in runs]
    common = set(parameters[0]).intersection(*parameters[1:])
    return [
        " ".join([_kernel(run), *(word for word in words_of_run if word not in common)])
        for run, words_of_run in zip(runs, parameters, strict=True)
    ]


def _parameters(run: Run) -> list[str]:
    """The kernel parameters of a run, without those of the harness for its agent."""
    words_of_run = str(run.environment.get("cmdline") or "").split()
    return [word for word in words_of_run if not word.startswith("RINGCROSS_")]


def _kernel(run: Run) -> str:
    return str(run.environment.get("kernel") or "not recorded")


def _side(letter: str, label: str, run: Run) -> Side:
    env = run.environment
    return Side(
        letter=letter,
        label=label,
        run=run,
        xrays=call_trees.load(run),
        link=f"{letter.lower()}/index.html",
        processor=str(env.get("cpu_model") or "not recorded"),
        plan=str(env.get("plan") or "not recorded"),
        clock=words.clock_words(run.clock),
    )


def _group(sides: list[Side], out: Path) -> Group:
    name = sides[0].run.clock or "unknown"
    labels = [f"{side.letter}: {side.label.split('-')[0]}" for side in sides]
    representatives = list(_representatives(sides))
    moved = movement(f"moved-{name}", labels, _tracks(representatives))
    against_size = cost.cost_of_several([(side.letter, side.run) for side in sides])
    return Group(
        name=name,
        clock=sides[0].clock,
        sides=tuple(sides),
        lines=tuple(_lines(sides, representatives)),
        figures=tuple(figure for figure in (moved, against_size) if figure),
        pairs=tuple(_pair(before, after, out) for before, after in pairwise(sides)),
    )


def _pair(before: Side, after: Side, out: Path) -> Pair:
    """Compare a run with the one before it; the comparison gets a page of its own."""
    title = f"{before.letter} → {after.letter}: {before.label} → {after.label}"
    folder = f"{before.letter}-{after.letter}".lower()
    causes = reasons.causes(before.xrays, after.xrays)
    try:
        comparison = compare(before.run, after.run)
    except Refused as error:
        return Pair(title, "", str(error), differences(before.run, after.run), *causes)
    render_comparison(comparison, out / folder)
    slower = sum(row.verdict == "slower" for row in comparison.rows)
    faster = sum(row.verdict == "faster" for row in comparison.rows)
    means = words.listed([f"{m.operation} {m.ratio:.3f}×" for m in comparison.means])
    summary = (
        f"{slower} of {len(comparison.rows)} cells became more expensive and {faster} cheaper. "
        f"Geometric means: {means}."
    )
    return Pair(title, f"{folder}/index.html", summary, comparison.marks, *causes)


@dataclass(frozen=True)
class Representative:
    """The cell that represents an operation of a channel, and its row in every run."""

    lead: Measured
    rows: list[Measured | None]


def _representatives(sides: list[Side]) -> Iterator[Representative]:
    """One for each channel and operation."""
    by_key = [{row.key: row for row in side.run.rows} for side in sides]
    names = list(dict.fromkeys(c.name for side in sides for c in selection.ordered(side.run)))
    for name in names:
        for operation in OPERATIONS:
            rows = [selection.best(list(side.run.of(name, operation))) for side in sides]
            lead = next((row for row in rows if row), None)
            if lead:
                yield Representative(lead, [rows_of_run.get(lead.key) for rows_of_run in by_key])


def _medians(rows: list[Measured | None]) -> list[float]:
    return [row.median for row in rows if row and row.measured and row.median]


def _tracks(representatives: list[Representative]) -> list[Track]:
    """What the figure draws: the cells that every run measured."""
    tracks = []
    for it in representatives:
        medians = _medians(it.rows)
        if len(medians) == len(it.rows):
            tracks.append(Track(it.lead.channel, it.lead.operation, tuple(medians)))
    return tracks


def _lines(sides: list[Side], representatives: list[Representative]) -> list[Line]:
    """A line per channel and operation, those that moved most first."""
    lines = [_line(sides, it.lead, it.rows) for it in representatives]
    return sorted(lines, key=lambda line: -line.moved)


def _line(sides: list[Side], lead: Measured, rows: list[Measured | None]) -> Line:
    base = rows[0].median if rows[0] and rows[0].measured else None
    medians = _medians(rows)
    moved = math.log(max(medians) / min(medians)) if medians else 0.0
    xrays = [side.xrays for side in sides]
    tree_mode = _tree_mode(xrays, lead)
    of_tree = (lead.channel, tree_mode, lead.operation)
    return Line(
        channel=lead.channel,
        operation=lead.operation,
        mode=f"{lead.mode}, {words.size(lead.size)}",
        numbers=tuple(_number(row, base) for row in rows),
        moved=moved,
        tree_mode=tree_mode,
        why=reasons.steps([(side.letter, side.xrays) for side in sides], *of_tree),
        alone=reasons.alone(xrays, [row.median if row else None for row in rows], *of_tree),
    )


def _number(row: Measured | None, base: float | None) -> Number:
    if row is None:
        return Number(words.MISSING, None, "", "", "This run did not measure this cell.")
    if not row.measured or not row.median:
        return Number(words.MISSING, None, "", "", words.sentence(row.reason))
    ratio = row.median / base if base else None
    verdict = ""
    if ratio:
        verdict = "worse" if ratio > 1 + THRESHOLD else "better" if ratio < 1 - THRESHOLD else ""
    return Number(
        text=words.number(row.median),
        value=row.median,
        ratio=words.ratio(ratio) if ratio else "",
        verdict=verdict,
        title="",
    )


def _tree_mode(xrays: list[Xrays | None], lead: Measured) -> str:
    """The mode whose call trees explain a line: its own, else one that has trees, else none."""
    modes = [
        xray.mode
        for run in xrays
        for xray in (run.operations if run else ())
        if (xray.channel, xray.operation) == (lead.channel, lead.operation) and xray.tree
    ]
    return lead.mode if lead.mode in modes else next(iter(modes), "")
