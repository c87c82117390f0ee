"""The local target at its real work, modules and all, where that can harm nobody: in a guest."""

from __future__ import annotations

import csv
import json
from typing import Any

import pytest

from tests.vm import guest, in_guest, machine

pytestmark = [pytest.mark.vm, pytest.mark.slow]

Step = dict[str, Any]


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Step]:
    """What came of each step of :mod:`tests.vm.in_guest`, all in one boot."""
    folder = tmp_path_factory.mktemp("guest")
    told = guest.run("tests.vm.in_guest", folder, kernel=machine.stock(), seconds=900)
    return {step["step"]: step for step in told}


def rows(step: Step) -> list[dict[str, str]]:
    return list(csv.DictReader(step["files"]["cells.csv"].splitlines()))


def test_modules_are_refused_without_consent(steps: dict[str, Step]) -> None:
    step = steps["refused"]
    assert step["code"] == 2, step["said"]
    last = step["said"].splitlines()[-1]
    assert last.startswith("ringcross: The local target loads modules into the kernel you are")
    assert "--yes-load-modules" in last
    assert not step["modules"]
    assert not step["files"]


def test_a_whole_run(steps: dict[str, Step]) -> None:
    step = steps["whole"]
    assert step["code"] == 0, step["said"]
    table = rows(step)
    assert {row["channel"] for row in table} == {"syscall", "stock", "null", "ioctl", "netlink"}
    assert {row["status"] for row in table} <= {"ok", "skip"}
    measured = [row for row in table if row["status"] == "ok"]
    assert {row["channel"] for row in measured} == {"syscall", "stock", "null", "ioctl", "netlink"}
    assert {(row["clock"], row["unit"]) for row in table} == {("time", "ns")}
    assert all(float(row["median"]) > 0 for row in measured)
    environment = json.loads(step["files"]["environment.json"])
    assert environment["target"] == environment["session"]["target"] == "local"
    assert environment["kernel"] == machine.stock().release
    assert environment["finished"]


def test_nothing_stays_behind(steps: dict[str, Step]) -> None:
    assert steps["whole"]["modules"] == []
    assert steps["whole"]["processes"] == []


def test_an_interrupted_run(steps: dict[str, Step]) -> None:
    """Ctrl-C in the middle: the modules go, the agent goes, the rows stay."""
    step = steps["cut-short"]
    before = step["before"]
    assert "ringcross_core" in before["modules"], step["said"]
    assert any("ringcross_agent" in words for words in before["processes"])
    assert step["code"] == 130, step["said"]
    assert "--resume" in step["said"].splitlines()[-1]
    assert step["modules"] == []
    assert step["processes"] == []
    assert step["files"]["cells.csv"].startswith(before["files"]["cells.csv"])
    assert len([row for row in rows(step) if row["status"] == "ok"]) >= in_guest.ENOUGH
    assert not json.loads(step["files"]["environment.json"])["finished"]
