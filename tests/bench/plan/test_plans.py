# SPDX-License-Identifier: GPL-2.0-only
"""The cells of a plan, their order, and the requests for them."""

from __future__ import annotations

import pytest

from bench.commands.run import run
from bench.errors import UsageError
from bench.plan.cells import OPERATIONS
from bench.plan.plans import PLANS, find_plan, make_cells, parse_size, request, schedule
from tests.fake_target import LISTING

QUICK = PLANS["quick"]


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("8", 8),
        ("4k", 4096),
        ("4K", 4096),
        ("1M", 1 << 20),
        ("64 kB", 65536),
        ("2KiB", 2048),
        (" 1 ", 1),
    ],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "k", "-1", "1.5k", "0", "2M", "1G", "8 9", "0x10"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_size(text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"channels": ["netlnk"]}, "Did you mean netlink.*Known: null, netlink, signal"),
        ({"operations": ["pulll"]}, "Did you mean pull.*Known: push, pull"),
        ({"channels": ["zzz"]}, r"There is no channel 'zzz'\. Known"),
    ],
)
def test_unknown_names_get_what_exists(arguments: dict[str, list[str]], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make_cells(LISTING, QUICK, **arguments)  # type: ignore[arg-type]


def test_an_unknown_plan_gets_what_exists() -> None:
    with pytest.raises(UsageError, match=r"Did you mean quick\? Known: quick, standard, full"):
        find_plan("quik")


def test_plans_are_as_documented() -> None:
    assert PLANS["quick"].sizes == (8, 2048)
    assert PLANS["standard"].sizes == (8, 2048, 16384, 131072)
    assert PLANS["full"].sizes[0] == 8
    assert PLANS["full"].sizes[-1] == 1 << 20
    assert [plan.rounds["instructions"] for plan in PLANS.values()] == [11, 15, 51]
    assert [plan.loads["instructions"] for plan in PLANS.values()] == [1, 1, 3]


def test_the_help_says_what_the_plans_contain() -> None:
    text = " ".join((run.help or "").split())
    for plan in PLANS.values():
        sizes, rounds = len(plan.sizes), plan.rounds["instructions"]
        assert f"{plan.name} ({sizes} sizes, {rounds} rounds" in text


def test_in_time_rounds_are_short_and_spread_over_several_loads() -> None:
    """As often interrupted as not, a round of a millisecond says little on a busy machine."""
    for plan in PLANS.values():
        assert plan.round_units["time"] <= 100_000
        assert plan.loads["time"] >= 4
        for operation in OPERATIONS:
            assert plan.rounds_of(operation, "time") * plan.loads["time"] >= 30
            assert plan.rounds_of(operation, "instructions") == plan.rounds["instructions"]


def test_only_requests_of_time_have_control_rounds() -> None:
    cell = make_cells(LISTING, QUICK)[0]
    assert request(cell, 0, QUICK, "time")["control_units"] == 20_000
    assert "control_units" not in request(cell, 0, QUICK, "instructions")


def test_a_narrow_operation_has_its_one_size() -> None:
    cells = make_cells(LISTING, QUICK, channels=["signal"], operations=["notify"])
    assert [(cell.size, cell.skip) for cell in cells] == [(4, "")]


def test_too_large_is_skipped_with_the_limit() -> None:
    cells = make_cells(LISTING, QUICK, channels=["netlink"], operations=["call"])
    assert [(cell.size, cell.skip) for cell in cells] == [
        (8, ""),
        (2048, "One skb."),
    ]


def test_what_no_mode_has_is_one_skip_with_its_reason() -> None:
    cells = make_cells(LISTING, QUICK, channels=["netlink"], operations=["pull"])
    assert [(c.mode, c.size, c.skip) for c in cells] == [("", 0, "A socket has no pull.")]


def test_named_channels_are_exactly_those() -> None:
    assert {c.channel for c in make_cells(LISTING, QUICK)} == {"null", "netlink", "signal"}
    assert {c.channel for c in make_cells(LISTING, QUICK, channels=["signal"])} == {"signal"}


def test_sizes_asked_for_replace_the_plans() -> None:
    cells = make_cells(LISTING, QUICK, channels=["netlink"], operations=["push"], sizes=[64, 8])
    assert [cell.size for cell in cells] == [8, 64]


def test_every_cell_is_unique() -> None:
    cells = make_cells(LISTING, PLANS["full"])
    assert len(cells) == len(set(cells)) == len({cell.name for cell in cells})


def test_a_schedule_is_a_permutation_that_its_seed_decides() -> None:
    cells = make_cells(LISTING, PLANS["standard"])
    order = schedule(cells, 1)
    assert order == schedule(cells, 1)
    assert order != schedule(cells, 2)
    assert sorted(order) == sorted((cell, 0) for cell in cells if not cell.skip)


def test_all_have_had_a_load_before_one_gets_its_next() -> None:
    cells = [cell for cell in make_cells(LISTING, QUICK) if not cell.skip]
    order = schedule(cells, 1, loads=3)
    loads = [order[at : at + len(cells)] for at in range(0, len(order), len(cells))]
    assert [{load for _, load in entries} for entries in loads] == [{0}, {1}, {2}]
    orders = [[cell for cell, _ in entries] for entries in loads]
    assert all(sorted(load_cells) == sorted(cells) for load_cells in orders)
    assert orders[0] != orders[1] != orders[2]


def test_large_messages_are_sampled_less() -> None:
    plan = PLANS["standard"]
    counts = [plan.samples_at(size, "instructions") for size in plan.sizes]
    assert counts[0] == 400
    assert counts == sorted(counts, reverse=True)
    assert min(counts) >= 50


def test_requests_are_as_the_protocol_has_them() -> None:
    cell = next(c for c in make_cells(LISTING, QUICK) if c.operation == "stream" and not c.skip)
    message = request(cell, 3, QUICK, "time")
    assert message["do"] == "cell"
    assert message["id"] == 3
    assert message["round_units"] == 100_000
    assert message["context"] == "process"
