"""Work on all processors at once, in forked processes that have what this one has."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

_jobs: tuple[Callable[[], None], ...] = ()
"""What a pool works on: inherited by its processes, since functions made here cannot be sent."""


def in_parallel(*jobs: Callable[[], None]) -> None:
    """Do all *jobs*, in their order as far as there are processors.

    They work on copies: only what they write to files is seen afterwards.

    Raises:
        Exception: the first that one of them has raised.
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
            for _ in pool.map(_do, range(len(jobs))):
                pass
    finally:
        _jobs = ()


def _do(number: int) -> None:
    _jobs[number]()
