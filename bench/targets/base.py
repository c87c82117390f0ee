# SPDX-License-Identifier: GPL-2.0-only
"""The interfaces of a target (where the kernel under test runs) and of a session on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from bench.targets.protocol import Answer

Request = dict[str, Any]
"""One request to the agent; ``bench/agent/protocol/PROTOCOL.md`` lists them."""


@dataclass(frozen=True)
class Deadlines:
    """How long the harness waits, in seconds of host time.

    Time in which the machine waits for a processor of a busy host does not count; see
    :class:`bench.targets.stopwatch.Stopwatch`.

    Attributes:
        boot: from the start to the agent's first answer.
        silence: from then on, the longest time in which the agent sends nothing.
    """

    boot: float = 90.0
    silence: float = 120.0


class Session(Protocol):
    """One start of the agent, from ``hello`` to ``end``; used in a ``with`` statement."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...
    def answers(self) -> Iterator[Answer]:
        """Yield the agent's answers as they arrive."""

    def kernel_log(self) -> str:
        """Return the kernel's log so far; it stays available when the session has ended."""

    def describe(self) -> dict[str, Any]:
        """Return target, accelerator, clock, versions and command, for ``environment.json``."""

    def kill(self) -> None:
        """End the session, from any thread; :meth:`answers` then raises an error."""


class Target(Protocol):
    """A place where a kernel under test runs."""

    def start(self, requests: Sequence[Request], *, seed: int) -> Session:
        """Start the agent on ``requests``.

        Args:
            requests: all requests of the session; none can be added later.
            seed: seeds everything that is random on the target.
        """
