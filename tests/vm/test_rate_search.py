# SPDX-License-Identifier: GPL-2.0-only
"""Rate searches and sweeps of every mode that streams; each message is accounted for."""

from __future__ import annotations

from statistics import median
from typing import Any

import pytest

from bench.run.stream_counts import violation
from tests.vm import machine
from tests.vm.machine import Answer, Operation

pytestmark = pytest.mark.vm

STREAMS = [op for op in machine.operations() if op.operation == "stream"]
BURST = 1000  # emitted from an interrupt, so that no reader runs meanwhile
FASTER = 5  # trials of a sweep at higher rates than the one found, the last trials of all
BATCH = 16  # RCX_BATCH


def when_full(operation: Operation) -> str:
    """What the mode claims to do when its queue is full; empty if it claims nothing."""
    claims = machine.mode_of(operation.channel, operation.mode)["claims"]
    return str(claims.get("queue_full", ""))


def queues(operation: Operation) -> list[int]:
    """The shortest and the longest queue that the mode lists; empty if it cannot be set."""
    values = (
        machine.mode_of(operation.channel, operation.mode)["operations"]["stream"]
        .get("queue", {})
        .get("values", ())
    )
    return [min(values), max(values)] if values else []


QUEUED = [op for op in STREAMS if queues(op)]


NEWEST_ALONE = {"vvar"}
"""Channels that keep one message: there is no queue in which a message could become old."""


@pytest.fixture(scope="module")
def answers() -> dict[str, Answer]:
    """A search and a sweep of each stream, and floods with a short and with a long queue."""
    cells = {op.name: (op, {"search": True, "sweep": True, "context": "default"}) for op in STREAMS}
    flood = {"context": "default", "burst": BURST, "interval": 50_000_000}
    for op in QUEUED:
        for name, queue in zip(("short", "long"), queues(op), strict=True):
            cells[f"{op.name}-{name}"] = (op, flood | {"queue": queue})
    requests = [
        machine.cell(op, min(max(8, op.min), op.max), number, **more)
        for number, (op, more) in enumerate(cells.values())
    ]
    replies = machine.boot(machine.machine(), [machine.SETUP, *requests])
    by_number = {answer["id"]: answer for answer in replies if answer["re"] == "cell"}
    return {name: by_number[number] for number, name in enumerate(cells)}


def rows(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]


def outcomes(answer: Answer) -> list[dict[str, Any]]:
    """The last trial of each interval: one that may have been disturbed is tried again."""
    tried = rows(answer["trials"])
    intervals = [*(trial["interval"] for trial in tried[1:]), None]
    return [
        trial for trial, after in zip(tried, intervals, strict=True) if trial["interval"] != after
    ]


def searched(answers: dict[str, Answer], operation: Operation) -> Answer:
    """The answer of a search; skips the test if messages are too expensive to search."""
    answer = answers[operation.name]
    machine.skip_lacking(operation.channel, operation.mode, answer)
    if answer["status"] == "skip" and "too long to search for a rate" in answer["reason"]:
        pytest.skip(answer["reason"])
    assert answer["status"] == "ok", answer["reason"]
    return answer


@pytest.mark.contract
@pytest.mark.parametrize("operation", STREAMS, ids=lambda op: op.name)
def test_a_search_finds_the_highest_rate(answers: dict[str, Answer], operation: Operation) -> None:
    """At this rate, repeated rounds lose nothing.  Slower trials lose nothing either."""
    answer = searched(answers, operation)
    assert answer["bound"] in {"lost", "behind", "late"}
    assert sum(answer["lost"]) == sum(answer["duplicated"]) == sum(answer["reordered"]) == 0
    # The producer offers the rate: each burst is in time.
    spans = [(emitted - 1) * answer["interval"] for emitted in answer["emitted"]]
    assert median(answer["span"]) <= 1.05 * median(spans)
    tried = outcomes(answer)
    assert [trial for trial in tried if trial["interval"] <= answer["interval"]]
    slow = [trial for trial in tried if trial["interval"] >= 2 * answer["interval"]]
    assert slow
    assert "lost" not in {trial["verdict"] for trial in slow}
    # With a queue that overwrites, a reader that is not woken is always behind.
    if when_full(operation) != "overwrites oldest":
        assert max(slow, key=lambda trial: trial["interval"])["verdict"] == "clean"


@pytest.mark.contract
@pytest.mark.parametrize("operation", STREAMS, ids=lambda op: op.name)
def test_a_higher_rate_is_too_much(answers: dict[str, Answer], operation: Operation) -> None:
    """Messages are lost, the reader falls behind, or the producer is late; latency is higher."""
    answer = searched(answers, operation)
    tried = rows(answer["trials"])
    fast = [trial for trial in tried if trial["interval"] <= answer["interval"] / 1.5]
    verdicts = {trial["verdict"] for trial in fast}
    assert verdicts & {"lost", "behind", "late"}
    # A channel that coalesces may pass by chance, but not at four times the rate.
    assert min(tried, key=lambda trial: trial["interval"])["verdict"] != "clean"
    if when_full(operation) != "coalesces":
        assert "clean" not in verdicts
    slow = [trial for trial in tried if trial["interval"] >= 2 * answer["interval"]]
    calm = min(slow, key=lambda trial: trial["p99"])
    # Else the channel itself waits for a complete batch.
    if calm["p99"] < calm["interval"] and operation.channel not in NEWEST_ALONE:
        # A producer that shares the CPU with the reader may never offer a higher rate.
        assert max(t["p99"] for t in fast) > calm["p99"] or all(
            1.05 * t["span"] >= (t["emitted"] - 1) * answer["interval"] for t in fast
        )


@pytest.mark.contract
@pytest.mark.parametrize("operation", STREAMS, ids=lambda op: op.name)
def test_each_message_of_each_trial_is_accounted_for(
    answers: dict[str, Answer], operation: Operation
) -> None:
    """Sequence numbers, the producer's counts and the channel's reports to its reader agree."""
    full = when_full(operation)
    for trial in rows(searched(answers, operation)["trials"]):
        assert violation(trial) == ""
        assert (trial["verdict"] == "lost") == (trial["lost"] > 0)
        if full == "refuses newest":
            assert trial["lost"] == trial["refused"]
        elif trial["lost"] > trial["refused"] and full != "coalesces":
            assert 0 < trial["overruns"] <= trial["lost"]


@pytest.mark.contract
@pytest.mark.parametrize("operation", QUEUED, ids=lambda op: op.name)
def test_a_longer_queue_holds_more(answers: dict[str, Answer], operation: Operation) -> None:
    short, long = (answers[f"{operation.name}-{name}"] for name in ("short", "long"))
    machine.skip_lacking(operation.channel, operation.mode, short)
    for answer in (short, long):
        assert answer["status"] == "ok", answer["reason"]
        if answer["context"] == "process":
            pytest.skip("This mode emits only from a thread, and its reader runs during the flood.")
        assert sum(answer["emitted"]) == BURST * len(answer["rounds"])
    assert sum(long["delivered"]) > 1.5 * sum(short["delivered"])
    assert 0 <= sum(long["lost"]) < sum(short["lost"])


def test_a_small_loss_is_tried_again(answers: dict[str, Answer]) -> None:
    """The cause may be a rare event, such as work that the kernel does once a second."""
    small = 0
    for answer in answers.values():
        found = rows(answer.get("trials") or {})[:-FASTER] if answer["status"] == "ok" else []
        for before, trial, after in zip([None, *found], found, [*found[1:], None], strict=False):
            if 0 < trial["lost"] < trial["emitted"] // 8:
                small += 1
                assert trial["interval"] in {t["interval"] for t in (before, after) if t}
    assert small


@pytest.mark.contract
@pytest.mark.parametrize("operation", STREAMS, ids=lambda op: op.name)
def test_a_stream_is_of_whole_batches(answers: dict[str, Answer], operation: Operation) -> None:
    n = searched(answers, operation)["n"]
    assert n < BATCH or n % BATCH == 0
