"""docs/method.md has every rule, and the files and tests that it names exist."""

from __future__ import annotations

import re
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


def rules() -> dict[str, list[str]]:
    """The table cells of each rule, by its number or letter."""
    rows = {}
    for line in TEXT.splitlines():
        if rule := re.match(r"\| \*\*(\w+)\.", line):
            rows[rule[1]] = [cell.strip() for cell in line.strip("| ").split(" | ")]
    return rows


def named_paths() -> list[str]:
    """Words between backticks that look like paths of this repository."""
    return sorted(set(re.findall(r"`((?:bench|modules|reports|tests|docs)/[^`\s]+)`", TEXT)))


def test_every_rule_is_there_once() -> None:
    numbers = [word for word in rules() if word.isdigit()]
    assert numbers == [str(number) for number in range(1, 17)]
    assert len(re.findall(r"^\| \*\*\w+\.", TEXT, re.MULTILINE)) == len(rules())


@pytest.mark.parametrize("rule", rules())
def test_each_rule_names_its_code_and_a_test_or_says_why_not(rule: str) -> None:
    cells = rules()[rule]
    assert len(cells) == 3
    assert re.search(r"`(bench|modules|reports)/", cells[1]), "names its code"
    assert "tests/" in cells[2] or re.search(r"Not (applicable|yet)", cells[0])


@pytest.mark.parametrize("name", named_paths())
def test_what_is_named_exists(name: str) -> None:
    path, _, test = name.partition("::")
    assert list(ROOT.glob(path)), path
    if test:
        assert re.search(rf"^def {test}\(", (ROOT / path).read_text(), re.MULTILINE), name


def test_rounds_of_instructions_are_far_shorter_than_a_tick() -> None:
    """Several rounds must fit between two ticks; see bench/agent/measure/tick_align.c."""
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
    ],
)
def test_each_factor_is_an_axis(axis: str, values: tuple[object, ...], operation: str) -> None:
    """Each value makes its own cells, measured or skipped with a reason."""
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
            r for results in campaign.results.values() for r in results if r.status != "skip"
        ]
    assert {result.status for result in streams} == {"fail"}
    assert all("were emitted, but" in result.reason for result in streams)


def test_both_sides_read_the_same_clock() -> None:
    """Neither half takes timestamps from a clock that is coarser, or not monotonic.

    Reading the resolution of such a clock is allowed.
    """
    other_clocks = re.compile(
        r"ktime_get_(?:coarse|real|boottime|raw|\w*fast)|CLOCK_(?:REALTIME|BOOTTIME)"
        r"|(?<!clock_getres\(CLOCK_MONOTONIC)_COARSE|local_clock\(|sched_clock\("
    )
    sources = [
        path
        for folder in ("modules", "bench/agent")
        for path in (ROOT / folder).rglob("*.[ch]")
        if "hostile" not in str(path) and other_clocks.search(path.read_text())
    ]
    assert sources == []
    assert "ktime_get_ns()" in (ROOT / "modules/core/rcx_core.h").read_text()
    assert "CLOCK_MONOTONIC" in (ROOT / "bench/agent/include/channel.h").read_text()
