# SPDX-License-Identifier: GPL-2.0-only
"""The exploration: one more boot, which determines properties and x-rays.

It cannot disturb a timed cell, since it uses a machine of its own.  Under ``time`` that machine
boots after the measuring machine has ended.  An extra is a list of requests together with a
file of the run folder that is written from the answers.
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
from bench.run.progress import Progress
from bench.run.run_folder import Recorder
from bench.targets.base import Target

Request = dict[str, Any]
Answer = dict[str, Any]


_ANSWERED = ("probe", "xray")
"""Requests whose answers take time; progress counts them."""

_STEP = 0.5  # seconds between two reports of progress


@dataclass(frozen=True)
class Extra:
    """One file of the run folder that an exploration writes.

    Attributes:
        file: name of the file; an existing one is not written again.
        requests: makes the requests, from the listing of the measured channels and whether to
            be brief.
        document: makes the content of the file, as JSON, from all answers of the boot (those to
            other extras too), an error text (empty unless the boot ended early), the same
            channels and whether to be brief.
    """

    file: str
    requests: Callable[[Sequence[Listing], bool], list[Request]]
    document: Callable[[Sequence[Answer], str, Sequence[Listing], bool], Any]


EXTRAS: tuple[Extra, ...] = (
    Extra("properties.json", properties.requests, properties.document),
    Extra("xray.json", xray.run_requests, xray.document),  # last: it leaves the tracer on
)


def missing(recorder: Recorder) -> list[Extra]:
    """The extras whose file is missing in the run folder."""
    return [extra for extra in EXTRAS if not (recorder.folder / extra.file).exists()]


class Exploration:
    """One boot that determines the missing extras; the constructor starts it.

    A thread receives the answers, so that the exploration can run while another machine counts
    instructions; the load does not change those counts.  :meth:`finish` waits for the end and
    writes the files.  Close the exploration, or use it as a context manager.

    Args:
        target: starts the machine.
        recorder: records the run whose folder lacks files.
        channels: listing of the measured channels.
        clock: the clock of the run.
        seed: the seed of the boot.
        brief: whether to explore only a part where exploring everything takes long.

    Raises:
        TargetError: the machine cannot be started.
        DiskFull: there is no space for the files of the session.
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
        requests: list[Request] = [{"do": "setup", "clock": clock}]
        for extra in self._extras:
            requests += extra.requests(channels, brief)
        self._answers: list[Answer] = []
        self.total = sum(request["do"] in _ANSWERED for request in requests)
        self._error_text = ""
        self._error: BaseException | None = None
        self._session = target.start(requests, seed=seed)
        self._thread = threading.Thread(target=self._receive, name="exploration", daemon=True)
        self._thread.start()

    def __enter__(self) -> Exploration:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _receive(self) -> None:
        try:
            with self._session:
                for answer in self._session.answers():
                    self._answers.append(answer)
        except SessionLost as error:
            self._error_text = str(error)
        except BaseException as error:  # finish() raises it
            self._error = error

    def finish(self, progress: Progress | None = None) -> str:
        """Wait for the end of the boot, and write the files from the answers so far.

        Args:
            progress: receives how many of the requests have been answered.

        Returns:
            Why the boot ended early; empty if it did not.

        Raises:
            NeverCameUp: the machine did not come up.
            DiskFull: there is no space to write the run folder.
        """
        while progress is not None and self._thread.is_alive():
            self._thread.join(_STEP)
            progress.explored(self._answered(), self.total)
        self._thread.join()
        if progress is not None:
            progress.explored(self.total, self.total)
        log = self._session.kernel_log()
        self._recorder.add_kernel_log(f"properties and x-ray, seed {self._seed}", log)
        if self._error is not None:
            raise self._error
        brief = self._brief
        for extra in self._extras:
            document = extra.document(self._answers, self._error_text, self._channels, brief)
            self._recorder.write(extra.file, document)
        return self._error_text

    def _answered(self) -> int:
        return sum(answer["re"] in _ANSWERED for answer in tuple(self._answers))

    def close(self) -> None:
        """End the machine if it still runs; this writes nothing."""
        self._session.kill()
        self._thread.join()
