# SPDX-License-Identifier: GPL-2.0-only
"""What the suite promises of its own figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.vm import machine
from tests.vm.conftest import Trial
from tests.vm.disturbed import disturbed
from tests.vm.machine import Answer, Operation

pytestmark = pytest.mark.vm

SAME = {op.name: op for op in machine.operations()}


def per_operation(answer: Answer) -> float:
    assert answer["status"] == "ok", answer["reason"]
    return float((np.median(answer["rounds"]) - answer["round_overhead"]) / answer["n"])


def figures(answers: list[Answer]) -> list[tuple[object, ...]]:
    return [
        (a["id"], a["status"], a.get("n"), a.get("rounds"), list(a.get("samples", [])))
        for a in answers
        if a["re"] == "cell"
    ]


def test_harness_costs_at_most_five_instructions_per_operation(trial: Trial) -> None:
    setup = trial.of("setup")
    assert 0 < setup["loop"] <= 5


def test_same_seed_gives_the_same_counts() -> None:
    """Every round and every sample of two boots, not only their medians."""
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
    """Each burst here ends an idle time, whose length QEMU reckons beside the virtual CPU."""
    bursts = SAME["netlink-unicast-stream"]
    wakes = SAME["null-wake-notify"]
    requests = [
        machine.SETUP,
        machine.cell(bursts, 8, 1, rounds=150, round_units=2_000_000, interval=100_000),
        machine.cell(wakes, 0, 2, context="hardirq", samples=4000),
    ]
    quiet = machine.boot(machine.machine(), requests)
    with disturbed(tmp_path) as somebody:
        busy = machine.boot(machine.machine(), requests)
    assert somebody.asked > 1000
    assert [status for _, status, *_ in figures(quiet)] == ["ok", "ok"]
    assert figures(busy) == figures(quiet)


def test_null_agrees_with_plain_loops_of_the_same_boot() -> None:
    """Our empty handlers cost what the kernel's own empty handlers cost."""
    pairs = [
        (Operation("null", "handler", "pull", 0, 0), "syscall-null-pull"),
        (Operation("null", "handler", "push", 0, 0), "syscall-null-push"),
    ]
    getppid = SAME["syscall-getppid-call"]
    wanted = [getppid, *(op for ours, theirs in pairs for op in (ours, SAME[theirs]))]
    requests = [
        machine.SETUP,
        *(
            machine.cell(op, op.min, number, rounds=11, round_units=100_000)
            for number, op in enumerate(wanted)
        ),
    ]
    answers = [a for a in machine.boot(machine.machine(), requests) if a["re"] == "cell"]
    floor, *rest = map(per_operation, answers)
    for ours, theirs in zip(rest[::2], rest[1::2], strict=True):
        assert ours == pytest.approx(theirs, rel=0.03)
        assert ours > floor
