# SPDX-License-Identifier: GPL-2.0-only
"""Dumps: the fit, the winners, the crossing, and what people quote."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reports.analysis import dumps
from reports.analysis.dumps import Line
from reports.data.run import Channel, Measured, Run, load_run
from reports.figures import dump as figures
from reports.pages import dump as page
from reports.pages.render import render
from reports.text.excluded import WORDS

LENGTHS = (1, 16, 256, 4096)


def line(channel: str, mode: str, fixed: float, each: float, silent: bool = False) -> Line:
    costs = {count: fixed + each * count for count in LENGTHS}
    return Line(channel, mode, costs, *dumps.fit(costs), silent)


CHEAP_START = line("seqfile", "text", 1000, 500)
CHEAP_RECORD = line("netlink", "unicast", 10_000, 50)
THERE = line("mmap", "table", 20, 10, silent=True)


@pytest.mark.parametrize(("fixed", "each"), [(1000, 500), (10_000, 50), (0, 7), (300, 0)])
def test_the_fit_finds_both_parts(fixed: float, each: float) -> None:
    found = dumps.fit({count: fixed + each * count for count in LENGTHS})
    assert found == pytest.approx((fixed, each), abs=1e-6)


def test_short_and_long_tables_count_alike_in_the_fit() -> None:
    """A percent of the longest dump is more than the whole fixed cost."""
    costs = {count: 1000.0 + 500 * count for count in LENGTHS}
    fixed, each = dumps.fit(costs | {4096: costs[4096] * 1.01})
    assert fixed == pytest.approx(1000, rel=0.02)
    assert each == pytest.approx(500, rel=0.02)


def test_a_fit_of_one_length() -> None:
    assert dumps.fit({16: 160.0}) == (0.0, 10.0)
    assert dumps.fit({}) == (0.0, 0.0)


def test_the_crossing() -> None:
    assert dumps.crossing(CHEAP_START, CHEAP_RECORD) == pytest.approx(20)
    assert dumps.crossing(CHEAP_RECORD, CHEAP_START) == pytest.approx(20)
    assert dumps.crossing(CHEAP_RECORD, line("x", "y", 20_000, 60)) is None, "always cheaper"


def test_only_pairs_that_differ_and_swap_within_the_lengths_cross() -> None:
    alike = line("x", "alike", 9_900, 50.5)
    never = line("x", "never", 900_000, 49)
    found = dumps.crossings([CHEAP_START, CHEAP_RECORD, alike, never])
    assert [(one.name, other.name, round(at)) for one, other, at in found] == [
        ("seqfile (text)", "x (alike)", 20),
        ("seqfile (text)", "netlink (unicast)", 20),
        ("seqfile (text)", "x (never)", 1993),
    ]


def test_the_share_of_the_text() -> None:
    (sentence,) = dumps.of_text([CHEAP_START, line("seqfile", "records", 900, 25)])
    assert "text is 95 % of a record in seqfile (text)" in sentence
    assert "costs 25.0 per record instead of 500" in sentence
    assert not dumps.of_text([CHEAP_START])


def test_the_answer_names_the_crossing_and_says_why() -> None:
    first, why = dumps.answer([CHEAP_RECORD, CHEAP_START])
    assert first == (
        "The cheapest dump is seqfile (text) up to 16 records and netlink (unicast) from 256 "
        "records on."
    )
    assert "The order for one record can differ from that for many" in why
    assert "seqfile (text) has 1,000 and 500" in why
    assert "netlink (unicast) has 10,000 and 50" in why
    assert "fewer than about 20 records" in why
    assert "10 times as expensive for very many" in why


def test_a_table_that_is_there_is_named_apart() -> None:
    there, first, *_ = dumps.answer([THERE, CHEAP_RECORD, CHEAP_START])
    assert there.startswith("Without any system call: mmap (table).")
    assert first.startswith("The cheapest dump of those that make the table on request is seqfile")


def test_without_a_crossing_one_is_the_cheapest_everywhere() -> None:
    assert dumps.answer([CHEAP_START, line("sysfs", "reopen", 2000, 9000)]) == [
        "The cheapest dump is seqfile (text) at every measured length."
    ]


def test_what_people_quote_is_compared_with_what_was_measured() -> None:
    (claim,) = dumps.claims([CHEAP_RECORD, CHEAP_START])
    assert claim.ratios[1] == pytest.approx(1500 / 10_050)
    verdict = dumps.verdict(claim)
    assert verdict.startswith("It is often said that “netlink is 66 times faster than /proc”.")
    assert "0.149 at 1, 0.833 at 16, 5.66 at 256 and 9.54 at 4,096" in verdict
    assert not dumps.claims([CHEAP_RECORD]), "nothing to compare with"


# ---- in a run ---------------------------------------------------------------------------


def declared(name: str, modes: dict[str, list[str]]) -> Channel:
    listed = [
        {
            "name": mode,
            "summary": mode,
            "operations": {"dump": {"min": 64, "max": 64, "excludes": w}},
        }
        for mode, w in modes.items()
    ]
    return Channel(name, name, modes=tuple(listed))


def with_dumps(run: Run) -> Run:
    """The run with four dumps of three lines."""
    more = [
        Measured(
            one.channel, one.mode, "dump", 64, records=count, median=cost,
            factors=f"records{count}", messages_per_unit=1e6 / cost, bytes_per_unit=64e6 / cost,
            excluded=(WORDS["call"],) if one is THERE else (),
        )
        for one in (CHEAP_START, CHEAP_RECORD, THERE)
        for count, cost in one.costs.items()
    ]  # fmt: skip
    channels = [channel for channel in run.channels if channel.name not in ("netlink", "mmap")]
    channels += [
        declared("seqfile", {"text": []}),
        declared("netlink", {"unicast": []}),
        declared("mmap", {"table": ["call"]}),
    ]
    return replace(run, rows=(*run.rows, *more), channels=tuple(channels))


@pytest.fixture
def run(build_run: Callable[..., Path]) -> Run:
    return with_dumps(load_run(build_run()))


def test_lines_of_a_run(run: Run) -> None:
    lines = dumps.lines(run)
    assert [one.name for one in lines] == ["mmap (table)", "netlink (unicast)", "seqfile (text)"]
    assert [one.silent for one in lines] == [True, False, False], "as the listing declares"
    assert lines[1].costs == CHEAP_RECORD.costs


def test_the_section_of_all_channels(run: Run) -> None:
    section = page.section(dumps.lines(run))
    assert section is not None
    assert section.heads == ("1", "16", "256", "4,096")
    assert [row[2] for row in section.winners] == [
        "seqfile (text): 1,500",
        "seqfile (text): 9,000",
        "netlink (unicast): 22,800",
        "netlink (unicast): 214,800",
    ]
    assert all(row[1].startswith("mmap (table)") for row in section.winners)
    rows = {row.channel: row for row in section.rows}
    assert [amount.record for amount in rows["seqfile"].amounts] == ["1,500", "562", "504", "500"]
    assert rows["seqfile"].amounts[3].whole == "2.05 M"
    assert (rows["netlink"].fixed, rows["netlink"].each) == ("10,000", "50")


def test_the_section_of_one_channel_has_no_winner(run: Run) -> None:
    section = page.section(dumps.lines(run), "netlink")
    assert section is not None
    assert not section.winners
    assert not section.sentences
    assert not any(amount.wins for row in section.rows for amount in row.amounts)


def test_a_run_without_dumps_has_no_section(build_run: Callable[..., Path], tmp_path: Path) -> None:
    run = load_run(build_run())
    assert page.section(dumps.lines(run)) is None
    assert figures.figure(run, dumps.lines(run)) is None
    assert 'id="dumps"' not in render([run.path], tmp_path / "out").read_text()


def test_the_figure_has_a_line_per_mode(run: Run) -> None:
    figure = figures.figure(run, dumps.lines(run))
    assert figure is not None
    assert [name for name, _ in figure.legend] == ["mmap", "netlink", "seqfile"]
    (plot,) = figure.plots
    assert plot.count('class="series"') >= 3
    assert "netlink (unicast) 52.4" in plot


def test_figures_against_size_leave_dumps_out(run: Run) -> None:
    from reports.analysis import selection

    assert "dump" in selection.used(run)
    assert "dump" not in selection.sized(run)
    best: Any = selection.best([row for row in run.rows if row.operation == "dump"])
    assert best.records == 1, "the shortest table represents a channel"
