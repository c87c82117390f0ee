"""What a target is: a place where a kernel under test runs, and one start of the agent there."""

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

    Attributes:
        boot: from the start to the agent's hello.
        silence: between two signs of life after that.
    """

    boot: float = 90.0
    silence: float = 120.0


class Session(Protocol):
    """One start of the agent, from hello to end; used in a ``with`` statement."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...
    def answers(self) -> Iterator[Answer]:
        """The agent's answers as they arrive."""

    def kernel_log(self) -> str:
        """The kernel's log so far; still available when the session has ended."""

    def describe(self) -> dict[str, Any]:
        """Target, accelerator, clock, versions and the command, for ``environment.json``."""

    def kill(self) -> None:
        """End the session from another thread; the reader of its answers sees them end."""


class Target(Protocol):
    """A place where a kernel under test runs."""

    def start(self, requests: Sequence[Request], *, seed: int) -> Session:
        """Start the agent on ``requests``.

        Args:
            requests: all that the session is asked, known before it starts.
            seed: for everything that the target does at random.
        """
