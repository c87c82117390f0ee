# SPDX-License-Identifier: GPL-2.0-only
"""Guarantees of the suite about its own figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.vm import machine
from tests.vm.disturbed import disturbed
from tests.vm.machine import Answer, Operation

pytestmark = pytest.mark.vm

OPERATIONS = {op.name: op for op in machine.operations()}


def per_operation(answer: Answer) -> float:
    assert answer["status"] == "ok", answer["reason"]
    return float((np.median(answer["rounds"]) - answer["round_overhead"]) / answer["n"])


def figures(answers: list[Answer]) -> list[tuple[object, ...]]:
    return [
        (a["id"], a["status"], a.get("n"), a.get("rounds"), list(a.get("samples", [])))
        for a in answers
        if a["re"] == "cell"
    ]


def test_harness_costs_at_most_five_instructions_per_operation() -> None:
    (setup,) = (a for a in machine.boot(machine.machine(), [machine.SETUP]) if a["re"] == "setup")
    assert 0 < setup["loop"] <= 5


@pytest.mark.contract
def test_same_seed_gives_the_same_counts() -> None:
    """All rounds and samples of two boots are equal, not only their medians."""
    requests = [
        machine.SETUP,
        *(
            machine.cell(op, op.sizes()[0], number, samples=50)
            for number, op in enumerate(machine.operations())
        ),
    ]
    first, again = (machine.boot(machine.machine(), requests, seed=7) for _ in range(2))
    assert figures(first)
    assert figures(first) == figures(again)


def test_a_busy_host_changes_no_count(tmp_path: Path) -> None:
    """Each burst ends an idle period, which a QEMU thread other than the virtual CPU skips."""
    bursts = OPERATIONS["netlink-unicast-stream"]
    wakes = OPERATIONS["null-wake-notify"]
    requests = [
        machine.SETUP,
        machine.cell(bursts, 8, 1, rounds=150, round_units=2_000_000, interval=100_000),
        machine.cell(wakes, 0, 2, context="hardirq", samples=4000),
    ]
    quiet = machine.boot(machine.machine(), requests)
    with disturbed(tmp_path) as disturber:
        busy = machine.boot(machine.machine(), requests)
    assert disturber.queries > 1000
    assert [status for _, status, *_ in figures(quiet)] == ["ok", "ok"]
    assert figures(busy) == figures(quiet)


def test_null_agrees_with_plain_loops_of_the_same_boot() -> None:
    """Our empty handlers cost as much as the kernel's own empty handlers."""
    pairs = [
        (Operation("null", "handler", "pull", 0, 0), "syscall-null-pull"),
        (Operation("null", "handler", "push", 0, 0), "syscall-null-push"),
    ]
    getppid = OPERATIONS["syscall-getppid-call"]
    operations = [getppid, *(op for ours, stock in pairs for op in (ours, OPERATIONS[stock]))]
    requests = [
        machine.SETUP,
        *(
            machine.cell(op, op.min, number, rounds=11, round_units=100_000)
            for number, op in enumerate(operations)
        ),
    ]
    answers = [a for a in machine.boot(machine.machine(), requests) if a["re"] == "cell"]
    baseline, *rest = map(per_operation, answers)
    for ours, stock in zip(rest[::2], rest[1::2], strict=True):
        assert ours == pytest.approx(stock, rel=0.03)
        assert ours > baseline
