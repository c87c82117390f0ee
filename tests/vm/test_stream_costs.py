# SPDX-License-Identifier: GPL-2.0-only
"""What the harness takes off a stream, and what it says about both ends.

``tests/channels/nothing`` is a stream in which only the harness works, and
``tests/channels/counter`` is an eventfd.
"""

from __future__ import annotations

import math
import statistics

import pytest

from tests.tree import Tree
from tests.vm import machine
from tests.vm.machine import Answer, Operation

pytestmark = pytest.mark.vm

LONG = {"round_units": 300_000, "rounds": 5, "samples": 0}
KEPT = ("chardev", "mmap", "null", "relay", "umh")
STREAMS = {
    "nothing": ("nothing", "stream"),
    "chardev": ("chardev", "message"),
    "mmap": ("mmap", "ring"),
    "relay": ("relay", "mmap"),
}
BURSTS = (1, 3, 16, 64, 256)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer]:
    """Cells by name, all of one boot."""
    tree = Tree.copy(tmp_path_factory.mktemp("costs"), KEPT)
    tree.add("nothing")
    tree.add("counter")
    wanted = {
        f"{name} {burst}": (
            Operation(*mode, "stream", 0, 0),
            {"burst": burst, "context": "process"},
        )
        for name, mode in STREAMS.items()
        for burst in BURSTS
    }
    wanted |= {
        "rate": (
            Operation("chardev", "message", "stream", 0, 0),
            {"interval": 100_000, "burst": 4},
        ),
        "eventfd": (Operation("counter", "count", "notify", 0, 0), {}),
        "count": (Operation("counter", "count", "stream", 0, 0), {"burst": 16}),
        "null": (Operation("null", "wake", "notify", 0, 0), {}),
        "asleep": (Operation("mmap", "ring-eventfd", "stream", 0, 0), {"context": "process"}),
        "programs": (
            Operation("umh", "wait", "stream", 0, 0),
            {"burst": 4096, "deadline_ms": 2000},
        ),
    }
    requests = [
        machine.cell(operation, 0 if operation.channel in ("counter", "null") else 8, number)
        | LONG
        | more
        for number, (operation, more) in enumerate(wanted.values())
    ]
    replies = machine.boot(tree.machine(machine.stock()), [machine.SETUP, *requests])
    cells = {answer["id"]: answer for answer in replies if answer["re"] == "cell"}
    return {name: cells[number] for number, name in enumerate(wanted)}


def net(answer: Answer) -> float:
    """Median of the rounds, net, per delivered message."""
    assert answer["status"] == "ok", answer["reason"]
    rounds = zip(answer["rounds"], answer["overheads"], answer["delivered"], strict=True)
    return float(statistics.median((total - own) / count for total, own, count in rounds))


@pytest.mark.parametrize("burst", BURSTS)
def test_a_stream_of_nothing_costs_nothing(answers: dict[str, Answer], burst: int) -> None:
    """Apart from one wake-up at its end, which all messages share."""
    answer = answers[f"nothing {burst}"]
    per = statistics.median(answer["overheads"]) / answer["n"]
    assert 40 < per < 400
    assert abs(net(answer)) < 6 + 10_000 / answer["n"], (net(answer), per, answer["n"])


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("burst", BURSTS)
def test_a_stream_consists_of_whole_bursts(
    answers: dict[str, Answer], name: str, burst: int
) -> None:
    answer = answers[f"{name} {burst}"]
    assert answer["n"] % burst == 0
    assert all(emitted == answer["n"] for emitted in answer["emitted"])


@pytest.mark.parametrize("name", [name for name in STREAMS if name != "nothing"])
@pytest.mark.parametrize("burst", BURSTS)
def test_both_ends_are_parts_of_the_whole(
    answers: dict[str, Answer], name: str, burst: int
) -> None:
    """On one CPU the consumer has all that is not the producer's, so nothing is left."""
    answer = answers[f"{name} {burst}"]
    producer, consumer = (statistics.median(answer[end]) for end in ("producer", "consumer"))
    assert producer > 0
    assert consumer > 0
    assert producer + consumer == pytest.approx(net(answer), rel=0.02)


def test_a_reader_that_nobody_serves_needs_little(answers: dict[str, Answer]) -> None:
    answer = answers["nothing 64"]
    assert abs(statistics.median(answer["producer"])) < 10
    assert statistics.median(answer["consumer"]) < 30


def test_a_burst_of_expensive_messages_is_a_skip(answers: dict[str, Answer]) -> None:
    """A few of them show their cost: 4096 programs would not have been started in time."""
    answer = answers["programs"]
    assert answer["status"] == "skip", answer["reason"]
    assert answer["reason"].endswith("too long for bursts of 4096.")


def test_at_a_rate_only_the_clock_is_taken_off(answers: dict[str, Answer]) -> None:
    answer = answers["rate"]
    assert answer["status"] == "ok", answer["reason"]
    assert set(answer["overheads"]) == {answer["round_overhead"]}
    assert all(value > 0 for value in answer["producer"])
    assert set(answer["consumer"]) == {None}


def test_a_wake_up_is_shared_by_the_messages_of_a_burst(answers: dict[str, Answer]) -> None:
    """The producer pays for the wake-up, and the consumer for the switch."""
    for end in ("producer", "consumer"):
        one, many = (statistics.median(answers[f"chardev {burst}"][end]) for burst in (1, 64))
        assert many < one, end


def test_a_reader_that_blocks_is_woken_for_each_message(answers: dict[str, Answer]) -> None:
    """One that tried again and again instead of sleeping would cost a few hundred instructions."""
    wake_up = statistics.median(answers["null"]["rounds"]) / answers["null"]["n"]
    assert net(answers["asleep"]) > wake_up


def test_a_count_is_checked_once_per_notice(answers: dict[str, Answer]) -> None:
    """A burst of 16 is one notice, so the reader's check is taken off once for it."""
    one = statistics.median(answers["chardev 16"]["overheads"]) / answers["chardev 16"]["n"]
    answer = answers["count"]
    assert answer["status"] == "ok", answer["reason"]
    assert statistics.median(answer["overheads"]) / answer["n"] < one
    assert not any(math.isnan(value) for value in answer["overheads"])


def test_the_floor_of_notify_is_a_floor(answers: dict[str, Answer]) -> None:
    """An eventfd, which wakes a sleeping reader too, does not do it cheaper than the baseline."""

    def cost(name: str) -> float:
        answer = answers[name]
        assert answer["status"] == "ok", answer["reason"]
        return float(min(answer["rounds"]) - answer["round_overhead"]) / float(answer["n"])

    assert cost("null") <= cost("eventfd"), (cost("null"), cost("eventfd"))
