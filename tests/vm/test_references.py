# SPDX-License-Identifier: GPL-2.0-only
"""References: a call between processes costs the same in the first and in the last rounds."""

from __future__ import annotations

from statistics import median

import pytest

from tests.vm import machine
from tests.vm.machine import Answer, Operation

pytestmark = pytest.mark.vm

REFERENCES = {c["name"] for c in machine.channels() if c["reference"]}
CALLS = [op for op in machine.operations() if op.channel in REFERENCES and op.operation == "call"]
ROUNDS = 30


@pytest.fixture(scope="module")
def answers() -> dict[Operation, Answer]:
    """Each call, for a total time much longer than a time slice of the scheduler."""
    requests = [
        machine.cell(op, op.min or 8, number, rounds=ROUNDS, round_units=1_500_000)
        for number, op in enumerate(CALLS)
    ]
    replies = machine.boot(machine.machine(), [machine.SETUP, *requests])
    cells = {answer["id"]: answer for answer in replies if answer["re"] == "cell"}
    return {op: cells[number] for number, op in enumerate(CALLS)}


@pytest.mark.contract
@pytest.mark.parametrize("operation", CALLS, ids=lambda op: op.name)
def test_the_first_rounds_cost_what_the_last_do(
    answers: dict[Operation, Answer], operation: Operation
) -> None:
    """A new process gets less processor time at first, which changes the cost of a wake-up."""
    answer = answers[operation]
    assert answer["status"] == "ok", answer["reason"]
    rounds = answer["rounds"]
    assert len(rounds) == ROUNDS
    assert sum(rounds) > 30e6
    assert median(rounds[:5]) == pytest.approx(median(rounds[-5:]), rel=0.02)
