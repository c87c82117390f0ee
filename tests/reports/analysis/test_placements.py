# SPDX-License-Identifier: GPL-2.0-only
"""Cells that differ in their placement only stand beside each other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bench.plan import factors
from reports.analysis import placements, selection
from reports.analysis.placements import Line
from reports.data.run import Channel, Measured
from reports.text import words

NEAR = Measured("pipe", "pair", "call", 8, median=2000.0, placement="same-cpu")
FAR = replace(NEAR, median=145_000.0, placement="same-llc", factors="same-llc")
BUSY = replace(FAR, wait="busy", factors="busy same-llc", median=900.0)
ONE_END = Measured("null", "ioctl", "call", 0, median=300.0)


class Rows:
    """The part of a run that the tests use."""

    def __init__(self, *rows: Measured) -> None:
        self.rows = rows
        self.channels = (Channel("pipe", reference=True),)

    def of(self, channel: str, operation: str = "") -> list[Measured]:
        found = [row for row in self.rows if row.channel == channel]
        return [row for row in found if operation in ("", row.operation)]


def lines(*rows: Measured, channel: str = "") -> tuple[Line, ...]:
    run: Any = Rows(*rows)
    return placements.lines(run, channel)


def test_a_line_has_all_placements_of_one_cell_from_near_to_far() -> None:
    (line,) = lines(FAR, NEAR, ONE_END)
    assert list(line.by_placement) == ["same-cpu", "same-llc"]
    assert line.row == NEAR
    assert line.ratio("same-llc") == pytest.approx(72.5)
    assert line.ratio("cross-socket") is None
    assert placements.used((line,)) == ("same-cpu", "same-llc")


def test_other_factors_make_other_lines() -> None:
    """Without a second placement, there is nothing to compare."""
    assert [line.row for line in lines(NEAR, FAR, BUSY)] == [NEAR]
    both = lines(NEAR, FAR, BUSY, replace(BUSY, placement="same-socket", factors="busy"))
    assert [line.factors for line in both] == ["", "busy"]


def test_failed_cells_and_other_channels_are_left_out() -> None:
    assert lines(NEAR, replace(FAR, status="fail", median=None)) == ()
    assert lines(NEAR, FAR, channel="shm") == ()


def test_placements_have_words_in_the_order_of_the_plan() -> None:
    assert tuple(words.PLACEMENTS) == factors.PLACEMENTS


def test_lines_of_a_figure_do_not_mix_placements() -> None:
    """Where no cell has the usual placement, each placement is a line of its own."""
    larger = [replace(row, size=64, factors="x") for row in (NEAR, FAR)]
    run: Any = Rows(replace(NEAR, factors="x"), FAR, *larger)
    drawn = selection.variants(run, "pipe", "call")
    assert [[row.placement for row in line] for line in drawn] == [
        ["same-cpu", "same-cpu"],
        ["same-llc", "same-llc"],
    ]
