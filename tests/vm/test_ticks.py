# SPDX-License-Identifier: GPL-2.0-only
"""Timer ticks, and the work that the kernel defers to them, do not hit rounds by chance."""

from __future__ import annotations

from statistics import median

import pytest

from tests.vm import machine
from tests.vm.machine import Answer, Operation

pytestmark = pytest.mark.vm

ROUNDS = 40
UNITS = 1_500_000  # about a third of the time between two ticks
SAMPLES = 50_000  # of the cheapest operation, several times the time between two ticks
PLAIN = Operation("null", "handler", "pull", 0, 0)
OPENS = Operation("procfs", "reopen", "push", 8, 8)
EVENTS = Operation("null", "wake", "notify", 0, 0)


@pytest.fixture(scope="module")
def answers() -> dict[Operation, Answer]:
    known = {op.name: op for op in machine.operations()}
    operations = [PLAIN, OPENS, EVENTS]
    requests = [
        machine.cell(
            known[op.name], op.min, number, rounds=ROUNDS, round_units=UNITS, samples=SAMPLES
        )
        for number, op in enumerate(operations)
    ]
    replies = machine.boot(machine.machine(), [machine.SETUP, *requests])
    cells = {answer["id"]: answer for answer in replies if answer["re"] == "cell"}
    for answer in cells.values():
        assert answer["status"] == "ok", answer["reason"]
    return {op: cells[number] for number, op in enumerate(operations)}


def test_the_kernel_ticks_while_operations_are_sampled(answers: dict[Operation, Answer]) -> None:
    """Samples are not aligned to ticks, so some contain one.  It costs many cheap operations."""
    samples = answers[PLAIN]["samples"]
    assert sum(samples) > 2 * 4e6
    assert max(samples) > 2 * median(samples)


def test_a_round_shorter_than_the_distance_of_two_sees_none(
    answers: dict[Operation, Answer],
) -> None:
    rounds = answers[PLAIN]["rounds"]
    assert len(rounds) == ROUNDS
    assert sum(rounds) > 10 * 4e6
    assert max(rounds) - min(rounds) < 100


@pytest.mark.parametrize("operation", [OPENS, EVENTS], ids=lambda op: op.channel)
def test_rounds_agree(answers: dict[Operation, Answer], operation: Operation) -> None:
    """Work that each open defers is done between the rounds, not within some of them."""
    rounds = answers[operation]["rounds"]
    far = [round_ for round_ in rounds if round_ > 1.03 * median(rounds)]
    assert len(far) <= ROUNDS / 20
