# SPDX-License-Identifier: GPL-2.0-only
"""Operations, clocks, cells and their results."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Operation = Literal["push", "pull", "call", "notify", "stream", "upcall", "dump"]
Clock = Literal["time", "instructions"]
Status = Literal["ok", "skip", "fail"]

OPERATIONS: tuple[Operation, ...] = ("push", "pull", "call", "notify", "stream", "upcall", "dump")
UNITS: dict[Clock, str] = {"time": "ns", "instructions": "instructions"}
PER: dict[Clock, tuple[float, str]] = {
    "time": (1e9, "second"),
    "instructions": (1e6, "million instructions"),
}
"""The base of a rate, per clock: its number of clock units, and its name."""

STREAM_COSTS = ("overheads", "producer", "consumer")
"""Costs of a stream that the agent reports per round; see :class:`CellResult`."""
EVENTS = ("cycles_user", "cycles_kernel", "instructions_user", "instructions_kernel")
"""Hardware events that are counted under ``time`` where the machine has counters."""

SEARCH = "search"
"""The rate of a stream whose highest rate without loss is to be found."""


@dataclass(frozen=True, order=True)
class Cell:
    """One point to measure: channel, mode, operation, message size and all other factors.

    Attributes:
        channel: folder name under ``modules/``.
        mode: one of the channel's modes.
        operation: one of :data:`OPERATIONS`.
        size: bytes of body; of a dump, bytes of a record.
        threads: number of threads that run the operation concurrently.
        context: where the kernel emits events: ``process``, ``softirq``, ``hardirq`` or
            ``default``. ``default`` is softirq if the channel supports it, else process. The
            usual context of a stream without a rate is ``process``.
        rate: the rate of a stream: empty for the maximum, :data:`SEARCH`, or messages offered
            per second or per million instructions.
        burst: events of a stream that are emitted together.
        wait: how the reader waits: ``block``, ``poll`` or ``busy``; empty for the usual way of
            the mode.
        queue: length of the channel's queue, in its own unit; 0 for the system's default.
        placement: where the other end of the conversation runs, from
            :data:`bench.plan.factors.PLACEMENTS`; empty for the usual one, which is the same
            CPU, and for an operation with one end.
        records: records of the table that a dump delivers; 0 for all other operations.
        skip: why the cell is not measured; empty if it is.
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
    placement: str = ""
    records: int = 0
    skip: str = field(default="", compare=False)

    @property
    def name(self) -> str:
        """Stable name, e.g. ``netlink-unicast-push-64``, or ``signal-pull`` if no mode has it.

        The name contains each factor that does not have its usual value, as in
        ``netlink-unicast-stream-8-search-burst16``.
        """
        parts = (self.channel, self.mode, self.operation, str(self.size) if self.mode else "")
        return "-".join(part for part in (*parts, *self.factors) if part)

    @property
    def factors(self) -> tuple[str, ...]:
        """The factors that do not have their usual value, one word each."""
        rate = f"rate{self.rate}" if self.rate not in ("", SEARCH) else self.rate
        words = (
            "" if self.context == usual_context(self.operation, self.rate) else self.context,
            rate,
            f"burst{self.burst}" if self.burst > 1 else "",
            self.wait,
            f"queue{self.queue}" if self.queue else "",
            f"threads{self.threads}" if self.threads > 1 else "",
            self.placement,
            f"records{self.records}" if self.records else "",
        )
        return tuple(word for word in words if word)


def usual_context(operation: Operation, rate: str) -> str:
    """The context of an operation by default.

    Only a thread can emit at the maximum rate, so a stream without a rate uses ``process``.
    """
    return "process" if operation == "stream" and not rate else "default"


def interval_of(cell: Cell, clock: Clock) -> int:
    """Nanoseconds between two bursts at the cell's rate; 0 without a rate or for :data:`SEARCH`.

    Under the ``instructions`` clock one instruction lasts one nanosecond (QEMU's icount).
    """
    if cell.rate in ("", SEARCH):
        return 0
    return max(1, round(cell.burst * PER[clock][0] / float(cell.rate)))


@dataclass(frozen=True)
class CellResult:
    """The agent's result for one cell, in one load of one boot.

    Attributes:
        cell: the point that was measured.
        status: ``ok``, ``skip`` or ``fail``.
        reason: one sentence if the status is not ``ok``.
        n: operations per round.
        rounds: clock units of each round, over ``n`` operations, overhead included.
        samples: clock units of single operations, overhead included.
        round_overhead: the harness's own share of each round, in clock units.
        sample_overhead: the harness's own share of each sample, in clock units.
        context: where events were emitted, as the agent reports; empty if there were none.
        placement: where both ends ran relative to each other, as the agent reports; empty under
            ``instructions`` and for an operation with one end.
        user_cpu, other_cpu: the CPUs of both ends; None where there was no such end, or where
            it was not pinned.
        stream: per round ``emitted``, ``refused``, ``delivered``, ``lost``,
            ``reordered``, ``duplicated``, ``overruns`` and ``span``; empty for the other
            operations.
        costs: for a stream, per round: ``overheads``, the harness's own share of the round in clock
            units, instead of ``round_overhead``; ``producer`` and ``consumer``, what each end
            needed for a message, net. None where it was not measured.
        interval: nanoseconds between the bursts of a stream, as requested or as found by the
            rate search.
        bound: for a rate search, the verdict that a shorter interval gets.
        trials: the trials of a rate search and of the sweep around its result, as columns.
        cpu: under the ``time`` clock, nanoseconds over all rounds: their duration (``wall``),
            the processor time of the user side (``user``), and of everything else (``other``)
            if the machine reports it.
        events: hardware events of the user side per operation, one list per event of
            :data:`EVENTS`, with one value per counted round; empty where none are counted.
        controls: under the ``time`` clock, raw units of the controls over ``control_n`` operations
            each; round ``i`` lies between controls ``i`` and ``i + 1``. Empty without controls.
        control_n: operations in a control.
        control_size: bytes that each operation of a control carries.
        control_overhead: the harness's own share of each control, in units.
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
    placement: str = ""
    user_cpu: int | None = None
    other_cpu: int | None = None
    stream: dict[str, tuple[int, ...]] = field(default_factory=dict)
    costs: dict[str, tuple[float | None, ...]] = field(default_factory=dict)
    interval: int = 0
    bound: str = ""
    trials: dict[str, Any] = field(default_factory=dict)
    cpu: dict[str, int] = field(default_factory=dict)
    events: dict[str, tuple[float, ...]] = field(default_factory=dict)
    controls: tuple[int, ...] = ()
    control_n: int = 0
    control_size: int = 0
    control_overhead: float = 0.0
    log: tuple[str, ...] = ()
    boot: int = 0
    load: int = 0


def failed(cell: Cell, reason: str, boot: int = 0, load: int = 0) -> CellResult:
    """The result of a cell whose measurement failed, with the reason."""
    return CellResult(cell=cell, status="fail", reason=reason, boot=boot, load=load)


def skipped(cell: Cell) -> CellResult:
    """The result of a cell that is not measured; the reason is the cell's own."""
    return CellResult(cell=cell, status="skip", reason=cell.skip)
