# SPDX-License-Identifier: GPL-2.0-only
"""The table of limits: a row is a cell and a goal, and a row without a figure says why."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from bench.commands import limits
from bench.commands.limits import Row
from bench.errors import TargetError
from bench.plan.cells import Cell

PUSH = Row("push", Cell("ring", "fast", "push", 8), 64, 70.4)
STREAM = Row("stream", Cell("ring", "fast", "stream", 8, burst=16), None, 160)


def answer(number: int, **more: Any) -> dict[str, Any]:
    ok = {"re": "cell", "id": number, "status": "ok", "n": 10, "rounds": [710, 720, 730]}
    return ok | {"round_overhead": 20, "sample_overhead": 0} | more


def streamed(**more: Any) -> dict[str, Any]:
    keys = "emitted refused delivered lost reordered duplicated overruns span".split()
    lists = {key: [10 if key in ("emitted", "delivered") else 0] * 3 for key in keys}
    return answer(1, **lists, overheads=[110.0] * 3) | more


def test_a_figure_is_the_net_median() -> None:
    push, stream = limits.outcomes([PUSH, STREAM], [answer(0), streamed()])
    assert (push.value, push.reached) == (70, True)
    assert (stream.value, stream.reached) == (61, True)
    (late,) = limits.outcomes([PUSH], [answer(0, rounds=[760, 760, 760])])
    assert (late.value, late.reached) == (74, False)


def test_each_row_has_a_request() -> None:
    asked = limits.requests([PUSH, STREAM])
    assert [each["id"] for each in asked] == [0, 1]
    assert [each["operation"] for each in asked] == ["push", "stream"]


def test_a_cell_without_a_figure_says_why() -> None:
    failed = answer(0, status="fail", reason="The ring is full.")
    assert limits.outcomes([PUSH], [failed])[0].reason == "The ring is full."
    assert limits.outcomes([PUSH], [])[0].reason == "The agent gave no answer."
    lossy = streamed(delivered=[9] * 3, lost=[1] * 3)
    _, stream = limits.outcomes([PUSH, STREAM], [lossy])
    assert stream.reason == "It lost 3 messages."


def test_the_table_has_ours_beside_the_goal() -> None:
    file = io.StringIO()
    found = limits.outcomes([PUSH, STREAM], [answer(0)])
    Console(file=file, width=140).print(limits.table(found))
    (push,) = (line for line in file.getvalue().splitlines() if "ring-fast-push-8" in line)
    assert [cell.strip() for cell in push.split("│")[3:7]] == ["64", "≤ 70", "70.0", "reached"]
    assert "The agent gave no answer." in file.getvalue()


def test_rows_are_of_different_cells() -> None:
    assert len({row.cell for row in limits.ROWS}) == len(limits.ROWS)
    assert all(row.optimum is None or row.optimum <= row.goal for row in limits.ROWS)


def test_an_error_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lost(_: str) -> list[limits.Outcome]:
        raise TargetError("The machine was lost: try again.")

    monkeypatch.setattr(limits, "measure", lost)
    assert limits.main([]) == 3
    assert capsys.readouterr().err == "The machine was lost: try again.\n"


def test_a_goal_that_is_not_reached_is_the_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    found = limits.outcomes([PUSH], [answer(0)])
    monkeypatch.setattr(limits, "measure", lambda _: found)
    assert limits.main([]) == 0
    monkeypatch.setattr(limits, "measure", lambda _: [*found, *limits.outcomes([STREAM], [])])
    assert limits.main([]) == 1
