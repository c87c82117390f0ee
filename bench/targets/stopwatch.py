# SPDX-License-Identifier: GPL-2.0-only
"""Time limits that mean the same on a busy machine as on an idle one.

A process that waits for a processor makes no progress, so this time says nothing about whether it
hangs. The kernel counts it for each thread, in ``/proc/PID/task/TID/schedstat``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path


class Stopwatch:
    """Measures how long a process could have worked: without the time it waited for a processor.

    A process that sleeps, or that computes without an end, uses up this time on every machine. On
    a kernel that does not count the waits (without ``CONFIG_SCHED_INFO``), it is all time.

    Args:
        pid: the process; its threads, its descendants and their threads count as well.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.restart()

    def restart(self) -> None:
        """Begin again at 0."""
        self._before = dict(_waits(self._pid))
        self._started = time.monotonic()

    def seconds(self) -> float:
        """Return the seconds since the start, without those in which the process had to wait.

        Of several threads, the one that waited longest counts. The others work for it or wait for
        it, and their waits may be at the same time.
        """
        elapsed = time.monotonic() - self._started
        waits = [wait - self._before.get(thread, 0.0) for thread, wait in _waits(self._pid)]
        return max(elapsed - max(waits, default=0.0), 0.0)


def _waits(pid: int) -> Iterator[tuple[int, float]]:
    """Yield each thread of *pid* and its descendants, and how many seconds it has waited so far.

    The kernel adds a wait when it ends. A thread or process may end meanwhile.
    """
    try:
        threads = sorted(Path("/proc", str(pid), "task").iterdir())
    except OSError:
        return
    for thread in threads:
        if waited := _words(thread / "schedstat")[1:2]:
            yield int(thread.name), int(waited[0]) / 1e9
        for child in _words(thread / "children"):
            yield from _waits(int(child))


def _words(path: Path) -> list[str]:
    """Return the words of a file in ``/proc``; none if its process has ended."""
    try:
        return path.read_text().split()
    except OSError:
        return []
