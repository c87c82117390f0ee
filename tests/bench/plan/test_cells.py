# SPDX-License-Identifier: GPL-2.0-only
"""Cells, clocks and results."""

from __future__ import annotations

from bench.plan.cells import OPERATIONS, PER, UNITS, Cell, failed, skipped


def test_a_name_is_stable_and_readable() -> None:
    assert Cell("netlink", "unicast", "push", 64).name == "netlink-unicast-push-64"
    assert Cell("signal", "", "pull", 0, skip="no").name == "signal-pull"


def test_the_reason_to_skip_is_no_part_of_the_point() -> None:
    assert Cell("a", "b", "push", 8) == Cell("a", "b", "push", 8, skip="no")
    assert len({Cell("a", "b", "push", 8), Cell("a", "b", "push", 8, skip="no")}) == 1


def test_every_clock_has_a_unit_and_a_rate() -> None:
    assert UNITS.keys() == PER.keys()
    assert len(OPERATIONS) == 7


def test_results_without_figures() -> None:
    cell = Cell("a", "b", "push", 8, skip="too large")
    assert (skipped(cell).status, skipped(cell).reason) == ("skip", "too large")
    bad = failed(cell, "it broke", boot=2)
    assert (bad.status, bad.reason, bad.boot) == ("fail", "it broke", 2)
