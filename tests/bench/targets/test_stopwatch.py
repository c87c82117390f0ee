# SPDX-License-Identifier: GPL-2.0-only
"""Time limits do not count the time in which a busy machine lets a process wait."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench.targets.stopwatch import Stopwatch

SPIN = "while True: pass"
SLEEP = "import time; print('asleep', flush=True); time.sleep(600)"
CHILD = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SPIN!r}])"


@contextmanager
def running(program: str, niceness: int = 0) -> Iterator[subprocess.Popen[str]]:
    """A Python program that runs on one processor, which is the same for all programs."""
    cpu = min(os.sched_getaffinity(0))

    def prepare() -> None:
        os.sched_setaffinity(0, {cpu})
        os.nice(niceness)

    words = [sys.executable, "-c", program]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, text=True, preexec_fn=prepare, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            os.killpg(process.pid, 9)


def test_a_process_that_sleeps_or_has_ended_uses_up_all_time() -> None:
    with running(SLEEP) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "asleep\n"
        stopwatch, started = Stopwatch(process.pid), time.monotonic()
        time.sleep(1)
        assert stopwatch.seconds() == pytest.approx(time.monotonic() - started, abs=0.2)
    assert stopwatch.seconds() >= 1


@pytest.mark.parametrize("program", [SPIN, CHILD], ids=["itself", "its child"])
def test_the_wait_for_a_processor_does_not_count(program: str) -> None:
    with running(SPIN), running(program, niceness=10) as process:
        stopwatch, started = Stopwatch(process.pid), time.monotonic()
        while time.monotonic() - started - stopwatch.seconds() < 1:
            assert time.monotonic() - started < 60, "it waits most of the time"
            time.sleep(0.1)
        assert stopwatch.seconds() > 0
        stopwatch.restart()
        assert stopwatch.seconds() < 1, "the waits before that count no more"
