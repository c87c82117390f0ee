"""What a run finds out besides its cells, in one more boot after they are measured.

Nothing in it can disturb a timed cell: the machine that was measured is gone by then.
An extra is a list of requests, and a file of the run folder that is made of the answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench import properties, xray
from bench.cells import Clock
from bench.errors import SessionLost
from bench.plan import Listing
from bench.recorder import Recorder
from bench.runner import Target

Request = dict[str, Any]
Answer = dict[str, Any]


@dataclass(frozen=True)
class Extra:
    """One thing more to find out.

    Attributes:
        file: what is written into the run folder; one that is there is not made again.
        requests: all that is asked, for the measured channels of a listing under a clock.
        document: what the file shall hold, from all answers of the boot, why it ended early
            (empty when it did not) and the same channels. Answers to other extras are among
            them.
    """

    file: str
    requests: Callable[[Sequence[Listing], Clock], list[Request]]
    document: Callable[[Sequence[Answer], str, Sequence[Listing]], Any]


EXTRAS: tuple[Extra, ...] = (
    Extra("properties.json", properties.requests, properties.document),
    Extra("xray.json", xray.ask, xray.document),  # the last: it leaves the tracer on
)


def missing(recorder: Recorder) -> list[Extra]:
    """The extras whose file the run folder does not have."""
    return [extra for extra in EXTRAS if not (recorder.folder / extra.file).exists()]


def explore(
    target: Target,
    recorder: Recorder,
    channels: Sequence[Listing],
    clock: Clock,
    seed: int,
) -> str:
    """Find out what is missing about ``channels``, and write it down.

    Returns:
        Why it ended early; empty when it came to its end. What was known by then is written.

    Raises:
        TargetError: no machine could be had.
        DiskFull: the run folder cannot be written.
    """
    wanted = missing(recorder)
    asked = [request for extra in wanted for request in extra.requests(channels, clock)]
    if not asked:
        return ""
    answers: list[Answer] = []
    trouble = ""
    session = target.start([{"do": "setup", "clock": clock}, *asked], seed=seed)
    try:
        with session:
            answers.extend(session.answers())
    except SessionLost as error:
        trouble = str(error)
    finally:
        recorder.add_kernel_log(f"properties and x-ray, seed {seed}", session.kernel_log())
    for extra in wanted:
        recorder.write(extra.file, extra.document(answers, trouble, channels))
    return trouble
