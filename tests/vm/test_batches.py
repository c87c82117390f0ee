# SPDX-License-Identifier: GPL-2.0-only
"""Messages that share a call: a round consists of whole batches, and no message has a time."""

from __future__ import annotations

import pytest

from tests.vm import machine
from tests.vm.machine import Answer, Operation

pytestmark = pytest.mark.vm

SIZE = 64
ONE_ENDED = ("push", "pull", "call")
BATCH = {
    (channel["name"], mode["name"], name): limits["batch"]
    for channel in machine.channels()
    for mode in channel["modes"]
    for name, limits in mode["operations"].items()
    if limits.get("batch", 1) > 1 and name in ONE_ENDED
}
BATCHES = [op for op in machine.operations() if (op.channel, op.mode, op.operation) in BATCH]


@pytest.fixture(scope="module")
def answers() -> dict[str, Answer]:
    """The cells of these operations, from one boot."""
    target = machine.machine()
    cells = [machine.cell(op, SIZE, number, samples=50) for number, op in enumerate(BATCHES)]
    replies = machine.boot(target, [{"do": "setup", "clock": target.clock}, *cells])
    return {BATCHES[a["id"]].name: a for a in replies if a["re"] == "cell"}


@pytest.mark.parametrize("operation", BATCHES, ids=lambda op: op.name)
def test_round_is_of_whole_batches(answers: dict[str, Answer], operation: Operation) -> None:
    answer = answers[operation.name]
    assert answer["status"] == "ok", answer["reason"]
    assert answer["n"] % BATCH[operation.channel, operation.mode, operation.operation] == 0


@pytest.mark.parametrize("operation", BATCHES, ids=lambda op: op.name)
def test_message_of_a_batch_is_not_timed_alone(
    answers: dict[str, Answer], operation: Operation
) -> None:
    """Alone, it would have a call of its own."""
    assert len(answers[operation.name].get("samples", ())) == 0
