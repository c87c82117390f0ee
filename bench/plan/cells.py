"""The words of a measurement: operations, clocks, cells and their results."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

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


SEARCH = "search"
"""The rate of a stream that is to be found: the highest one without loss."""


@dataclass(frozen=True, order=True)
class Cell:
    """One point to measure: what is done, with messages of which size, and every factor.

    Attributes:
        channel: folder name under ``modules/``.
        mode: one of the channel's modes.
        operation: one of :data:`OPERATIONS`.
        size: bytes of body.
        threads: threads that do the operation at once.
        context: where the kernel raises events: ``process``, ``softirq``, ``hardirq``, or
            ``default``: softirq where the channel can, else process; process for a stream
            without a rate.
        rate: of a stream: empty for as fast as it goes, :data:`SEARCH`, or messages offered
            per second or per million instructions.
        burst: events of a stream in a row.
        wait: how the user waits: ``block``, ``poll`` or ``busy``; empty as the mode does.
        queue: how much the channel may queue, in its own unit; 0 for what the system gives.
        skip: why the cell is not measured; empty when it is.
    """

    channel: str
    mode: str
    operation: Operation
    size: int
    threads: int = 1
    context: str = "default"
    rate: str = ""
    burst: int = 1
    wait: str = ""
    queue: int = 0
    skip: str = field(default="", compare=False)

    @property
    def name(self) -> str:
        """Stable name, e.g. ``netlink-unicast-push-64``, or ``signal-pull`` to skip.

        A factor is spelled out where it is not the usual one, as in
        ``netlink-unicast-stream-8-search-burst16``.
        """
        parts = (self.channel, self.mode, self.operation, str(self.size) if self.mode else "")
        return "-".join(part for part in (*parts, *self.factors) if part)

    @property
    def factors(self) -> tuple[str, ...]:
        """What differs from the usual, each in one word."""
        rate = f"rate{self.rate}" if self.rate not in ("", SEARCH) else self.rate
        found = (
            "" if self.context == usual_context(self.operation, self.rate) else self.context,
            rate,
            f"burst{self.burst}" if self.burst > 1 else "",
            self.wait,
            f"queue{self.queue}" if self.queue else "",
            f"threads{self.threads}" if self.threads > 1 else "",
        )
        return tuple(word for word in found if word)


def usual_context(operation: Operation, rate: str) -> str:
    """Where events come from unless asked otherwise; only a thread can go as fast as it can."""
    return "process" if operation == "stream" and not rate else "default"


def interval_of(cell: Cell, clock: Clock) -> int:
    """Nanoseconds between two bursts at the cell's rate; 0 without one, or to be found.

    Under emulation by icount an instruction lasts a nanosecond.
    """
    if cell.rate in ("", SEARCH):
        return 0
    return max(1, round(cell.burst * PER[clock][0] / float(cell.rate)))


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
        stream: per round ``emitted``, ``refused``, ``delivered``, ``lost``,
            ``reordered``, ``duplicated``, ``overruns`` and ``span``; empty for the other
            operations.
        interval: nanoseconds between the bursts of a stream, as asked for or as found.
        bound: what a shorter interval would bring, where one was searched.
        trials: columns of what was tried to find it, and around it.
        cpu: under time, nanoseconds over all rounds: how long they were watched (``wall``), and
            the processor time of the ``user`` side, and of all ``other`` where the machine tells.
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
    interval: int = 0
    bound: str = ""
    trials: dict[str, Any] = field(default_factory=dict)
    cpu: dict[str, int] = field(default_factory=dict)
    log: tuple[str, ...] = ()
    boot: int = 0
    load: int = 0


def failed(cell: Cell, reason: str, boot: int = 0, load: int = 0) -> CellResult:
    """The result of a cell that could not be measured to its end, and why."""
    return CellResult(cell=cell, status="fail", reason=reason, boot=boot, load=load)


def skipped(cell: Cell) -> CellResult:
    """The result of a cell that is not to be measured at all."""
    return CellResult(cell=cell, status="skip", reason=cell.skip)
