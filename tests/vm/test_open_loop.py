# SPDX-License-Identifier: GPL-2.0-only
"""Streams at a rate on a booted kernel: latency counts from the time a message was due."""

from __future__ import annotations

import numpy as np
import pytest

from bench.run.stream_counts import violation
from tests.vm import machine
from tests.vm.machine import Answer

pytestmark = pytest.mark.vm

RELAXED, TOO_FAST = 100_000, 3_000  # ns between messages; each takes about 9,000 ns
COUNTERS = ("emitted", "refused", "delivered", "lost", "duplicated")


@pytest.fixture(scope="module")
def streams() -> dict[int, Answer]:
    """The same channel at a rate that it can carry, and at one that it cannot."""
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
    """The latency of a message includes its time in a queue and the delay of a late producer."""
    assert latency(streams[RELAXED]) < RELAXED / 4
    assert latency(streams[TOO_FAST]) > 2 * latency(streams[RELAXED])


@pytest.mark.parametrize("interval", [RELAXED, TOO_FAST])
def test_what_was_raised_arrived_or_was_lost(streams: dict[int, Answer], interval: int) -> None:
    answer = streams[interval]
    for row in zip(*(answer[name] for name in COUNTERS), strict=True):
        assert violation(dict(zip(COUNTERS, row, strict=True))) == ""
    if interval == RELAXED:
        assert sum(answer["lost"]) == 0


@pytest.fixture(scope="module")
def overruns() -> dict[str, Answer]:
    """Bursts of eight times the length of the queue, for two modes with different full queues."""
    modes = ("batch", "overwrite")
    found = {op.name: op for op in machine.operations()}
    more = {"context": "softirq", "burst": 256, "interval": 500_000, "queue": 2}
    cells = [
        machine.cell(found[f"relay-{mode}-stream"], 8, number, **more)
        for number, mode in enumerate(modes)
    ]
    answers = machine.boot(machine.machine(), [machine.SETUP, *cells])
    by_mode = {modes[answer["id"]]: answer for answer in answers if answer["re"] == "cell"}
    for answer in by_mode.values():
        assert answer["status"] == "ok", answer["reason"]
        assert min(answer["lost"]) > 0
        assert sum(answer["overruns"]) == 0
    return by_mode


def test_where_the_newest_is_refused_nothing_else_is_lost(overruns: dict[str, Answer]) -> None:
    assert overruns["batch"]["lost"] == overruns["batch"]["refused"]


def test_where_the_oldest_is_overwritten_nobody_is_told(overruns: dict[str, Answer]) -> None:
    """Such a mode may lose silently; the agent checks that the newest message arrives."""
    assert sum(overruns["overwrite"]["refused"]) == 0
