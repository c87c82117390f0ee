# SPDX-License-Identifier: GPL-2.0-only
"""Upcalls on a booted kernel: what is timed, how the reader waits, and the counterparts."""

from __future__ import annotations

from statistics import median
from typing import Any

import pytest

from tests.vm import machine
from tests.vm.machine import Answer
from tests.vm.several_cpus import SeveralCpus

pytestmark = pytest.mark.vm

Key = tuple[str, str, str, str]
"""Channel, mode, operation and wait."""

CELLS: list[Key] = [
    ("chardev", "message", "call", ""),
    ("chardev", "message", "notify", "block"),
    ("chardev", "message", "upcall", "block"),
    ("chardev", "message", "upcall", "poll"),
    ("chardev", "message", "upcall", "busy"),
    ("netlink", "unicast", "upcall", "block"),
    ("mmap", "page", "upcall", "poll"),
    ("umh", "wait", "upcall", "block"),
    ("umh", "exec", "upcall", "block"),
    ("stock", "seccomp", "upcall", "block"),
    ("stock", "seccomp-sync", "upcall", "block"),
    ("stock", "fuse", "upcall", "block"),
]


def request(key: Key, number: int, **more: Any) -> dict[str, Any]:
    known = {op.name: op for op in machine.operations()}
    operation = known["-".join(key[:3])]
    return machine.cell(operation, max(8, operation.min), number, wait=key[3], **more)


def measure(target: Any, cells: list[Key], **more: Any) -> dict[Key, Answer]:
    setup = machine.SETUP | {"clock": target.clock}
    requests = [request(key, number, **more) for number, key in enumerate(cells)]
    answers = machine.boot(target, [setup, *requests])
    return {cells[a["id"]]: a for a in answers if a["re"] == "cell"}


@pytest.fixture(scope="module")
def cells() -> dict[Key, Answer]:
    return measure(machine.machine(), CELLS)


def cost(answer: Answer) -> float:
    assert answer["status"] == "ok", answer["reason"]
    return float(median(answer["rounds"])) / float(answer["n"])


def test_two_wake_ups_cost_more_than_one(cells: dict[Key, Answer]) -> None:
    """An upcall wakes the reader, as notify does, and then the kernel's thread."""
    event = cost(cells["chardev", "message", "notify", "block"])
    upcall = cost(cells["chardev", "message", "upcall", "block"])
    assert 1.3 * event < upcall < 4 * event


def test_poll_costs_more_than_a_read_that_sleeps(cells: dict[Key, Answer]) -> None:
    blocked = cost(cells["chardev", "message", "upcall", "block"])
    assert blocked < cost(cells["chardev", "message", "upcall", "poll"])


def test_nobody_spins_on_the_only_cpu(cells: dict[Key, Answer]) -> None:
    answer = cells["chardev", "message", "upcall", "busy"]
    assert answer["status"] == "skip"
    assert "spins on the only CPU" in answer["reason"]


@pytest.mark.parametrize("key", [key for key in CELLS if key[2] == "upcall" and key[3] != "busy"])
def test_every_reply_is_consumed(cells: dict[Key, Answer], key: Key) -> None:
    answer = cells[key]
    machine.skip_lacking(key[0], key[1], answer)
    assert cost(answer) > 0
    assert len(answer["samples"]) >= 8
    assert "context" not in answer  # only a thread can ask, so it is no factor
    if key[0] == "stock":
        return  # it has no kernel half that counts
    validation = answer["validation"]
    assert validation["messages"] >= 3
    assert validation["consumed"] >= validation["messages"]
    assert (validation["bad"], validation["made"]) == (0, 0)


def test_a_program_for_each_request_costs_most(cells: dict[Key, Answer]) -> None:
    """To start a program costs more than any other way to ask."""
    costs = {key: cost(answer) for key, answer in cells.items() if answer["status"] == "ok"}
    umh = [value for key, value in costs.items() if key[0] == "umh"]
    assert min(umh) > 10 * max(value for key, value in costs.items() if key[0] != "umh")


def test_two_boots_count_the_same(cells: dict[Key, Answer]) -> None:
    again = measure(machine.machine(), CELLS)
    for key, answer in cells.items():
        assert again[key].get("rounds") == answer.get("rounds"), key


@pytest.mark.slow
@pytest.mark.parametrize("wait", ["block", "poll", "busy"])
def test_the_kernel_asks_from_another_cpu(wait: str) -> None:
    """On a second CPU the reader may spin; the kernel half asks from there."""
    target = SeveralCpus.of(machine.machine("tcg"), 2)
    keys: list[Key] = [("chardev", "message", "upcall", wait), ("mmap", "page", "upcall", "poll")]
    answers = measure(target, keys, placement="same-llc")
    for key, answer in answers.items():
        assert answer["status"] == "ok", (key, answer["reason"])
        assert answer["placement"] == "same-llc"
        assert answer["user_cpu"] != answer["other_cpu"]
