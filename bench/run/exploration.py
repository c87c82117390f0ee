"""What a run finds out besides its cells, in one more boot.

Nothing in it can disturb a timed cell: it is another machine, which under ``time`` boots when
the measured one has gone.
An extra is a list of requests, and a file of the run folder that is made of the answers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.errors import SessionLost
from bench.explore import properties, xray
from bench.plan.cells import Clock
from bench.plan.plans import Listing
from bench.run.run_folder import Recorder
from bench.targets.base import Target

Request = dict[str, Any]
Answer = dict[str, Any]


@dataclass(frozen=True)
class Extra:
    """One thing more to find out.

    Attributes:
        file: what is written into the run folder; one that is there is not made again.
        requests: all that is asked, for the measured channels of a listing, and whether to be
            brief about it.
        document: what the file shall hold, from all answers of the boot, why it ended early
            (empty when it did not), the same channels and whether it was brief. Answers to
            other extras are among them.
    """

    file: str
    requests: Callable[[Sequence[Listing], bool], list[Request]]
    document: Callable[[Sequence[Answer], str, Sequence[Listing], bool], Any]


EXTRAS: tuple[Extra, ...] = (
    Extra("properties.json", properties.requests, properties.document),
    Extra("xray.json", xray.ask, xray.document),  # the last: it leaves the tracer on
)


def missing(recorder: Recorder) -> list[Extra]:
    """The extras whose file the run folder does not have."""
    return [extra for extra in EXTRAS if not (recorder.folder / extra.file).exists()]


class Exploration:
    """One boot that finds out what is missing, begun when this is made.

    A thread takes its answers, so that it can go on while another machine measures: counts of
    instructions do not notice.  Close it, or use it as a context manager; :meth:`finish`
    waits for it and writes down what it found.

    Args:
        target: boots the machine.
        recorder: whose folder lacks files.
        channels: those that are measured.
        clock: of the run.
        seed: of the boot.
        brief: whether to look at a part where the whole takes long.

    Raises:
        TargetError: no machine could be had.
        DiskFull: its files cannot be written.
    """

    def __init__(
        self,
        target: Target,
        recorder: Recorder,
        channels: Sequence[Listing],
        clock: Clock,
        seed: int,
        brief: bool,
    ) -> None:
        self._recorder = recorder
        self._brief = brief
        self._channels = channels
        self._seed = seed
        self._extras = missing(recorder)
        asked = [request for extra in self._extras for request in extra.requests(channels, brief)]
        self._answers: list[Answer] = []
        self._trouble = ""
        self._error: BaseException | None = None
        self._session = target.start([{"do": "setup", "clock": clock}, *asked], seed=seed)
        self._thread = threading.Thread(target=self._follow, name="exploration", daemon=True)
        self._thread.start()

    def __enter__(self) -> Exploration:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _follow(self) -> None:
        try:
            with self._session:
                self._answers.extend(self._session.answers())
        except SessionLost as error:
            self._trouble = str(error)
        except BaseException as error:  # for who waits for it
            self._error = error

    def finish(self) -> str:
        """Wait for its end, and write down what is known by then.

        Returns:
            Why it ended early; empty when it came to its end.

        Raises:
            RingcrossError: the machine did not come up.
            DiskFull: the run folder cannot be written.
        """
        self._thread.join()
        log = self._session.kernel_log()
        self._recorder.add_kernel_log(f"properties and x-ray, seed {self._seed}", log)
        if self._error is not None:
            raise self._error
        brief = self._brief
        for extra in self._extras:
            found = extra.document(self._answers, self._trouble, self._channels, brief)
            self._recorder.write(extra.file, found)
        return self._trouble

    def close(self) -> None:
        """End the machine if it is still at work; nothing is written then."""
        self._session.kill()
        self._thread.join()
