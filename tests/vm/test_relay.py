# SPDX-License-Identifier: GPL-2.0-only
"""Streams through relay while the reader and the writer run on different CPUs.

On one CPU the writer always completes between two steps of the reader.  With several CPUs the
reader can see the writer's intermediate states.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.vm import machine
from tests.vm.machine import Answer
from tests.vm.several_cpus import SeveralCpus

pytestmark = [pytest.mark.vm, pytest.mark.slow]

MODES = ("single", "batch", "overwrite", "mmap")
QUEUES = (2, 16)
"""In sub-buffers. In a short queue the writer and the reader are often in the same place."""


@dataclass(frozen=True)
class Streams:
    """The answers for each mode and each queue, from one boot."""

    answers: dict[tuple[str, int], Answer]

    def of(self, mode: str) -> list[Answer]:
        return [self.answers[mode, queue] for queue in QUEUES]


@pytest.fixture(scope="module", params=[2, 4], ids="{} CPUs".format)
def streams(request: pytest.FixtureRequest) -> Streams:
    found = {op.name: op for op in machine.operations()}
    keys = [(mode, queue) for mode in MODES for queue in QUEUES]
    more = {"rounds": 20, "round_units": 200_000_000, "wait": "poll", "deadline_ms": 60_000}
    cells = [
        machine.cell(found[f"relay-{mode}-stream"], 64, number, queue=queue, **more)
        for number, (mode, queue) in enumerate(keys)
    ]
    target = SeveralCpus.of(machine.machine("tcg"), request.param)
    replies = machine.boot(target, [{"do": "setup", "clock": target.clock}, *cells])
    answers = {answer["id"]: answer for answer in replies if answer["re"] == "cell"}
    return Streams({key: answers[number] for number, key in enumerate(keys)})


@pytest.mark.parametrize("mode", MODES)
def test_stream_is_whole_while_another_cpu_writes(streams: Streams, mode: str) -> None:
    """The agent checks each message, and that only refused or overwritten ones are missing."""
    for answer in streams.of(mode):
        assert answer["status"] == "ok", answer["reason"]
        assert sum(answer["emitted"]) >= 20 * answer["n"] > 0
        assert sum(answer["duplicated"]) == 0
