# SPDX-License-Identifier: GPL-2.0-only
"""The x-rays of a run: costs stacked by kind, icicle diagrams, and call trees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from reports.analysis import selection
from reports.data.call_trees import Call, Operation, Xrays
from reports.data.run import OPERATIONS, Run
from reports.pages import view
from reports.text import words

WIDTH, ROW, LETTER = 1000, 18, 6.3  # of an icicle, in its own units
NARROWEST = 9.0  # width below which a box and its callees are omitted
SMALLEST = 0.02  # share below which calls are summed up in one line of the tree
CUT = 5  # times the median: longer bars are cut
OPEN = 0.2  # share from which a part of the tree is open at first
FIRST = (
    "call",
    "pull",
    "push",
    "notify",
    "stream",
    "upcall",
    "dump",
)  # the operation to show first


# ---- stacked costs --------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """A part of a bar: its width in percent of the bar, and its tooltip."""

    kind: str
    width: float
    title: str


@dataclass(frozen=True)
class Bar:
    """The cost of one operation by kind; ``cut`` if it would be too long."""

    name: str
    mode: str
    link: str
    total: str
    parts: tuple[Part, ...]
    cut: bool


@dataclass(frozen=True)
class Stack:
    """The bars of one operation, on one scale."""

    operation: str
    bars: tuple[Bar, ...]


def stacks(run: Run, xrays: Xrays) -> tuple[Stack, ...]:
    """A bar per channel for each operation; see :func:`_representative` for its mode."""
    stacked = []
    for operation in OPERATIONS:
        representatives = [
            xray
            for channel in selection.ordered(run)
            if (xray := _representative(run, xrays, channel.name, operation))
        ]
        if representatives:
            longest = _longest([xray.corrected for xray in representatives])
            bars = tuple(_bar(run, xrays, xray, longest) for xray in representatives)
            stacked.append(Stack(operation, bars))
    return tuple(stacked)


def _longest(totals: list[float]) -> float:
    """The cost of a bar of full width: the largest one that is at most ``CUT`` times the median."""
    limit = CUT * median(totals)
    return max(total for total in totals if total <= limit)


def _representative(run: Run, xrays: Xrays, channel: str, operation: str) -> Operation | None:
    """The x-ray of a channel's operation in its cheapest mode; else the cheapest x-ray."""
    candidates = [
        xray
        for xray in xrays.operations
        if (xray.channel, xray.operation) == (channel, operation) and xray.tree
    ]
    best = selection.best(selection.message_rows(run, run.channel(channel), operation))
    of_mode = [xray for xray in candidates if best and xray.mode == best.mode]
    return next(iter(of_mode), None) or min(
        candidates, key=lambda xray: xray.untraced, default=None
    )


def _bar(run: Run, xrays: Xrays, xray: Operation, longest: float) -> Bar:
    return Bar(
        name=xray.channel,
        mode=xray.mode,
        link=f"{view.page_of(xray.channel)}#xray",
        total=words.number(xray.corrected),
        parts=parts(run, xrays, xray, max(longest, xray.corrected)),
        cut=xray.corrected > longest,
    )


def parts(run: Run, xrays: Xrays, xray: Operation, longest: float) -> tuple[Part, ...]:
    """The parts of an operation's bar; a cost of ``longest`` is 100 % wide."""
    unit = words.clock_words(run.clock).unit
    pieces = []
    for kind, units in xray.kinds.items():
        if units > 0:
            share = 100 * units / xray.corrected
            title = f"{xrays.kinds[kind]}: {words.number(units)} {unit}, {share:.1f} %"
            pieces.append(Part(kind, round(100 * units / longest, 2), title))
    return tuple(pieces)


def kinds_of(xrays: Xrays, operations: tuple[Operation, ...]) -> tuple[tuple[str, str], ...]:
    """The legend: key and title of each kind of cost that occurs in the operations."""
    used = {kind for xray in operations for kind, units in xray.kinds.items() if units > 0}
    return tuple((kind, title) for kind, title in xrays.kinds.items() if kind in used)


# ---- one operation --------------------------------------------------------------


@dataclass(frozen=True)
class Box:
    """A function in an icicle."""

    kind: str
    x: int
    y: int
    width: int
    title: str
    label: str


@dataclass(frozen=True)
class Branch:
    """A function in the tree."""

    kind: str
    share: str
    name: str
    module: str
    cost: str
    below: tuple[Branch, ...]
    rest: str
    open: bool


@dataclass(frozen=True)
class Shown:
    """One operation on the page of a channel."""

    operation: str
    mode: str
    first: bool
    sums: str
    differs: str
    unclassified: str
    parts: tuple[Part, ...]
    height: int
    boxes: tuple[Box, ...]
    alt: str
    tree: Branch


@dataclass(frozen=True)
class Sheet:
    """The x-rays of a channel.

    Attributes:
        legend: key and title of each kind of cost.
        per_call: the tracer's cost per call, as text.
        fitted: see :class:`Xrays`.
        events: one of the operations is a notify.
        upcalls: one of the operations is an upcall.
        without: a sentence for each operation that has no x-ray.
    """

    shown: tuple[Shown, ...]
    legend: tuple[tuple[str, str], ...]
    per_call: str
    fitted: bool
    events: bool
    upcalls: bool
    without: tuple[str, ...]


def sheet(run: Run, channel: str, xrays: Xrays | None) -> Sheet | None:
    """The x-rays of a channel for its page; None if the run took none of it."""
    of_channel = (
        tuple(xray for xray in xrays.operations if xray.channel == channel) if xrays else ()
    )
    if xrays is None or not of_channel:
        return None
    with_tree = [xray for xray in of_channel if xray.tree]
    first = min(with_tree, key=lambda xray: FIRST.index(xray.operation), default=None)
    return Sheet(
        shown=tuple(_shown(run, xrays, xray, first=xray is first) for xray in with_tree),
        legend=kinds_of(xrays, of_channel),
        per_call=words.number(xrays.per_call),
        fitted=xrays.fitted,
        events=any(xray.operation == "notify" for xray in with_tree),
        upcalls=any(xray.operation == "upcall" for xray in with_tree),
        without=tuple(
            f"{xray.operation}, {xray.mode}: {words.sentence(xray.reason)}"
            for xray in of_channel
            if not xray.tree
        ),
    )


def _shown(run: Run, xrays: Xrays, xray: Operation, *, first: bool) -> Shown:
    assert xray.tree
    unit = words.clock_words(run.clock).unit
    boxes = tuple(_boxes(xray.tree, xray.corrected))
    difference = 100 * (xray.corrected / xray.untraced - 1)
    sums = (
        f"{words.number(xray.untraced)} {unit} for {words.size(xray.size)}; the {xray.calls} "
        f"traced calls add up to {words.number(xray.corrected)} ({difference:+.1f} %)"
    )
    largest = sorted(xray.kinds.items(), key=lambda entry: -entry[1])[:3]
    shares = words.listed(
        [f"{xrays.kinds[kind]} {_percent(units, xray)}" for kind, units in largest]
    )
    return Shown(
        operation=xray.operation,
        mode=xray.mode,
        first=first,
        sums=sums,
        differs="" if xray.agrees else _DIFFERS,
        unclassified=_unclassified(xray),
        parts=parts(run, xrays, xray, xray.corrected),
        height=ROW * (1 + max(box.y for box in boxes) // ROW),
        boxes=boxes,
        alt=f"Icicle of {xray.channel} {xray.operation}, {xray.mode}: {shares}. A tree follows.",
        tree=_branch(xray.tree, xray.corrected),
    )


_DIFFERS = (
    "The two sums differ. This operation has more than one path through the kernel and took "
    "another one while it was traced. The shares describe the traced path. The sum is not the cost "
    "of the operation without the tracer."
)


def _unclassified(xray: Operation) -> str:
    """A sentence about the functions without a class; empty if there are none."""
    if xray.unclassified <= 0:
        return ""
    share = 100 * xray.unclassified / xray.corrected
    names = words.listed(
        [f"{name} {_percent(units, xray)}" for name, units in xray.unclassified_functions.items()]
    )
    return f"Unclassified, and counted with their callers: {share:.1f} %. Largest: {names}."


def _percent(units: float, xray: Operation) -> str:
    return f"{100 * units / xray.corrected:.0f} %"


def display_name(name: str) -> str:
    """The name of a function as shown; a description for the operation and for tasks."""
    descriptions = {
        "operation": "the operation",
        "task:process": "the woken process",
        "task:idle": "the interrupted idle CPU",
    }
    if name.startswith("task:k"):
        return f"kernel thread {name.removeprefix('task:')}"
    return descriptions.get(name, name.removeprefix("task:"))


def _boxes(root: Call, total: float) -> Iterator[Box]:
    """The boxes of an icicle, callers first; the width of a box is its share of the cost."""

    def place(call: Call, x: float, y: int, scale: float) -> Iterator[Box]:
        width = call.total * scale
        if width < NARROWEST:
            return
        name = display_name(call.name)
        title = f"{name}{f' [{call.module}]' if call.module else ''}: {_cost(call)}, "
        title += f"{100 * call.total / total:.1f} %"
        label = _fitting(name, width)
        yield Box(call.kind, round(x), y, round(width), title, label)
        callees = sum(below.total for below in call.below)
        # After rounding and correction, callees may cost slightly more than their caller.
        callee_scale = scale * min(1.0, call.total / callees) if callees else scale
        for below in call.below:
            yield from place(below, x, y + ROW, callee_scale)
            x += below.total * callee_scale

    yield from place(root, 0.0, 0, WIDTH / total)


def _fitting(name: str, width: float) -> str:
    """As much of a name as fits into a box; empty for fewer than five letters."""
    room = int((width - 6) / LETTER)
    if len(name) <= room:
        return name
    return f"{name[: room - 1]}…" if room >= 5 else ""


def _cost(call: Call) -> str:
    """The total cost of a call, its own part if it has callees, and the number of calls."""
    text = words.number(round(call.total))
    if call.below:
        text += f" ({words.number(round(call.own))} own)"
    return text + (f" in {call.calls} calls" if call.calls > 1 else "")


def _branch(call: Call, total: float) -> Branch:
    large = [below for below in call.below if below.total >= SMALLEST * total]
    small = [below for below in call.below if below.total < SMALLEST * total]
    units = sum(below.total for below in small)
    share = call.total / total
    return Branch(
        kind=call.kind,
        share=f"{100 * share:.1f} %",
        name=display_name(call.name),
        module=call.module,
        cost=_cost(call),
        below=tuple(_branch(below, total) for below in large),
        rest=f"{len(small)} more: {words.number(round(units))}" if small else "",
        open=share >= OPEN,
    )
