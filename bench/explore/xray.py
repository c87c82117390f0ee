"""The x-ray: the calls that the kernel makes for one operation, and what each of them costs.

All is done in one boot: first each operation without the tracer, then each with it, since
starting the tracer takes seconds.  The tracer's own cost is measured where the truth is known
and taken off; what the trees then add up to stands beside what the operations cost untraced.

That holds for instructions, of which the tracer takes the same number each time.  In time it does
not: there its cost is fitted to each operation, and shares are rough.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bench.errors import SessionLost
from bench.explore import cost_classes
from bench.explore.call_tree import Node, Tracer, Walk, Window, calibrate, fit, walk
from bench.explore.trace_pages import FORMATS, Layout, TraceError, decode, name_events
from bench.plan.cells import UNITS, Cell, Clock, Operation, Status
from bench.plan.plans import Listing
from bench.targets import kernel_log
from bench.targets.base import Target

VERSION = 1
TOLERANCE = 0.05
"""How far a tree's sum may be from the untraced cost until the two are said to differ."""

SEEN_THROUGH: tuple[Operation, ...] = ("push", "pull", "call", "notify")
"""What can be looked through: a stream is many operations at once."""

CALIBRATION = Cell("syscall", "null", "pull", 0)
"""What the tracer is calibrated by: a read of /dev/null."""

_REPEAT = 40  # reads in a row to calibrate by


@dataclass(frozen=True)
class Xray:
    """One operation seen through.

    Attributes:
        cell: the operation.
        status: ``ok``, ``skip`` or ``fail``.
        reason: one sentence when not ``ok``.
        untraced: units of one operation without the tracer, the harness's cost taken off.
        traced: the same with the tracer.
        calls: functions entered.
        unmatched: functions left that were never entered, and the like; 0 in a whole trace.
        tree: the calls, with the tracer's cost taken off.
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
        """What the tree adds up to, in units."""
        return self.tree.total if self.tree else 0.0

    @property
    def error(self) -> float:
        """How far that is from the untraced cost, as a share of it."""
        return self.corrected / self.untraced - 1 if self.untraced else 0.0

    @property
    def agrees(self) -> bool:
        """Whether the tree adds up to what the operation costs untraced."""
        return abs(self.error) <= TOLERANCE


@dataclass(frozen=True)
class Xrays:
    """All x-rays of a run, and how the tracer was seen through."""

    clock: Clock
    kernel: str
    tracer: Tracer | None
    operations: tuple[Xray, ...]

    @property
    def fitted(self) -> bool:
        """Whether the tracer's cost was fitted to each operation, so that trees add up anyway."""
        return self.clock == "time"

    def to_json(self) -> dict[str, Any]:
        """What ``xray.json`` holds."""
        tracer = self.tracer
        return {
            "version": VERSION,
            "clock": self.clock,
            "unit": UNITS[self.clock],
            "kernel": self.kernel,
            "tolerance": TOLERANCE,
            "tracer": {"call": round(tracer.call, 1), "page": tracer.page} if tracer else None,
            "fitted": self.fitted,
            "classes": cost_classes.TITLES,
            "operations": [_to_json(xray) for xray in self.operations],
        }


def _to_json(xray: Xray) -> dict[str, Any]:
    cell = xray.cell
    values = {
        "channel": cell.channel,
        "mode": cell.mode,
        "operation": cell.operation,
        "size": cell.size,
        "status": xray.status,
        "reason": xray.reason,
    }
    if xray.tree is None:
        return values
    titles = {id(node): title for node, title in cost_classes.classified(xray.tree)}
    sums = cost_classes.sums(xray.tree)
    return values | {
        "untraced": round(xray.untraced, 1),
        "traced": round(xray.traced, 1),
        "corrected": round(xray.corrected, 1),
        "agrees": xray.agrees,
        "calls": xray.calls,
        "unmatched": xray.unmatched,
        "classes": {title: round(units, 1) for title, units in sums.items()},
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
    """The operations to look through, each with the smallest message unless told otherwise.

    Args:
        channels: as ``ringcross_agent --list`` tells them.
        operations: only these; all but streams when empty.
        mode: only this one; all when empty.
        size: bytes of body, as far as the operation can carry them.
    """
    return [
        Cell(channel["name"], entry["name"], operation, _size(limits, size))
        for channel in channels
        for operation in SEEN_THROUGH
        if not operations or operation in operations
        for entry in channel["modes"]
        if not mode or entry["name"] == mode
        if (limits := entry["operations"].get(operation))
    ]


def _size(limits: dict[str, int], size: int | None) -> int:
    """8 bytes, the smallest of all plans, unless ``size`` says otherwise."""
    return max(limits["min"], min(8 if size is None else size, limits["max"]))


# ---- asking -----------------------------------------------------------------


def requests(cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """What a boot is asked once it is set up; number 0 is the calibration, 1 the first cell."""
    every = [(CALIBRATION, _REPEAT), *((cell, 1) for cell in cells)]
    return [
        {"do": "read", "paths": list(FORMATS)},
        *(
            _request(cell, number, traced=traced, repeat=repeat)
            for traced in (False, True)
            for number, (cell, repeat) in enumerate(every)
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
        "context": cell.context,
        "traced": traced,
        "repeat": repeat,
        "deadline_ms": 20_000,
    }


def take(target: Target, cells: Sequence[Cell], clock: Clock, *, seed: int = 1) -> Xrays:
    """Look through ``cells`` in a boot of its own.

    A machine that dies leaves what it has told; the rest then fails with the reason.

    Raises:
        TargetError: no machine could be had.
    """
    asked = [{"do": "setup", "clock": clock}, *requests(cells)]
    answers: list[dict[str, Any]] = []
    trouble = ""
    with target.start(asked, seed=seed) as session:
        try:
            answers.extend(session.answers())
        except SessionLost as error:
            trouble = str(error)
    return read(answers, cells, trouble)


def read(answers: Sequence[dict[str, Any]], cells: Sequence[Cell], trouble: str = "") -> Xrays:
    """What the answers to :func:`requests` show; ``trouble`` is why some may be missing."""
    reader = _Reader(cells, trouble)
    for answer in answers:
        reader.take(answer)
    return reader.finish()


# ---- as a part of a run -----------------------------------------------------


def ask(channels: Sequence[Listing], brief: bool) -> list[dict[str, Any]]:
    """All operations of some channels, or few; see :mod:`bench.run.exploration`."""
    return requests(_first(channels) if brief else choose(channels))


def document(
    answers: Sequence[dict[str, Any]], trouble: str, channels: Sequence[Listing], brief: bool
) -> dict[str, Any]:
    """What ``xray.json`` holds; when ``brief``, with a word on what was left out."""
    every = choose(channels)
    if not brief:
        return read(answers, every, trouble).to_json()
    first = _first(channels)
    found = read(answers, first, trouble)
    left = tuple(_left_out(cell) for cell in every if cell not in first)
    return replace(found, operations=(*found.operations, *left)).to_json()


def _first(channels: Sequence[Listing]) -> list[Cell]:
    """Of each operation of a channel the first mode that has it; of a baseline every one."""
    baselines = {channel["name"] for channel in channels if channel.get("baseline")}
    found: dict[tuple[str, ...], Cell] = {}
    for cell in choose(channels):
        mode = cell.mode if cell.channel in baselines else ""
        found.setdefault((cell.channel, mode, cell.operation), cell)
    return list(found.values())


def _left_out(cell: Cell) -> Xray:
    command = f"ringcross xray {cell.channel} --mode {cell.mode} --operation {cell.operation}"
    reason = f"The full plan alone looks through each mode; this shows it: {command}."
    return Xray(cell, "skip", reason)


# ---- what the answers mean --------------------------------------------------


class _Reader:
    """Makes x-rays out of the answers of one session."""

    def __init__(self, cells: Sequence[Cell], trouble: str) -> None:
        self._trouble = trouble
        self._cells = cells
        self._clock: Clock = "instructions"
        self._kernel = ""
        self._files: dict[str, str | None] = {}
        self._untraced: dict[int, dict[str, Any]] = {}
        self._tracer: Tracer | None = None
        self._found: dict[int, Xray] = {}

    def take(self, answer: dict[str, Any]) -> None:
        """Learn from one answer."""
        if answer["re"] == "hello":
            self._kernel = str(answer["kernel"])
        elif answer["re"] == "setup":
            self._clock = answer["clock"]
        elif answer["re"] == "read":
            self._files |= answer["files"]
        elif answer["re"] == "error":
            self._trouble = f"The agent refused a request: {answer.get('reason', '')}"
        elif answer["re"] == "xray" and not answer["traced"]:
            self._untraced[int(answer["id"])] = answer
        elif answer["re"] == "xray":
            self._traced(int(answer["id"]), answer)

    def finish(self) -> Xrays:
        """All that was found; what is missing fails."""
        trouble = self._trouble or "The agent ended without an answer for this operation."
        found = (
            self._found.get(number) or Xray(cell, "fail", trouble)
            for number, cell in enumerate(self._cells, start=1)
        )
        return Xrays(self._clock, self._kernel, self._tracer, tuple(found))

    def _traced(self, number: int, answer: dict[str, Any]) -> None:
        untraced = self._untraced.get(number, {})
        bad = next((told for told in (untraced, answer) if told.get("status") != "ok"), None)
        cell = self._cells[number - 1] if number else CALIBRATION
        if bad is not None:
            xray = Xray(cell, bad.get("status", "fail"), str(bad.get("reason", "")))
        elif log := kernel_log.verdict((*untraced["log"], *answer["log"])):
            xray = Xray(cell, "fail", log)
        else:
            xray = self._understood(cell, number, untraced, answer)
        if number:
            self._found[number] = xray
        elif xray.status != "ok":
            self._trouble = self._trouble or xray.reason

    def _understood(
        self, cell: Cell, number: int, untraced: dict[str, Any], answer: dict[str, Any]
    ) -> Xray:
        try:
            window = _window(answer, Layout.parse(self._files))
            if not number:
                self._tracer = calibrate(window, untraced["units"], self._clock)
                return Xray(cell, "ok")
            if self._tracer is None:
                return Xray(cell, "fail", self._trouble or "The tracer was not calibrated.")
            tracer = self._tracer
            if self._clock == "time":
                tracer = fit(tracer, window, untraced["units"])
            seen = walk(window, tracer, dict(_tasks(answer["tasks"])))
        except TraceError as error:
            return Xray(cell, "fail", str(error))
        tree = whole(seen, answer["overhead"])
        if tree.total <= 0:
            return Xray(cell, "fail", "The tracer's cost varies more than the operation costs.")
        return Xray(
            cell,
            "ok",
            untraced=untraced["units"] - untraced["overhead"],
            traced=answer["units"] - answer["overhead"],
            calls=seen.calls,
            unmatched=seen.unmatched,
            tree=tree,
        )


def _window(answer: dict[str, Any], layout: Layout) -> Window:
    if answer.get("dropped"):
        raise TraceError(f"The tracer's buffer was too small: it lost {answer['dropped']} events.")
    pages = np.asarray(answer["samples"], dtype="<u8").tobytes()
    events = name_events(decode(pages, layout), answer["names"].splitlines())
    return Window(tuple(events), answer["start"], answer["end"])


def _tasks(text: str) -> Iterator[tuple[int, str]]:
    """Numbers and names of processes; a worker's name without what it has worked on."""
    for line in text.splitlines():
        number, _, name = line.partition(" ")
        yield int(number), name.partition("-")[0] if name.startswith("kworker") else name


def whole(seen: Walk, overhead: float) -> Node:
    """One tree of all tasks, without the harness's own share.

    That share is in user space, which is the process's own part: its node is called
    ``task:process``, or ``operation`` when no other task took part.
    """
    process = replace(seen.last, name="task:process", own=seen.last.own - overhead)
    if len(seen.tasks) == 1:
        return replace(process, name="operation", calls=1)
    tasks = tuple(process if task is seen.last else task for task in seen.tasks)
    return Node("operation", "", 0.0, 1, tasks)


def by_own_cost(root: Node) -> list[Node]:
    """Each function of a tree once, with its own cost wherever it was called, the dearest first."""
    found: dict[tuple[str, str], Node] = {}
    for node in root.walk():
        had = found.get((node.name, node.module), Node(node.name, node.module, 0.0, 0))
        found[node.name, node.module] = replace(
            had, own=had.own + node.own, calls=had.calls + node.calls
        )
    return sorted(found.values(), key=lambda node: (-node.own, node.name))
