"""The words of a measurement: operations, clocks, cells and their results."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Operation = Literal["push", "pull", "call", "notify", "stream"]
Clock = Literal["time", "instructions"]
Status = Literal["ok", "skip", "fail"]

OPERATIONS: tuple[Operation, ...] = ("push", "pull", "call", "notify", "stream")
UNITS: dict[Clock, str] = {"time": "ns", "instructions": "instructions"}
PER: dict[Clock, tuple[float, str]] = {
    "time": (1e9, "second"),
    "instructions": (1e6, "million instructions"),
}
"""How many units of the clock a rate is given per, and what that is called."""


@dataclass(frozen=True, order=True)
class Cell:
    """One point to measure: channel, mode, operation, size and threads.

    Attributes:
        channel: folder name under ``modules/``.
        mode: one of the channel's modes.
        operation: one of :data:`OPERATIONS`.
        size: bytes of body.
        threads: threads that do the operation.
        context: where the kernel raises events: ``process``, ``softirq``, ``hardirq``, or
            ``default``: softirq where the channel can, else process.
        interval: nanoseconds between two bursts of a stream, 0 for as fast as it goes.
        burst: events in a row.
        skip: why the cell is not measured; empty when it is.
    """

    channel: str
    mode: str
    operation: Operation
    size: int
    threads: int = 1
    context: str = "default"
    interval: int = 0
    burst: int = 1
    skip: str = field(default="", compare=False)

    @property
    def name(self) -> str:
        """Stable name, e.g. ``netlink-unicast-push-64``, or ``signal-pull`` to skip."""
        parts = (self.channel, self.mode, self.operation, str(self.size) if self.mode else "")
        return "-".join(part for part in parts if part)


@dataclass(frozen=True)
class CellResult:
    """What the agent answered for one cell in one load of one boot.

    Attributes:
        cell: the point that was measured.
        status: ``ok``, ``skip`` or ``fail``.
        reason: one sentence when not ``ok``.
        n: operations per round.
        rounds: raw units per round, over ``n`` operations.
        samples: raw units per single operation.
        round_overhead: units of each round's total that are the harness's own.
        sample_overhead: units of each sample that are.
        context: where events were raised, as the agent says; empty when none were.
        stream: per round ``raised``, ``refused``, ``delivered``, ``lost``,
            ``reordered``, ``duplicated``; empty for the other operations.
        log: kernel log lines of the cell.
        boot: number of the boot within the run.
        load: number of the module's load within the boot.
    """

    cell: Cell
    status: Status
    reason: str = ""
    n: int = 0
    rounds: tuple[int, ...] = ()
    samples: tuple[int, ...] = ()
    round_overhead: float = 0.0
    sample_overhead: float = 0.0
    context: str = ""
    stream: dict[str, tuple[int, ...]] = field(default_factory=dict)
    log: tuple[str, ...] = ()
    boot: int = 0
    load: int = 0


def failed(cell: Cell, reason: str, boot: int = 0, load: int = 0) -> CellResult:
    """The result of a cell that could not be measured to its end, and why."""
    return CellResult(cell=cell, status="fail", reason=reason, boot=boot, load=load)


def skipped(cell: Cell) -> CellResult:
    """The result of a cell that is not to be measured at all."""
    return CellResult(cell=cell, status="skip", reason=cell.skip)
