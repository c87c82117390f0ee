# SPDX-License-Identifier: GPL-2.0-only
"""Rounds of a stream in which every message is lost.

evdev holds 31 of our events, and the 32nd makes it empty its queue.  So a burst of 32 from one
timer interrupt, which the reader cannot interrupt, delivers nothing.  With several CPUs the same
happens by chance when the reader is slow.  Such a round is a loss of 100 %, and a cell in which
each round is one is skipped: it has no cost per message.
"""

from __future__ import annotations

import pytest

from tests.vm import machine

pytestmark = pytest.mark.vm

BURST = 32


def test_a_round_that_loses_everything_is_a_loss() -> None:
    operations = {operation.name: operation for operation in machine.operations()}
    cell = machine.cell(operations["input-grab-stream"], 4, 0, burst=BURST, interval=1_000_000)
    answers = machine.boot(machine.machine(), [machine.SETUP, cell])
    (answer,) = (answer for answer in answers if answer["re"] == "cell")
    assert answer["status"] == "ok", answer["reason"]
    assert set(answer["delivered"]) == {0}
    assert answer["lost"] == answer["emitted"]
