# SPDX-License-Identifier: GPL-2.0-only
"""Builds call trees from function entries and exits, without the tracer's own cost.

Between two events the kernel runs its own code and some of the tracer's: the part of the tracer
after the timestamp of the first event, and the part before the timestamp of the second.  The
cost of these parts is always the same, so five numbers describe it: two for an entry, two for an
exit, and one for a new page.  They are measured with a kernel function that does nothing, whose
cost is known.  All costs are in units of the clock.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from bench.explore.trace_pages import Event, TraceError
from bench.plan.cells import Clock

EMPTY_FUNCTION = "read_null"
"""A kernel function that does nothing: the handler for a read of /dev/null."""

_EMPTY_FUNCTION_BODY: dict[Clock, float] = {"instructions": 3, "time": 0}
"""Cost of its body: it sets its result and returns through the kernel's return thunk."""

_EPILOGUE: dict[Clock, float] = {"instructions": 2, "time": 0}
"""The least cost of a function after its last call: it releases its frame and returns."""

IDLE = 0
"""Process ID of the idle task."""


def is_tracer_function(name: str) -> bool:
    """Whether a function runs only for the tracer, which uses tracepoints of task switches."""
    return name.startswith("__traceiter_")


@dataclass(frozen=True)
class Tracer:
    """The cost of the tracer, in units of the clock.

    Attributes:
        before_entry: from the call of a function to the timestamp of its entry.
        after_entry: from that timestamp to the function's own first instruction.
        before_exit: from the function's last instruction to the timestamp of its exit.
        after_exit: from that timestamp to the return to the caller.
        page: extra cost of an event that starts a new page of the ring buffer.
    """

    before_entry: float
    after_entry: float
    before_exit: float
    after_exit: float
    page: float

    @property
    def call(self) -> float:
        """The cost of the entry and exit of one function."""
        return self.before_entry + self.after_entry + self.before_exit + self.after_exit

    def scaled(self, factor: float) -> Tracer:
        """A tracer with all costs multiplied by ``factor``."""
        return Tracer(**{name: cost * factor for name, cost in vars(self).items()})

    def before(self, event: Event) -> float:
        """The cost of the tracer before the timestamp of ``event``."""
        own = self.before_entry if event.entry else self.before_exit
        return own + (self.page if event.opens_page else 0.0)

    def after(self, event: Event) -> float:
        """The cost of the tracer after the timestamp of ``event``."""
        return self.after_entry if event.entry else self.after_exit


NO_TRACER = Tracer(0.0, 0.0, 0.0, 0.0, 0.0)
"""A tracer without cost: leaves a tree as it was recorded."""


@dataclass(frozen=True)
class Window:
    """An interval of a trace.

    Attributes:
        events: all events of the trace, in order; some may lie outside the interval.
        start, end: timestamps of the interval.
    """

    events: tuple[Event, ...]
    start: int
    end: int

    def inside(self) -> list[Event]:
        """The events from ``start`` to ``end``, both included."""
        return [event for event in self.events if self.start <= event.at <= self.end]


def calibrate(window: Window, untraced: float, clock: Clock) -> Tracer:
    """Determine the tracer's cost from a window of many reads of /dev/null.

    Args:
        window: at least three consecutive reads.
        untraced: cost of the same reads without the tracer.
        clock: the clock of both.

    Raises:
        TraceError: the window contains no such reads.
    """
    inside = window.inside()
    usual, late = _gaps(inside)
    try:
        body = _EMPTY_FUNCTION_BODY[clock]
        entry_to_exit = usual[(True, EMPTY_FUNCTION, False, EMPTY_FUNCTION)] - body
        exits = [cost for (a, _, b, _), cost in usual.items() if not a and not b]
        exit_to_exit = min(exits) - _EPILOGUE[clock]
    except (KeyError, ValueError):
        raise TraceError("The trace for the calibration shows no reads of /dev/null.") from None
    page = statistics.median(late) if late else 0.0
    calls = sum(event.entry for event in inside)
    pages = sum(event.opens_page for event in inside)
    call = (window.end - window.start - untraced - page * pages) / calls
    # Assumption: entering the kernel and leaving it cost the same.
    first = inside[0].at - window.start
    last = window.end - inside[-1].at
    before_entry = first - (first + last - (call - entry_to_exit)) / 2
    after_exit = call - entry_to_exit - before_entry
    before_exit = exit_to_exit - after_exit
    return Tracer(before_entry, entry_to_exit - before_exit, before_exit, after_exit, page)


def fit(tracer: Tracer, window: Window, untraced: float) -> Tracer:
    """Scale ``tracer`` to the difference between the cost of ``window`` and ``untraced``.

    This is for a clock under which the cost of the tracer varies.
    """
    inside = window.inside()
    own = sum(tracer.before(event) + tracer.after(event) for event in inside)
    extra = window.end - window.start - untraced
    return tracer.scaled(max(0.0, extra / own)) if own > 0 else tracer


_Gap = tuple[bool, str, bool, str]


def _gaps(events: Sequence[Event]) -> tuple[dict[_Gap, float], list[float]]:
    """The median distance for each kind of successive events, and the extra cost of new pages."""
    gaps_of: dict[_Gap, list[int]] = {}
    opening: list[tuple[_Gap, int]] = []
    for first, second in pairwise(events):
        key = (first.entry, first.name, second.entry, second.name)
        if second.opens_page:
            opening.append((key, second.at - first.at))
        else:
            gaps_of.setdefault(key, []).append(second.at - first.at)
    usual = {key: statistics.median(gaps) for key, gaps in gaps_of.items()}
    return usual, [gap - usual[key] for key, gap in opening if key in usual]


# ---- the tree ---------------------------------------------------------------


@dataclass(frozen=True)
class Node:
    """A node of a call tree: a function at one place of the tree, a task, or the operation.

    Attributes:
        name: name of the function; ``task:comm`` for a task, ``operation`` for the root.
        module: module that contains the function; empty for the kernel itself.
        own: units spent in the function itself and in inlined callees.
        calls: number of calls at this place.
        children: the functions it called, in the order of their first calls.
    """

    name: str
    module: str
    own: float
    calls: int
    children: tuple[Node, ...] = ()

    @property
    def total(self) -> float:
        """Units spent in the node and in all nodes below it."""
        return self.own + sum(child.total for child in self.children)

    def walk(self) -> Iterator[Node]:
        """This node and all nodes below it, callers first."""
        yield self
        for child in self.children:
            yield from child.walk()

    def find(self, *names: str) -> Node | None:
        """The first node with the last of ``names`` below nodes with the other names, in order.

        Other nodes may lie between them.  None if there is no such node.
        """
        for node in self.walk():
            if node.name != names[0]:
                continue
            match = node if len(names) == 1 else _find_below(node, names[1:])
            if match:
                return match
        return None


def _find_below(node: Node, names: tuple[str, ...]) -> Node | None:
    return next((match for child in node.children if (match := child.find(*names))), None)


@dataclass(eq=False)
class _Frame:
    """A node under construction; all calls of a function at one place share one frame."""

    name: str
    module: str = ""
    own: float = 0.0
    calls: int = 0
    first_event: int = 0  # index of the event of its first call in the window
    children: dict[str, _Frame] = field(default_factory=dict)

    def count(self, event: int) -> None:
        """Count a call, or a function already running, at the event with index ``event``."""
        self.first_event = self.first_event if self.calls else event
        self.calls += 1

    def child(self, event: Event) -> _Frame:
        return self.children.setdefault(event.name, _Frame(event.name, event.module))

    def freeze(self) -> Node:
        called = [child for child in self.children.values() if child.calls]
        called.sort(key=lambda child: child.first_event)
        kept = tuple(child.freeze() for child in called if not is_tracer_function(child.name))
        return Node(self.name, self.module, self.own, self.calls, kept)


class _Task:
    """The functions that one task has entered and not left, outermost first.

    A task that has slept since before the trace leaves the scheduler first, without an entry.
    """

    def __init__(self, name: str) -> None:
        self.root = _Frame(name)
        self.stack = [self.root]
        self.unmatched = 0
        self._slept = True

    def apply(self, event: Event) -> None:
        """Enter or leave a function.  An exit without an entry belongs to an earlier call."""
        if event.entry:
            self.stack.append(self.stack[-1].child(event))
            return
        woken = self._slept and event.name == "schedule" and len(self.stack) == 1
        self._slept = self._slept and len(self.stack) > 1
        if woken:
            return
        for depth in range(len(self.stack) - 1, 0, -1):
            if self.stack[depth].name == event.name:
                self.unmatched += len(self.stack) - 1 - depth
                del self.stack[depth:]
                return
        self.unmatched += 1

    def count(self, event: int) -> None:
        """Count each function on the stack that has not been counted yet."""
        for frame in self.stack:
            if not frame.calls:
                frame.count(event)


@dataclass(frozen=True)
class TaskTrees:
    """The call trees of a window, one for each task.

    Attributes:
        tasks: one root node for each task that ran, in the order in which they first ran.
        last: the root node of the task that ran at the end of the window.
        calls: number of function entries.
        unmatched: number of exits without an entry, and of entries without an exit.
    """

    tasks: tuple[Node, ...]
    last: Node
    calls: int
    unmatched: int


def build_trees(window: Window, tracer: Tracer, names: dict[int, str] | None = None) -> TaskTrees:
    """Build the call trees of a window, one for each task, without the cost of ``tracer``.

    A function that was entered before the window counts with its cost inside the window.

    Args:
        window: the events; those before its start give the functions running at the start.
        tracer: the cost to subtract; see :func:`calibrate`.
        names: names of tasks by process ID.

    Raises:
        TraceError: the window contains no events.
    """
    builder = _TreeBuilder(window, tracer, names or {})
    for event in window.events:
        if event.at <= window.end:
            builder.step(event)
    return builder.finish()


class _TreeBuilder:
    """Builds call trees from a trace, event by event."""

    def __init__(self, window: Window, tracer: Tracer, names: dict[int, str]) -> None:
        self._window = window
        self._tracer = tracer
        self._names = names
        self._tasks: dict[int, _Task] = {}
        self._tasks_run: dict[int, None] = {}  # process IDs in order
        self._previous: Event | None = None
        self._calls = 0
        self._events = 0

    def step(self, event: Event) -> None:
        """Charge the cost up to ``event`` to the running function, then apply the event."""
        inside = event.at >= self._window.start
        if inside:
            # Between events of two tasks, the task of the first event runs.
            self._charge(self._previous or event, self._cost(event))
        task = self._task(event)
        task.apply(event)
        if inside:
            self._tasks_run.setdefault(event.task)
            self._calls += event.entry
            if event.entry:
                task.stack[-1].count(self._events)
        self._previous = event
        self._events += 1

    def finish(self) -> TaskTrees:
        """Charge the rest of the window, and return the trees."""
        last = self._previous
        if last is None or last.at < self._window.start:
            raise TraceError("The tracer recorded no event of the operation.")
        self._charge(last, self._window.end - last.at - self._tracer.after(last))
        unmatched = sum(task.unmatched for task in self._tasks.values())
        nodes = {number: self._tasks[number].root.freeze() for number in self._tasks_run}
        return TaskTrees(tuple(nodes.values()), nodes[last.task], self._calls, unmatched)

    def _task(self, event: Event) -> _Task:
        if event.task not in self._tasks:
            name = "idle" if event.task == IDLE else self._names.get(event.task, str(event.task))
            self._tasks[event.task] = _Task(f"task:{name}")
        return self._tasks[event.task]

    def _charge(self, event: Event, units: float) -> None:
        """Charge ``units`` to the running function of the task of ``event``."""
        task = self._task(event)
        self._tasks_run.setdefault(event.task)
        task.count(self._events)
        if not is_tracer_function(task.stack[-1].name):
            task.stack[-1].own += units

    def _cost(self, event: Event) -> float:
        """Units since the previous event or the start of the window, without the tracer's."""
        before, previous = self._tracer.before(event), self._previous
        if previous is None or previous.at < self._window.start:
            return event.at - self._window.start - before
        return event.at - previous.at - self._tracer.after(previous) - before


def by_own_cost(root: Node) -> list[Node]:
    """Each function of a tree once, with the sum of its own costs; the most expensive first."""
    totals: dict[tuple[str, str], Node] = {}
    for node in root.walk():
        total = totals.get((node.name, node.module), Node(node.name, node.module, 0.0, 0))
        totals[node.name, node.module] = replace(
            total, own=total.own + node.own, calls=total.calls + node.calls
        )
    return sorted(totals.values(), key=lambda node: (-node.own, node.name))
