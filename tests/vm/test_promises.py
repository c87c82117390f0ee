"""What the suite promises of its own figures."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from tests.vm import machine
from tests.vm.conftest import Trial
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


def differing(one: list[Answer], other: list[Answer]) -> list[str]:
    """The cells in which two boots of the same requests differ, and how."""
    names = {op: operation.name for op, operation in enumerate(machine.operations())}
    assert len(figures(one)) == len(figures(other)) == len(names)
    return [
        f"{names[int(str(a[0]))]}: {a[1:4]} and {b[1:4]}"
        for a, b in zip(figures(one), figures(other), strict=True)
        if a != b
    ]


def test_same_seed_gives_the_same_counts() -> None:
    """Every round and every sample of two boots, not only their medians.

    On a loaded host one boot of some hundred was seen to slip by a few instructions in one
    cell, for a reason nobody has found.  So when two boots differ a third decides, and it must
    agree with one of them in everything.
    """
    requests = [
        machine.SETUP,
        *(
            machine.cell(op, op.sizes()[0], number, samples=50)
            for number, op in enumerate(machine.operations())
        ),
    ]
    target = machine.machine()
    first, again = (machine.boot(target, requests, seed=7) for _ in range(2))
    if slipped := differing(first, again):
        warnings.warn(f"two boots of the same seed differ: {slipped}", stacklevel=1)
        third = machine.boot(target, requests, seed=7)
        assert not min(differing(first, third), differing(again, third), key=len)


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
