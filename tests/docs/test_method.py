# SPDX-License-Identifier: GPL-2.0-only
"""docs/method.md contains every rule, and all files and tests that it names exist."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.plan.cells import SEARCH
from bench.plan.factors import Factors
from bench.plan.options import RunOptions
from bench.plan.plans import PLANS, make_cells
from bench.run.campaign import Campaign
from tests.fake_target import LISTING, FakeProvisioner, FakeTarget

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/method.md").read_text()
TICK = 4_000_000  # instructions between two timer ticks at 250 Hz


@dataclass(frozen=True)
class Rule:
    """One rule of the page.

    Attributes:
        text: the sentences of the rule, without its heading.
        code: the line that names where the rule is implemented.
        tests: the line that names the tests that fail without it.
    """

    text: str
    code: str
    tests: str


HEADING = re.compile(r"^### (\w+)\. \S.*$", re.MULTILINE)


def sections() -> list[tuple[str, str]]:
    """Number or letter of each rule, and what follows its heading up to the next heading."""
    headings = list(HEADING.finditer(TEXT))
    return [
        (match[1], re.split(r"^#", TEXT[match.end() :], maxsplit=1, flags=re.MULTILINE)[0])
        for match in headings
    ]


def rules() -> dict[str, Rule]:
    """The rules by number or letter."""
    return {name: parse_rule(section) for name, section in sections()}


def parse_rule(section: str) -> Rule:
    """Split a rule into its text and its two lists, each exactly once and in this order."""
    text, *rest = re.split(r"^- (?=Code: |Tests: )", section, flags=re.MULTILINE)
    assert [part.partition(": ")[0] for part in rest] == ["Code", "Tests"], section
    return Rule(text.strip(), *(part.partition(": ")[2].strip() for part in rest))


def named() -> list[str]:
    """All text in backticks that looks like a path in this repository."""
    return sorted(set(re.findall(r"`((?:bench|modules|reports|tests|docs)/[^`\s]+)`", TEXT)))


def test_every_rule_is_there_once() -> None:
    assert [name for name, _ in sections()] == [*map(str, range(1, 17)), *"abcdefghi"]
    assert len(re.findall(r"^### ", TEXT, re.MULTILINE)) == len(rules())


@pytest.mark.parametrize("rule", rules())
def test_each_rule_names_its_code_and_a_test_or_says_why_not(rule: str) -> None:
    parts = rules()[rule]
    assert parts.text
    assert re.search(r"`(bench|modules|reports)/", parts.code), "where it is"
    assert re.search(r"`tests/[^`]+::test_", parts.tests) or re.search(
        r"Not (applicable|yet)", parts.text
    )


@pytest.mark.parametrize("name", named())
def test_what_is_named_exists(name: str) -> None:
    path, _, test = name.partition("::")
    assert list(ROOT.glob(path)), path
    if test:
        assert re.search(rf"^def {test}\(", (ROOT / path).read_text(), re.MULTILINE), name


def test_rounds_of_instructions_are_far_shorter_than_a_tick() -> None:
    """Several rounds fit between two timer ticks: see bench/agent/measure/tick_align.c."""
    assert max(plan.round_units["instructions"] for plan in PLANS.values()) <= TICK / 10


def test_every_plan_searches_the_rate_that_loses_nothing() -> None:
    for plan in PLANS.values():
        cells = make_cells(LISTING, plan, operations=["stream"])
        searched = {cell.channel for cell in cells if cell.rate == SEARCH and not cell.skip}
        assert searched == {cell.channel for cell in cells if not cell.skip}, plan.name


@pytest.mark.parametrize(
    ("axis", "values", "operation"),
    [
        ("contexts", ("process", "hardirq"), "notify"),
        ("waits", ("block", "poll", "busy"), "notify"),
        ("bursts", (4, 16), "stream"),
        ("rates", ("search", "5000"), "stream"),
        ("queues", (64, 256), "stream"),
        ("threads", (1, 2), "push"),
        ("placements", ("same-llc", "cross-socket"), "notify"),
    ],
)
def test_each_factor_is_an_axis(axis: str, values: tuple[object, ...], operation: str) -> None:
    """Each value of a factor makes its own cells, which are measured or have a reason."""
    factors = Factors.from_json({axis: values})
    cells = make_cells(LISTING, PLANS["quick"], operations=[operation], factors=factors)
    name = axis if axis == "threads" else axis.removesuffix("s")
    with_mode = [cell for cell in cells if cell.mode]
    assert {getattr(cell, name) for cell in with_mode} >= set(values)
    assert len({cell.name for cell in with_mode}) == len(with_mode)


def test_a_stream_whose_sums_do_not_come_out_has_no_number(tmp_path: Path) -> None:
    target = FakeTarget({"netlink-stream": {"lost": [1] * 11}})
    options = RunOptions(run_dir=tmp_path / "run", channels=("netlink",), operations=("stream",))
    with Campaign(options, provisioner=FakeProvisioner(target)) as campaign:
        campaign.run()
        streams = [
            r for of_cell in campaign.results.values() for r in of_cell if r.status != "skip"
        ]
    assert {result.status for result in streams} == {"fail"}
    assert all("were emitted, but" in result.reason for result in streams)


def test_both_sides_read_the_same_clock() -> None:
    """No half reads a clock that is coarser or not monotonic.

    ``clock_getres`` may name the coarse clock: it returns the resolution, not the time.
    """
    forbidden = re.compile(
        r"ktime_get_(?:coarse|real|boottime|raw|\w*fast)|CLOCK_(?:REALTIME|BOOTTIME)"
        r"|(?<!clock_getres\(CLOCK_MONOTONIC)_COARSE|local_clock\(|sched_clock\("
    )
    sources = [
        path
        for folder in ("modules", "bench/agent")
        for path in (ROOT / folder).rglob("*.[ch]")
        if "hostile" not in str(path) and forbidden.search(path.read_text())
    ]
    assert sources == []
    assert "ktime_get_ns()" in (ROOT / "modules/core/rcx_core.h").read_text()
    assert "CLOCK_MONOTONIC" in (ROOT / "bench/agent/include/channel.h").read_text()
