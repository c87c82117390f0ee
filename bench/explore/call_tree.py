"""From function entries and exits to a tree of calls, with the tracer's own cost taken off.

Between two events the kernel runs some of its own code and some of the tracer's: what follows
the stamp of the first, and what comes before the stamp of the second.  The tracer's part is
the same each time, so four numbers and one for a new page describe it.  They are found
where the truth is known: in a function of the kernel that does nothing.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from bench.explore.trace_pages import Event, TraceError
from bench.plan.cells import Clock

EMPTY = "read_null"
"""The function that is known to do nothing: a read of /dev/null ends there."""

_EMPTY_BODY: dict[Clock, float] = {"instructions": 3, "time": 0}
"""What it does all the same: sets its result, and returns through the kernel's return thunk."""

_EPILOGUE: dict[Clock, float] = {"instructions": 2, "time": 0}
"""The least a function does behind its last call: gives its frame back, and returns."""

IDLE = 0
"""The task that runs when none does."""


def is_probe(name: str) -> bool:
    """Whether a function runs for the tracer only: it watches task switches by tracepoints."""
    return name.startswith("__traceiter_")


@dataclass(frozen=True)
class Tracer:
    """What the tracer costs, in units of the clock.

    Attributes:
        before_entry: from the call of a function to the stamp of its entry.
        after_entry: from there to the function's own first instruction.
        before_exit: from its last instruction to the stamp of its exit.
        after_exit: from there back to its caller.
        page: more than that, when the ring buffer goes on to its next page.
    """

    before_entry: float
    after_entry: float
    before_exit: float
    after_exit: float
    page: float

    @property
    def call(self) -> float:
        """One function entered and left."""
        return self.before_entry + self.after_entry + self.before_exit + self.after_exit

    def scaled(self, factor: float) -> Tracer:
        """A tracer that costs so many times as much."""
        return Tracer(**{name: cost * factor for name, cost in vars(self).items()})

    def before(self, event: Event) -> float:
        """The tracer's part that comes before an event's stamp."""
        own = self.before_entry if event.entry else self.before_exit
        return own + (self.page if event.opens_page else 0.0)

    def after(self, event: Event) -> float:
        """The tracer's part that follows an event's stamp."""
        return self.after_entry if event.entry else self.after_exit


NO_TRACER = Tracer(0.0, 0.0, 0.0, 0.0, 0.0)
"""Costs nothing: leaves a tree as it was recorded."""


@dataclass(frozen=True)
class Window:
    """A stretch of a recording: its events in order, and when it begins and ends."""

    events: tuple[Event, ...]
    start: int
    end: int

    def inside(self) -> list[Event]:
        """The events between start and end."""
        return [event for event in self.events if self.start <= event.at <= self.end]


def calibrate(window: Window, untraced: float, clock: Clock) -> Tracer:
    """The tracer's cost, from a window of many reads of /dev/null.

    Args:
        window: at least three reads in a row.
        untraced: what the same costs without the tracer.
        clock: of both.

    Raises:
        TraceError: the window does not show them.
    """
    inside = window.inside()
    usual, late = _gaps(inside)
    try:
        body = _EMPTY_BODY[clock]
        within = usual[(True, EMPTY, False, EMPTY)] - body
        outs = [cost for (a, _, b, _), cost in usual.items() if not a and not b]
        outward = min(outs) - _EPILOGUE[clock]
    except (KeyError, ValueError):
        raise TraceError("The recording to calibrate by shows no reads of /dev/null.") from None
    page = statistics.median(late) if late else 0.0
    calls = sum(event.entry for event in inside)
    pages = sum(event.opens_page for event in inside)
    call = (window.end - window.start - untraced - page * pages) / calls
    # Way in and way out of the kernel are taken to be alike.
    first = inside[0].at - window.start
    last = window.end - inside[-1].at
    before_entry = first - (first + last - (call - within)) / 2
    after_exit = call - within - before_entry
    before_exit = outward - after_exit
    return Tracer(before_entry, within - before_exit, before_exit, after_exit, page)


def fit(tracer: Tracer, window: Window, untraced: float) -> Tracer:
    """A tracer scaled so that it explains all that a window took more than ``untraced``.

    For clocks by which the tracer does not cost the same each time.
    """
    inside = window.inside()
    own = sum(tracer.before(event) + tracer.after(event) for event in inside)
    more = window.end - window.start - untraced
    return tracer.scaled(max(0.0, more / own)) if own > 0 else tracer


_Gap = tuple[bool, str, bool, str]


def _gaps(events: Sequence[Event]) -> tuple[dict[_Gap, float], list[float]]:
    """The usual distance of each pair of neighbours, and how much more new pages took."""
    seen: dict[_Gap, list[int]] = {}
    opening: list[tuple[_Gap, int]] = []
    for one, two in pairwise(events):
        key = (one.entry, one.name, two.entry, two.name)
        if two.opens_page:
            opening.append((key, two.at - one.at))
        else:
            seen.setdefault(key, []).append(two.at - one.at)
    usual = {key: statistics.median(gaps) for key, gaps in seen.items()}
    return usual, [gap - usual[key] for key, gap in opening if key in usual]


# ---- the tree ---------------------------------------------------------------


@dataclass(frozen=True)
class Node:
    """A function where it was called, or a task, or the whole operation.

    Attributes:
        name: of the function; ``task:comm`` for a task, ``operation`` for the root.
        module: that has the function; empty for the kernel itself.
        own: units spent in itself, its inlined callees included.
        calls: how often it was called here.
        children: what it called, in the order of the first calls.
    """

    name: str
    module: str
    own: float
    calls: int
    children: tuple[Node, ...] = ()

    @property
    def total(self) -> float:
        """Units spent in it and in all it called."""
        return self.own + sum(child.total for child in self.children)

    def walk(self) -> Iterator[Node]:
        """This node and all below, callers first."""
        yield self
        for child in self.children:
            yield from child.walk()

    def find(self, *names: str) -> Node | None:
        """The first node called by the last name below nodes called by the others, in order."""
        for node in self.walk():
            if node.name != names[0]:
                continue
            found = node if len(names) == 1 else _below(node, names[1:])
            if found:
                return found
        return None


def _below(node: Node, names: tuple[str, ...]) -> Node | None:
    return next((found for child in node.children if (found := child.find(*names))), None)


@dataclass(eq=False)
class _Frame:
    """A node while it grows; calls of the same function from the same place share one."""

    name: str
    module: str = ""
    own: float = 0.0
    calls: int = 0
    seen: int = 0  # number of the event at which it was first called in the window
    children: dict[str, _Frame] = field(default_factory=dict)

    def count(self, event: int) -> None:
        """It was called, or is under way, at an event of the window."""
        self.seen = self.seen if self.calls else event
        self.calls += 1

    def child(self, event: Event) -> _Frame:
        return self.children.setdefault(event.name, _Frame(event.name, event.module))

    def freeze(self) -> Node:
        called = [child for child in self.children.values() if child.calls]
        called.sort(key=lambda child: child.seen)
        kept = tuple(child.freeze() for child in called if not is_probe(child.name))
        return Node(self.name, self.module, self.own, self.calls, kept)


class _Task:
    """What one task has entered and not left, outermost first."""

    def __init__(self, name: str) -> None:
        self.root = _Frame(name)
        self.stack = [self.root]
        self.unmatched = 0

    def apply(self, event: Event) -> None:
        """Enter or leave a function.  What it cannot leave had begun before the recording."""
        if event.entry:
            self.stack.append(self.stack[-1].child(event))
            return
        for depth in range(len(self.stack) - 1, 0, -1):
            if self.stack[depth].name == event.name:
                self.unmatched += len(self.stack) - 1 - depth
                del self.stack[depth:]
                return
        self.unmatched += 1

    def count(self, event: int) -> None:
        """Count once each function that is under way and has not been counted."""
        for frame in self.stack:
            if not frame.calls:
                frame.count(event)


@dataclass(frozen=True)
class Walk:
    """What a window shows.

    Attributes:
        tasks: each task that ran, as a node of its own, in the order of their first steps.
        last: the task that ran at the end of the window.
        calls: functions entered.
        unmatched: functions left that were never entered, or entered and never left.
    """

    tasks: tuple[Node, ...]
    last: Node
    calls: int
    unmatched: int


def walk(window: Window, tracer: Tracer, names: dict[int, str] | None = None) -> Walk:
    """The trees of a window, one for each task, with the cost of ``tracer`` taken off.

    A function that was entered before the window counts with what it did inside.

    Args:
        window: may have events before its start: they tell what was under way.
        tracer: what to take off; see :func:`calibrate`.
        names: of tasks.

    Raises:
        TraceError: nothing was recorded in the window.
    """
    walker = _Walker(window, tracer, names or {})
    for event in window.events:
        if event.at <= window.end:
            walker.step(event)
    return walker.finish()


class _Walker:
    """Goes through a recording event by event."""

    def __init__(self, window: Window, tracer: Tracer, names: dict[int, str]) -> None:
        self._window = window
        self._tracer = tracer
        self._names = names
        self._tasks: dict[int, _Task] = {}
        self._ran: dict[int, None] = {}  # in order
        self._previous: Event | None = None
        self._calls = 0
        self._events = 0

    def step(self, event: Event) -> None:
        """Charge the time up to an event to who ran until then, and follow the event."""
        inside = event.at >= self._window.start
        if inside:
            # Between events of two tasks it is the one that is left that runs.
            self._charge(self._previous or event, self._cost(event))
        task = self._task(event)
        task.apply(event)
        if inside:
            self._ran.setdefault(event.task)
            self._calls += event.entry
            if event.entry:
                task.stack[-1].count(self._events)
        self._previous = event
        self._events += 1

    def finish(self) -> Walk:
        """Charge what is left of the window, and give the trees."""
        last = self._previous
        if last is None or last.at < self._window.start:
            raise TraceError("The tracer recorded nothing of the operation.")
        self._charge(last, self._window.end - last.at - self._tracer.after(last))
        unmatched = sum(task.unmatched for task in self._tasks.values())
        nodes = {number: self._tasks[number].root.freeze() for number in self._ran}
        return Walk(tuple(nodes.values()), nodes[last.task], self._calls, unmatched)

    def _task(self, event: Event) -> _Task:
        if event.task not in self._tasks:
            name = "idle" if event.task == IDLE else self._names.get(event.task, str(event.task))
            self._tasks[event.task] = _Task(f"task:{name}")
        return self._tasks[event.task]

    def _charge(self, event: Event, units: float) -> None:
        """Units to the function under way in the task of ``event``."""
        task = self._task(event)
        self._ran.setdefault(event.task)
        task.count(self._events)
        if not is_probe(task.stack[-1].name):
            task.stack[-1].own += units

    def _cost(self, event: Event) -> float:
        """Units since the previous event or the window's start that are not the tracer's."""
        before, one = self._tracer.before(event), self._previous
        if one is None or one.at < self._window.start:
            return event.at - self._window.start - before
        return event.at - one.at - self._tracer.after(one) - before
