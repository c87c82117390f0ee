# SPDX-License-Identifier: GPL-2.0-only
"""Placements of the two ends of a conversation in a plan."""

from __future__ import annotations

from typing import Any

import pytest

from bench.errors import UsageError
from bench.plan.cells import Cell
from bench.plan.factors import PLACEMENTS, Factors, read_factors, second_placement
from bench.plan.plans import PLANS, Plan, make_cells, request
from bench.targets.provision import vm_placements
from tests.fake_target import LISTING

PIPE: dict[str, Any] = {
    "name": "pipe",
    "reference": True,
    "unsupported_reason": {"pull": "A pipe has no pull."},
    "modes": [
        {
            "name": "pair",
            "operations": {
                name: {
                    "min": 0,
                    "max": 4096,
                    "two_ends": True,
                    **({"waits": ["block", "busy"]} if name == "notify" else {}),
                }
                for name in ("push", "call", "notify")
            },
        }
    ],
}
WITH_PIPE = {"channels": [*LISTING["channels"], PIPE]}


def placed(cells: list[Cell]) -> dict[tuple[str, str], set[str]]:
    """The placements of each operation of each channel."""
    found: dict[tuple[str, str], set[str]] = {}
    for cell in cells:
        if cell.mode and not cell.skip:
            found.setdefault((cell.channel, cell.operation), set()).add(cell.placement)
    return found


@pytest.mark.parametrize("plan", PLANS.values(), ids=lambda plan: plan.name)
def test_plans_vary_a_second_placement(plan: Plan) -> None:
    """Operations with two ends have two placements, the others have none; so have references."""
    both, one = {"", "same-llc"}, {""}
    found = placed(make_cells(WITH_PIPE, plan, placements=("same-llc",)))
    for channel in WITH_PIPE["channels"]:
        for mode in channel["modes"]:
            for operation, limits in mode["operations"].items():
                expected = both if limits.get("two_ends") else one
                assert found[channel["name"], operation] == expected, (channel["name"], operation)


@pytest.mark.parametrize("plan", PLANS.values(), ids=lambda plan: plan.name)
def test_all_other_cells_stay_as_they_are(plan: Plan) -> None:
    with_placements = make_cells(WITH_PIPE, plan, placements=("same-llc",))
    without = make_cells(WITH_PIPE, plan)
    assert [cell for cell in with_placements if not cell.placement] == without
    names = {cell.name for cell in with_placements}
    assert len(names) == len(with_placements)


def test_a_reader_spins_on_another_cpu_where_a_plan_varies_waits() -> None:
    """A reference has no factor besides the placement."""
    listing = {"channels": [dict(PIPE, reference=flag, name=str(flag)) for flag in (False, True)]}
    for name, spins in (("quick", False), ("standard", True)):
        cells = make_cells(listing, PLANS[name], operations=["notify"], placements=("same-llc",))
        spinning = {(c.channel, c.wait) for c in cells if c.placement and c.wait}
        assert spinning == ({("False", "busy")} if spins else set())


def test_requested_placements_are_measured_at_all_sizes() -> None:
    """The usual placement is not named; an operation with one end is measured as usual."""
    factors = read_factors(placements="same-cpu,cross-socket")
    cells = make_cells(
        WITH_PIPE, PLANS["quick"], channels=["pipe", "null"], sizes=[8, 2048], factors=factors
    )
    names = [cell.name for cell in cells if cell.mode and not cell.skip]
    assert "pipe-pair-call-8" in names
    assert "pipe-pair-call-8-cross-socket" in names
    assert "pipe-pair-call-2048-cross-socket" in names
    assert "null-ioctl-push-0" in names
    assert not [name for name in names if name.startswith("null") and "socket" in name]


def test_several_threads_have_no_placement() -> None:
    factors = Factors(threads=(2,), placements=("same-llc",))
    (cell,) = make_cells(
        WITH_PIPE, PLANS["quick"], channels=["pipe"], operations=["push"], sizes=[8],
        factors=factors,
    )  # fmt: skip
    assert cell.skip == "Several threads use all CPUs, so they have no placement."


def test_an_unknown_placement_gets_what_exists() -> None:
    with pytest.raises(UsageError, match=r"Did you mean same-llc.*Known: same-cpu, smt-sibling"):
        read_factors(placements="same-lcl")


@pytest.mark.parametrize(
    ("available", "second"),
    [
        (("same-cpu",), ()),
        (PLACEMENTS, ("same-llc",)),
        (("same-cpu", "smt-sibling", "cross-socket"), ("smt-sibling",)),
        (("same-cpu", "cross-socket"), ("cross-socket",)),
        (vm_placements(1), ()),
        (vm_placements(2), ("same-llc",)),
    ],
)
def test_a_shared_cache_else_the_nearest(
    available: tuple[str, ...], second: tuple[str, ...]
) -> None:
    assert second_placement(available) == second


def test_the_request_has_the_placement() -> None:
    cell = Cell("pipe", "pair", "call", 8, placement="same-llc")
    assert request(cell, 0, PLANS["quick"], "time")["placement"] == "same-llc"
