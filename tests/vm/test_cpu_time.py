# SPDX-License-Identifier: GPL-2.0-only
"""Processor time of both sides under the time clock, for a spinning and a sleeping reader."""

from __future__ import annotations

from typing import Any

import pytest

from tests.vm import machine
from tests.vm.machine import Answer

pytestmark = pytest.mark.vm

INTERVAL = 2_000_000  # ns between messages; each takes about 100,000 ns under emulation
SIDES = ("user", "other")


def stream(number: int, wait: str) -> dict[str, Any]:
    (operation,) = (op for op in machine.operations() if op.name == "netlink-unicast-stream")
    more = {"wait": wait, "context": "hardirq", "interval": INTERVAL}
    return machine.cell(operation, 8, number, round_units=20 * INTERVAL, **more)


@pytest.fixture(scope="module")
def sides() -> dict[str, dict[str, float]]:
    """Shares of processor time of both sides, for a spinning and a sleeping reader."""
    requests = [machine.SETUP | {"clock": "time"}, stream(0, "busy"), stream(1, "poll")]
    answers = machine.boot(machine.machine("tcg"), requests)
    busy, poll = (answer for answer in answers if answer["re"] == "cell")
    return {"busy": shares(busy), "poll": shares(poll)}


def shares(answer: Answer) -> dict[str, float]:
    """Processor time of each side, as a share of the time over which it was measured."""
    assert answer["status"] == "ok", answer["reason"]
    assert answer["cpu"]["wall"] > sum(answer["rounds"])
    return {side: answer["cpu"][side] / answer["cpu"]["wall"] for side in SIDES}


def test_a_reader_that_spins_uses_all_of_a_processor(sides: dict[str, dict[str, float]]) -> None:
    assert sides["busy"]["user"] > 0.8
    assert sides["busy"]["user"] > 2 * sides["poll"]["user"]


def test_a_reader_that_sleeps_uses_little(sides: dict[str, dict[str, float]]) -> None:
    assert 0 < sides["poll"]["user"] < 0.5


def test_the_other_side_has_its_part(sides: dict[str, dict[str, float]]) -> None:
    """An interrupt that emits an event on an idle processor does not count for the reader."""
    assert 0 < sides["poll"]["other"] < 0.5
    assert sides["busy"]["other"] < 0.2
    assert sum(sides["busy"].values()) < 1.2
