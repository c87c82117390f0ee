"""Streams at a rate on a booted kernel: latency counts from when a message was due."""

from __future__ import annotations

import numpy as np
import pytest

from bench.overload import violation
from tests.vm import machine
from tests.vm.machine import Answer

pytestmark = pytest.mark.vm

RELAXED, TOO_FAST = 100_000, 3_000  # nanoseconds between messages, of some 9,000 each
COUNTERS = ("raised", "refused", "delivered", "lost", "duplicated")


@pytest.fixture(scope="module")
def streams() -> dict[int, Answer]:
    """The same channel at a rate that it carries, and at one that it cannot."""
    (stream,) = (op for op in machine.operations() if op.name == "netlink-unicast-stream")
    more = {"context": "softirq", "samples": 200, "round_units": 200_000}
    cells = [
        machine.cell(stream, 8, interval, interval=interval, **more)
        for interval in (RELAXED, TOO_FAST)
    ]
    answers = machine.boot(machine.machine(), [machine.SETUP, *cells])
    found = {answer["id"]: answer for answer in answers if answer["re"] == "cell"}
    for answer in found.values():
        assert answer["status"] == "ok", answer["reason"]
    return found


def latency(answer: Answer) -> float:
    return float(np.median(answer["samples"]) - answer["sample_overhead"])


def test_overload_shows_in_the_latency_of_what_arrives(streams: dict[int, Answer]) -> None:
    """Messages that queue up, or come of a producer that is late, do not look early."""
    assert latency(streams[RELAXED]) < RELAXED / 4
    assert latency(streams[TOO_FAST]) > 2 * latency(streams[RELAXED])


@pytest.mark.parametrize("interval", [RELAXED, TOO_FAST])
def test_what_was_raised_arrived_or_was_lost(streams: dict[int, Answer], interval: int) -> None:
    answer = streams[interval]
    for row in zip(*(answer[name] for name in COUNTERS), strict=True):
        assert violation(dict(zip(COUNTERS, row, strict=True))) == ""
    if interval == RELAXED:
        assert sum(answer["lost"]) == 0
