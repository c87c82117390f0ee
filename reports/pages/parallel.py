# SPDX-License-Identifier: GPL-2.0-only
"""Run jobs in parallel, in forked processes that inherit the memory of this one."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

_jobs: tuple[Callable[[], None], ...] = ()
"""Jobs of the running pool; the processes inherit them, because closures cannot be pickled."""


def in_parallel(*jobs: Callable[[], None]) -> None:
    """Run all ``jobs``, starting them in the given order.

    The jobs run in copies of this process: only the files they write remain.

    Raises:
        Exception: the first exception that a job raised.
    """
    global _jobs
    processors = min(len(os.sched_getaffinity(0)), len(jobs))
    if processors < 2:
        for job in jobs:
            job()
        return
    _jobs = jobs
    try:
        with ProcessPoolExecutor(processors, mp_context=get_context("fork")) as pool:
            for _ in pool.map(_run, range(len(jobs))):
                pass
    finally:
        _jobs = ()


def _run(number: int) -> None:
    _jobs[number]()
