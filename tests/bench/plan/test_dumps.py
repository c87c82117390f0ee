# SPDX-License-Identifier: GPL-2.0-only
"""Cells of dumps: one size of a record, and lengths of the table."""

from __future__ import annotations

from typing import Any

import pytest

from bench.errors import UsageError
from bench.plan.cells import Cell
from bench.plan.factors import Factors, read_factors
from bench.plan.plans import PLANS, make_cells, request

LIMIT = "There is a file for each record."
TABLE = {"min": 64, "max": 64, "limit": LIMIT, "records": 65536, "two_ends": False}
LISTING: dict[str, Any] = {
    "channels": [
        {
            "name": "files",
            "reference": False,
            "unsupported_reason": {},
            "modes": [
                {"name": "all", "operations": {"dump": TABLE, "pull": {"min": 0, "max": 4096}}},
                {"name": "each", "operations": {"dump": TABLE | {"records": 300}}},
            ],
        }
    ]
}


def records(plan: str, mode: str, **options: Any) -> list[tuple[int, str]]:
    cells = make_cells(LISTING, PLANS[plan], operations=["dump"], **options)
    return [(cell.records, cell.skip) for cell in cells if cell.mode == mode]


def test_a_plan_has_lengths_of_the_table() -> None:
    assert records("quick", "all") == [(16, ""), (4096, "")]
    lengths = [(1, ""), (16, ""), (256, ""), (4096, ""), (65536, "")]
    assert records("standard", "all") == lengths
    assert records("full", "all") == lengths


def test_a_table_that_is_too_long_is_skipped_with_the_limit() -> None:
    assert records("quick", "each") == [(16, ""), (4096, LIMIT)]


def test_a_user_gives_the_lengths() -> None:
    factors = read_factors(records="2,1 2")
    assert factors == Factors(records=(2, 1))
    assert records("quick", "all", factors=factors) == [(1, ""), (2, "")]


def test_other_factors_do_not_change_dumps() -> None:
    assert records("quick", "all", factors=Factors(threads=(4,))) == records("quick", "all")


@pytest.mark.parametrize("word", ["0", "65537", "many", "-1", "1.5"])
def test_what_is_no_length_is_refused(word: str) -> None:
    with pytest.raises(UsageError, match="is not a valid number of records"):
        read_factors(records=word)


def test_all_records_have_one_size() -> None:
    cells = make_cells(LISTING, PLANS["full"], sizes=[8, 4096])
    assert {cell.size for cell in cells if cell.operation == "dump"} == {64}
    assert not any(cell.records for cell in cells if cell.operation != "dump")


def test_the_name_of_a_cell_has_the_number_of_records() -> None:
    cell = Cell("files", "all", "dump", 64, records=16)
    assert (cell.name, cell.factors) == ("files-all-dump-64-records16", ("records16",))
    assert "records" not in Cell("files", "all", "pull", 64).name


def test_a_long_table_gets_fewer_rounds_and_more_time() -> None:
    plan = PLANS["standard"]
    short, long = (
        request(Cell("files", "all", "dump", 64, records=count), 1, plan, "instructions")
        for count in (256, 65536)
    )
    assert (short["records"], long["records"]) == (256, 65536)
    assert short["rounds"] == plan.rounds["instructions"]
    assert long["rounds"] == 3
    assert long["deadline_ms"] > short["deadline_ms"]
