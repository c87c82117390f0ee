# SPDX-License-Identifier: GPL-2.0-only
"""Cells with several threads, in real time on several CPUs."""

from __future__ import annotations

import pytest

from tests.vm import machine
from tests.vm.several_cpus import SeveralCpus

pytestmark = pytest.mark.vm

ROUND_UNITS = 100_000
LEAST_COST = 50
"""Nanoseconds; an ioctl takes longer under emulation."""
REPEATS = 12


def test_a_round_has_the_requested_length() -> None:
    """Also where the threads' waits for each other take longer than their operations.

    Without this, a round had 100,000 operations of each thread, and the cell passed its deadline.
    """
    (call,) = (op for op in machine.operations() if op.name == "ioctl-direct-call")
    more = {"round_units": ROUND_UNITS, "control_units": 20_000, "samples": 0}
    threads = [2, 32] * REPEATS
    requests = [
        {"do": "setup", "clock": "time"},
        *(
            machine.cell(call, 8, number, threads=count, **more)
            for number, count in enumerate(threads)
        ),
    ]
    answers = machine.boot(SeveralCpus.of(machine.machine("tcg"), 2), requests)
    cells = {answer["id"]: answer for answer in answers if answer["re"] == "cell"}
    assert [cells[number]["reason"] for number in range(len(threads))] == [""] * len(threads)
    lengths = [cells[number]["n"] // count for number, count in enumerate(threads)]
    assert max(lengths) <= ROUND_UNITS // LEAST_COST, lengths
