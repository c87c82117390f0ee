# SPDX-License-Identifier: GPL-2.0-only
"""X-rays: the call tree of one operation in the kernel, with the cost of each function.

One boot measures all operations first without the tracer, then with it, since starting the
tracer takes seconds.  The tracer's own cost is calibrated with a function of known cost, and
subtracted.  The sum of each tree is reported beside the untraced cost of its operation.

Under ``instructions`` this works because the tracer executes the same number of instructions
each time.  Under ``time`` the tracer's cost varies.  There it is fitted to each operation, and the
shares of functions are rough.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from bench.errors import SessionLost
from bench.explore import cost_classes
from bench.explore.call_tree import Node, TaskTrees, Tracer, Window, build_trees, calibrate, fit
from bench.explore.cost_classes import OwnClasses
from bench.explore.trace_pages import FORMATS, Layout, TraceError, decode, name_events
from bench.plan.cells import UNITS, Cell, Clock, Operation, Status
from bench.plan.plans import Listing
from bench.targets import kernel_log
from bench.targets.base import Target

VERSION = 1
"""Version of the format of ``xray.json``."""
TOLERANCE = 0.05
"""A tree agrees with the untraced cost if its sum differs by at most this share."""

LARGEST = 5
"""Number of unclassified functions that are named."""

OPERATIONS: tuple[Operation, ...] = ("push", "pull", "call", "notify", "upcall", "dump")
"""Operations that can be traced.  A stream cannot: it is many operations at once."""

CALIBRATION = Cell("syscall", "null", "pull", 0)
"""The operation that calibrates the tracer: a read of /dev/null."""

_RECORDS = 16
"""Records of the table of a dump."""

_CALIBRATION_READS = 40  # consecutive reads

NOT_ENTERED = "This operation does not enter the kernel, so it has no call tree."


@dataclass(frozen=True)
class Xray:
    """The x-ray of one operation.  Costs are in units of the clock.

    Attributes:
        cell: the operation.
        status: ``ok``, ``skip`` or ``fail``.
        reason: one sentence unless ``ok``.
        untraced: cost of one operation without the tracer and without the harness's own cost.
        traced: the same, with the tracer.
        calls: number of function entries.
        unmatched: number of entries or exits without a partner; 0 in a complete trace.
        tree: the call tree, without the tracer's cost; None unless ``ok``.
    """

    cell: Cell
    status: Status
    reason: str = ""
    untraced: float = 0.0
    traced: float = 0.0
    calls: int = 0
    unmatched: int = 0
    tree: Node | None = None

    @property
    def corrected(self) -> float:
        """The sum of the tree, in units of the clock."""
        return self.tree.total if self.tree else 0.0

    @property
    def error(self) -> float:
        """Difference of the tree's sum from the untraced cost, as a share of the latter."""
        return self.corrected / self.untraced - 1 if self.untraced else 0.0

    @property
    def agrees(self) -> bool:
        """Whether the sum of the tree is within :data:`TOLERANCE` of the untraced cost."""
        return abs(self.error) <= TOLERANCE


@dataclass(frozen=True)
class Xrays:
    """All x-rays of a boot.

    Attributes:
        clock: the clock of all costs.
        kernel: release of the kernel; empty if the agent did not report it.
        tracer: the calibrated cost of the tracer; None if the calibration failed.
        operations: one x-ray for each requested cell.
        own_classes: the cost classes that channels name for themselves, by channel.
    """

    clock: Clock
    kernel: str
    tracer: Tracer | None
    operations: tuple[Xray, ...]
    own_classes: Mapping[str, OwnClasses] = field(default_factory=dict)

    def own(self, xray: Xray) -> OwnClasses:
        """The cost classes that the channel of an x-ray names for itself."""
        return self.own_classes.get(xray.cell.channel, cost_classes.NO_OWN)

    @property
    def fitted(self) -> bool:
        """Whether the tracer's cost was fitted to each operation, which makes sums agree anyway."""
        return self.clock == "time"

    def titles(self) -> dict[str, str]:
        """The title of each cost class, also of those that the channels name."""
        titles = dict(cost_classes.TITLES)
        for own in self.own_classes.values():
            titles |= own.titles
        return titles

    def to_json(self) -> dict[str, Any]:
        """The content of ``xray.json``."""
        tracer = self.tracer
        return {
            "version": VERSION,
            "clock": self.clock,
            "unit": UNITS[self.clock],
            "kernel": self.kernel,
            "tolerance": TOLERANCE,
            "tracer": {"call": round(tracer.call, 1), "page": tracer.page} if tracer else None,
            "fitted": self.fitted,
            "classes": self.titles(),
            "operations": [_to_json(xray, self.own(xray)) for xray in self.operations],
        }


def _to_json(xray: Xray, own: OwnClasses) -> dict[str, Any]:
    cell = xray.cell
    values = {
        "channel": cell.channel,
        "mode": cell.mode,
        "operation": cell.operation,
        "size": cell.size,
        "records": cell.records,
        "status": xray.status,
        "reason": xray.reason,
    }
    if xray.tree is None:
        return values
    titles = {id(node): title for node, title in cost_classes.nodes_with_class(xray.tree, own)}
    sums = cost_classes.sums(xray.tree, own)
    unclassified = cost_classes.unclassified(xray.tree, own)
    return values | {
        "untraced": round(xray.untraced, 1),
        "traced": round(xray.traced, 1),
        "corrected": round(xray.corrected, 1),
        "agrees": xray.agrees,
        "calls": xray.calls,
        "unmatched": xray.unmatched,
        "classes": {title: round(units, 1) for title, units in sums.items()},
        "unclassified": {
            "units": round(sum(node.own for node in unclassified), 1),
            "functions": {node.name: round(node.own, 1) for node in unclassified[:LARGEST]},
        },
        "tree": _node_json(xray.tree, titles),
    }


def _node_json(node: Node, titles: dict[int, str]) -> dict[str, Any]:
    values: dict[str, Any] = {
        "name": node.name,
        "module": node.module,
        "class": titles[id(node)],
        "calls": node.calls,
        "total": round(node.total, 1),
        "self": round(node.own, 1),
    }
    if node.children:
        values["children"] = [_node_json(child, titles) for child in node.children]
    return values


# ---- which operations -------------------------------------------------------


def choose(
    channels: Sequence[Listing],
    *,
    operations: Sequence[str] = (),
    mode: str = "",
    size: int | None = None,
) -> list[Cell]:
    """The operations to trace.

    Args:
        channels: channels from the output of ``ringcross_agent --list``.
        operations: only these operations; empty for all except streams.
        mode: only this mode; empty for all.
        size: bytes of body, within the limits of the operation; None for 8.
    """
    return [
        Cell(
            channel["name"],
            entry["name"],
            operation,
            _size(limits, size),
            records=_RECORDS if operation == "dump" else 0,
        )
        for channel in channels
        for operation in OPERATIONS
        if not operations or operation in operations
        for entry in channel["modes"]
        if not mode or entry["name"] == mode
        if (limits := entry["operations"].get(operation))
    ]


def _size(limits: dict[str, int], size: int | None) -> int:
    """``size`` or 8 bytes, the smallest size in all plans, within the limits."""
    return max(limits["min"], min(8 if size is None else size, limits["max"]))


# ---- requests ---------------------------------------------------------------


def requests(cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """The requests of a boot after its setup; ID 0 is the calibration, ID 1 the first cell."""
    numbered = [(CALIBRATION, _CALIBRATION_READS), *((cell, 1) for cell in cells)]
    return [
        {"do": "read", "paths": list(FORMATS)},
        *(
            _request(cell, number, traced=traced, repeat=repeat)
            for traced in (False, True)
            for number, (cell, repeat) in enumerate(numbered)
        ),
    ]


def _request(cell: Cell, number: int, *, traced: bool, repeat: int) -> dict[str, Any]:
    return {
        "do": "xray",
        "id": number,
        "channel": cell.channel,
        "mode": cell.mode,
        "operation": cell.operation,
        "size": cell.size,
        "records": cell.records,
        "context": cell.context,
        "traced": traced,
        "repeat": repeat,
        "deadline_ms": 20_000,
    }


def take(
    target: Target,
    cells: Sequence[Cell],
    clock: Clock,
    *,
    seed: int = 1,
    channels: Sequence[Listing] = (),
) -> Xrays:
    """Take an x-ray of each of ``cells``, in one boot.

    If the machine dies, the answers so far are used, and the other cells fail with the reason.

    Args:
        target: starts the machine.
        cells: the operations to trace.
        clock: what to count.
        seed: seed of the boot.
        channels: listing of the channels, for the cost classes that they name.

    Raises:
        TargetError: the machine cannot be started.
    """
    session_requests = [{"do": "setup", "clock": clock}, *requests(cells)]
    answers: list[dict[str, Any]] = []
    error_text = ""
    with target.start(session_requests, seed=seed) as session:
        try:
            answers.extend(session.answers())
        except SessionLost as error:
            error_text = str(error)
    return read(answers, cells, error_text, channels)


def read(
    answers: Sequence[dict[str, Any]],
    cells: Sequence[Cell],
    error_text: str = "",
    channels: Sequence[Listing] = (),
) -> Xrays:
    """The x-rays from the answers to :func:`requests`.

    Args:
        answers: all answers of the boot; those to other requests are ignored.
        cells: the cells that were requested.
        error_text: why answers are missing; empty if the boot did not end early.
        channels: listing of the channels, for the cost classes that they name.
    """
    reader = _Reader(cells, error_text, set(_without_call(channels)))
    for answer in answers:
        reader.take(answer)
    own = {channel["name"]: OwnClasses.of(channel) for channel in channels if "classes" in channel}
    return replace(reader.finish(), own_classes=own)


def _without_call(channels: Sequence[Listing]) -> Iterator[tuple[str, str, str]]:
    """Channel, mode and operation of each operation that excludes a system call."""
    for channel in channels:
        for mode in channel["modes"]:
            for operation, limits in mode["operations"].items():
                if "call" in limits.get("excludes", ()):
                    yield channel["name"], mode["name"], operation


# ---- x-rays of a run --------------------------------------------------------


def run_requests(channels: Sequence[Listing], brief: bool) -> list[dict[str, Any]]:
    """The requests of a run, for all modes of ``channels`` or, if ``brief``, for some."""
    return requests(_brief_cells(channels) if brief else choose(channels))


def document(
    answers: Sequence[dict[str, Any]], error_text: str, channels: Sequence[Listing], brief: bool
) -> dict[str, Any]:
    """The content of ``xray.json``; if ``brief``, each omitted cell is skipped with a reason.

    Args:
        answers: all answers of the boot.
        error_text: why answers are missing; empty if the boot did not end early.
        channels: listing of the measured channels.
        brief: whether the requests were brief.
    """
    cells = choose(channels)
    if not brief:
        return read(answers, cells, error_text, channels).to_json()
    traced = _brief_cells(channels)
    xrays = read(answers, traced, error_text, channels)
    omitted = tuple(_omitted(cell) for cell in cells if cell not in traced)
    return replace(xrays, operations=(*xrays.operations, *omitted)).to_json()


def _brief_cells(channels: Sequence[Listing]) -> list[Cell]:
    """The first mode of each operation of a channel; all modes of a baseline."""
    baselines = {channel["name"] for channel in channels if channel.get("baseline")}
    cells: dict[tuple[str, ...], Cell] = {}
    for cell in choose(channels):
        mode = cell.mode if cell.channel in baselines else ""
        cells.setdefault((cell.channel, mode, cell.operation), cell)
    return list(cells.values())


def _omitted(cell: Cell) -> Xray:
    command = f"ringcross xray {cell.channel} --mode {cell.mode} --operation {cell.operation}"
    reason = f"Only the full plan takes an x-ray of every mode. To take this one: {command}."
    return Xray(cell, "skip", reason)


# ---- answers ----------------------------------------------------------------


class _Reader:
    """Converts the answers of one session to x-rays."""

    def __init__(
        self, cells: Sequence[Cell], error_text: str, without_call: Set[tuple[str, str, str]]
    ) -> None:
        self._error_text = error_text
        self._cells = cells
        self._without_call = without_call
        self._clock: Clock = "instructions"
        self._kernel = ""
        self._files: dict[str, str | None] = {}
        self._untraced: dict[int, dict[str, Any]] = {}
        self._tracer: Tracer | None = None
        self._xrays: dict[int, Xray] = {}

    def take(self, answer: dict[str, Any]) -> None:
        """Process one answer."""
        if answer["re"] == "hello":
            self._kernel = str(answer["kernel"])
        elif answer["re"] == "setup":
            self._clock = answer["clock"]
        elif answer["re"] == "read":
            self._files |= answer["files"]
        elif answer["re"] == "error":
            self._error_text = f"The agent refused a request: {answer.get('reason', '')}"
        elif answer["re"] == "xray" and not answer["traced"]:
            self._untraced[int(answer["id"])] = answer
        elif answer["re"] == "xray":
            self._traced(int(answer["id"]), answer)

    def finish(self) -> Xrays:
        """The x-rays of all cells; a cell without an answer fails."""
        reason = self._error_text or "The agent ended without an answer for this operation."
        operations = (
            self._xrays.get(number) or Xray(cell, "fail", reason)
            for number, cell in enumerate(self._cells, start=1)
        )
        return Xrays(self._clock, self._kernel, self._tracer, tuple(operations))

    def _traced(self, number: int, answer: dict[str, Any]) -> None:
        untraced = self._untraced.get(number, {})
        bad = next((each for each in (untraced, answer) if each.get("status") != "ok"), None)
        cell = self._cells[number - 1] if number else CALIBRATION
        if bad is not None:
            xray = Xray(cell, bad.get("status", "fail"), str(bad.get("reason", "")))
        elif log := kernel_log.verdict((*untraced["log"], *answer["log"])):
            xray = Xray(cell, "fail", log)
        else:
            xray = self._decode_trace(cell, number, untraced, answer)
        if number:
            self._xrays[number] = xray
        elif xray.status != "ok":
            self._error_text = self._error_text or xray.reason

    def _decode_trace(
        self, cell: Cell, number: int, untraced: dict[str, Any], answer: dict[str, Any]
    ) -> Xray:
        try:
            window = _window(answer, Layout.parse(self._files))
            if not number:
                self._tracer = calibrate(window, untraced["units"], self._clock)
                return Xray(cell, "ok")
            if self._tracer is None:
                return Xray(cell, "fail", self._error_text or "The tracer was not calibrated.")
            if self._is_not_entered(cell, window):
                return Xray(cell, "skip", NOT_ENTERED)
            tracer = self._tracer
            if self._clock == "time":
                tracer = fit(tracer, window, untraced["units"])
            trees = build_trees(window, tracer, dict(_tasks(answer["tasks"])))
        except TraceError as error:
            return Xray(cell, "fail", str(error))
        tree = operation_tree(trees, answer["overhead"])
        if tree.total <= 0:
            return Xray(
                cell, "fail", "The cost of the tracer varies by more than the operation costs."
            )
        return Xray(
            cell,
            "ok",
            untraced=untraced["units"] - untraced["overhead"],
            traced=answer["units"] - answer["overhead"],
            calls=trees.calls,
            unmatched=trees.unmatched,
            tree=tree,
        )

    def _is_not_entered(self, cell: Cell, window: Window) -> bool:
        """Whether the tracer recorded, but no event of an operation without a system call."""
        says_so = (cell.channel, cell.mode, cell.operation) in self._without_call
        return says_so and bool(window.events) and not window.inside()


def _window(answer: dict[str, Any], layout: Layout) -> Window:
    if answer.get("dropped"):
        raise TraceError(
            f"The tracer lost {answer['dropped']} events because its buffer was too small."
        )
    pages = np.asarray(answer["samples"], dtype="<u8").tobytes()
    events = name_events(decode(pages, layout), answer["names"].splitlines())
    return Window(tuple(events), answer["start"], answer["end"])


def _tasks(text: str) -> Iterator[tuple[int, str]]:
    """Process IDs and names of tasks; the name of a worker without its work queue."""
    for line in text.splitlines():
        number, _, name = line.partition(" ")
        yield int(number), name.partition("-")[0] if name.startswith("kworker") else name


def operation_tree(trees: TaskTrees, overhead: float) -> Node:
    """One tree of all tasks, without the harness's own cost.

    The harness runs in user space, so its cost is subtracted from the root node of the measuring
    process.  That node is named ``task:process``, or ``operation`` if no other task ran.
    """
    process = replace(trees.last, name="task:process", own=trees.last.own - overhead)
    if len(trees.tasks) == 1:
        return replace(process, name="operation", calls=1)
    tasks = tuple(process if task is trees.last else task for task in trees.tasks)
    return Node("operation", "", 0.0, 1, tasks)
