"""Replaying recorded rounds to pytest-benchmark, with the agent's clock as its timer.

pytest-benchmark wants to call a function and read a timer around it.  Our rounds are
timed on the target, so each call of :meth:`Measured.run_round` advances the timer by what
the next recorded round cost per operation.  The timer's "second" is 10⁹ units of
the agent's clock: one nanosecond, or one instruction, reads as 1e-9.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from bench.plan.cells import UNITS, Cell, CellResult, Clock
from bench.run import estimates

PER_SECOND = 1e9


class AgentClock:
    """A timer that stands still but for what the agent has reported."""

    def __init__(self) -> None:
        self._units = 0.0

    def __call__(self) -> float:
        """The time since :meth:`reset`, in units of 10⁹."""
        return self._units / PER_SECOND

    def reset(self) -> None:
        """Start at zero again, so that no round is a difference of large numbers."""
        self._units = 0.0

    def advance(self, units: float) -> None:
        """Let ``units`` of the agent's clock pass."""
        self._units += units


AGENT_CLOCK = AgentClock()


class Measured:
    """One cell as the benchmarks see it: measured already, in all boots."""

    def __init__(self, cell: Cell, results: Sequence[CellResult], clock: Clock) -> None:
        self.cell = cell
        self._results = results
        self._clock = clock
        nets = [value for result in results for value in estimates.net_rounds(result).tolist()]
        self._rounds = [net for net in nets if net == net]
        self._next = iter(self._rounds)

    @property
    def ok(self) -> bool:
        """Whether there is a figure."""
        return all(result.status == "ok" for result in self._results)

    @property
    def rounds(self) -> int:
        """How many rounds there are to replay."""
        return len(self._rounds)

    @property
    def info(self) -> dict[str, Any]:
        """What benchmark.json says of this cell besides its statistics."""
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
        """Skip or fail the test, with the reason, unless there is a figure."""
        for status, end in (("fail", pytest.fail), ("skip", pytest.skip)):
            for result in self._results:
                if result.status == status:
                    end(result.reason)

    def run_round(self) -> None:
        """Let the next recorded round pass on the agent's clock, per operation."""
        AGENT_CLOCK.advance(next(self._next))
