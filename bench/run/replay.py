# SPDX-License-Identifier: GPL-2.0-only
"""Replays recorded rounds to pytest-benchmark, with the agent's clock as its timer.

pytest-benchmark calls a function and reads a timer before and after the call.  The agent
times its rounds on the target.  Each call of :meth:`Measured.run_round` therefore advances
the timer by the net cost per operation of the next recorded round.  One "second" of the
timer is 10⁹ units of the agent's clock: one nanosecond or one instruction reads as 1e-9.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import pytest

from bench.plan.cells import UNITS, Cell, CellResult, Clock
from bench.run import estimates

PER_SECOND = 1e9


class AgentClock:
    """A timer that only advances by the costs that the agent reported."""

    def __init__(self) -> None:
        self._units = 0.0

    def __call__(self) -> float:
        """The time since :meth:`reset`, in 10⁹ units of the agent's clock."""
        return self._units / PER_SECOND

    def reset(self) -> None:
        """Set the timer to zero, so that no round is a small difference of large numbers."""
        self._units = 0.0

    def advance(self, units: float) -> None:
        """Advance by ``units`` of the agent's clock."""
        self._units += units


AGENT_CLOCK = AgentClock()
"""The timer that pytest-benchmark reads."""


class BenchmarkFile(os.PathLike[str]):
    """The file ``benchmark.json``, in the form that each version of pytest-benchmark expects.

    From 5.3 on, its session has the path of the file and opens it. Before, it has an open file
    and uses it in a ``with`` statement. This class opens the file there, so that an earlier end
    of the session leaves no empty file behind.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None

    def __fspath__(self) -> str:
        return os.fspath(self._path)

    def __enter__(self) -> BinaryIO:
        self._file = self._path.open("wb")
        return self._file

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        if self._file is not None:
            self._file.close()


class Measured:
    """A measured cell, in the form that a benchmark test receives.

    Args:
        cell: the measured cell.
        results: its results, one per load and boot; at least one.
        clock: the clock of the run.
    """

    def __init__(self, cell: Cell, results: Sequence[CellResult], clock: Clock) -> None:
        self.cell = cell
        self._results = results
        self._clock = clock
        nets = [value for result in results for value in estimates.net_rounds(result).tolist()]
        self._rounds = [net for net in nets if net == net]
        self._next = iter(self._rounds)

    @property
    def ok(self) -> bool:
        """Whether the cell has a figure: all results are ok."""
        return all(result.status == "ok" for result in self._results)

    @property
    def rounds(self) -> int:
        """Number of rounds to replay."""
        return len(self._rounds)

    @property
    def info(self) -> dict[str, Any]:
        """The ``extra_info`` of this cell in ``benchmark.json``."""
        unit = UNITS[self._clock]
        return {
            "channel": self.cell.channel,
            "mode": self.cell.mode,
            "operation": self.cell.operation,
            "size": self.cell.size,
            "factors": " ".join(self.cell.factors),
            "clock": self._clock,
            "unit": unit,
            "scale": f"1e-9 of a 'second' is 1 {unit} per operation",
            "n": self._results[0].n,
            "boots": len(self._results),
        }

    def require(self) -> None:
        """Skip or fail the test with the recorded reason, unless the cell has a figure."""
        for status, end in (("fail", pytest.fail), ("skip", pytest.skip)):
            for result in self._results:
                if result.status == status:
                    end(result.reason)

    def run_round(self) -> None:
        """Advance :data:`AGENT_CLOCK` by the net cost per operation of the next round.

        Raises:
            StopIteration: all rounds have been replayed.
        """
        AGENT_CLOCK.advance(next(self._next))
