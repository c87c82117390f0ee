"""The x-ray of a run: costs stacked by what they are for, icicles, and trees to unfold."""

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
NARROWEST = 9.0  # a box that is narrower can hardly be seen, nor what is below it
SMALLEST = 0.02  # share below which calls are summed up in one line of the tree
FAR = 5  # times the median: what costs more has its bar cut
OPEN = 0.2  # share from which the tree is unfolded at first
TELLING = ("call", "pull", "push", "notify", "stream")  # the operation to show first


# ---- stacked costs --------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """A piece of a bar: percent of the bar's width, and what a pointer over it says."""

    kind: str
    width: float
    title: str


@dataclass(frozen=True)
class Bar:
    """The cost of one operation, by what it is for; cut when it would be too long."""

    name: str
    mode: str
    link: str
    total: str
    parts: tuple[Part, ...]
    cut: bool


@dataclass(frozen=True)
class Stack:
    """Bars to compare, on one scale."""

    operation: str
    bars: tuple[Bar, ...]


def stacks(run: Run, xrays: Xrays) -> tuple[Stack, ...]:
    """For each operation a bar per channel, in the mode that the heat map shows."""
    found = []
    for operation in OPERATIONS:
        shown = [
            one
            for channel in selection.ordered(run)
            if (one := _shown(run, xrays, channel.name, operation))
        ]
        if shown:
            longest = _longest([one.corrected for one in shown])
            bars = tuple(_bar(run, xrays, one, longest) for one in shown)
            found.append(Stack(operation, bars))
    return tuple(found)


def _longest(totals: list[float]) -> float:
    """What is a whole bar: the most that any costs, but for who would leave the others no width."""
    near = FAR * median(totals)
    return max(total for total in totals if total <= near)


def _shown(run: Run, xrays: Xrays, channel: str, operation: str) -> Operation | None:
    """A channel's operation in its cheapest mode, as far as there are x-rays."""
    seen = [
        one
        for one in xrays.operations
        if (one.channel, one.operation) == (channel, operation) and one.tree
    ]
    best = selection.best(selection.whole(run, run.channel(channel), operation))
    same = [one for one in seen if best and one.mode == best.mode]
    return next(iter(same), None) or min(seen, key=lambda one: one.untraced, default=None)


def _bar(run: Run, xrays: Xrays, one: Operation, longest: float) -> Bar:
    return Bar(
        name=one.channel,
        mode=one.mode,
        link=f"{view.page_of(one.channel)}#xray",
        total=words.number(one.corrected),
        parts=parts(run, xrays, one, max(longest, one.corrected)),
        cut=one.corrected > longest,
    )


def parts(run: Run, xrays: Xrays, one: Operation, longest: float) -> tuple[Part, ...]:
    """The pieces of an operation's bar, of which the longest one is 100 % wide."""
    unit = words.clock_words(run.clock).unit
    found = []
    for kind, units in one.kinds.items():
        if units > 0:
            share = 100 * units / one.corrected
            title = f"{xrays.kinds[kind]}: {words.number(units)} {unit}, {share:.1f} %"
            found.append(Part(kind, round(100 * units / longest, 2), title))
    return tuple(found)


def kinds_of(xrays: Xrays, operations: tuple[Operation, ...]) -> tuple[tuple[str, str], ...]:
    """The legend: each kind of cost that some of the operations have, and its name."""
    used = {kind for one in operations for kind, units in one.kinds.items() if units > 0}
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
    """A function in the tree to unfold."""

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
    """One operation of a channel's page."""

    operation: str
    mode: str
    first: bool
    sums: str
    differs: str
    parts: tuple[Part, ...]
    height: int
    boxes: tuple[Box, ...]
    alt: str
    tree: Branch


@dataclass(frozen=True)
class Sheet:
    """A channel's x-rays, the legend of their colours, and what has none."""

    shown: tuple[Shown, ...]
    legend: tuple[tuple[str, str], ...]
    per_call: str
    fitted: bool
    events: bool
    without: tuple[str, ...]


def sheet(run: Run, channel: str, xrays: Xrays | None) -> Sheet | None:
    """What a channel's page shows; None when nothing of it was looked through."""
    mine = tuple(one for one in xrays.operations if one.channel == channel) if xrays else ()
    if xrays is None or not mine:
        return None
    seen = [one for one in mine if one.tree]
    first = min(seen, key=lambda one: TELLING.index(one.operation), default=None)
    return Sheet(
        shown=tuple(_seen(run, xrays, one, first=one is first) for one in seen),
        legend=kinds_of(xrays, mine),
        per_call=words.number(xrays.per_call),
        fitted=xrays.fitted,
        events=any(one.operation == "notify" for one in seen),
        without=tuple(
            f"{one.operation}, {one.mode}: {words.sentence(one.reason)}"
            for one in mine
            if not one.tree
        ),
    )


def _seen(run: Run, xrays: Xrays, one: Operation, *, first: bool) -> Shown:
    assert one.tree
    unit = words.clock_words(run.clock).unit
    boxes = tuple(_boxes(one.tree, one.corrected))
    apart = 100 * (one.corrected / one.untraced - 1)
    sums = (
        f"{words.number(one.untraced)} {unit} for {words.size(one.size)}; the {one.calls} calls "
        f"seen add up to {words.number(one.corrected)} ({apart:+.1f} %)"
    )
    dearest = sorted(one.kinds.items(), key=lambda entry: -entry[1])[:3]
    told = words.listed([f"{xrays.kinds[kind]} {_percent(units, one)}" for kind, units in dearest])
    return Shown(
        operation=one.operation,
        mode=one.mode,
        first=first,
        sums=sums,
        differs="" if one.agrees else _DIFFERS,
        parts=parts(run, xrays, one, one.corrected),
        height=ROW * (1 + max(box.y for box in boxes) // ROW),
        boxes=boxes,
        alt=f"Icicle of {one.channel} {one.operation}, {one.mode}: {told}; a tree is below.",
        tree=_branch(one.tree, one.corrected),
    )


_DIFFERS = (
    "The two differ: this operation can go more than one way, and took another one while it was "
    "watched. Read its shares, not its sum."
)


def _percent(units: float, one: Operation) -> str:
    return f"{100 * units / one.corrected:.0f} %"


def spoken(name: str) -> str:
    """A function's name, or words for a task and for the whole."""
    told = {
        "operation": "the operation",
        "task:process": "the process, woken",
        "task:idle": "the idle CPU, interrupted",
    }
    if name.startswith("task:k"):
        return f"kernel thread {name.removeprefix('task:')}"
    return told.get(name, name.removeprefix("task:"))


def _boxes(root: Call, whole: float) -> Iterator[Box]:
    """The boxes of an icicle, callers first; each is as wide as its share."""

    def place(call: Call, x: float, y: int, scale: float) -> Iterator[Box]:
        width = call.total * scale
        if width < NARROWEST:
            return
        name = spoken(call.name)
        title = f"{name}{f' [{call.module}]' if call.module else ''}: {_cost(call)}, "
        title += f"{100 * call.total / whole:.1f} %"
        label = _fitting(name, width)
        yield Box(call.kind, round(x), y, round(width), title, label)
        inside = sum(below.total for below in call.below)
        # Rounding and correction may leave callees a little more than their caller.
        part = scale * min(1.0, call.total / inside) if inside else scale
        for below in call.below:
            yield from place(below, x, y + ROW, part)
            x += below.total * part

    yield from place(root, 0.0, 0, WIDTH / whole)


def _fitting(name: str, width: float) -> str:
    """As much of a name as fits into a box; nothing when that tells nothing."""
    room = int((width - 6) / LETTER)
    if len(name) <= room:
        return name
    return f"{name[: room - 1]}…" if room >= 5 else ""


def _cost(call: Call) -> str:
    """Its total, with its own part and number of calls where these tell more."""
    text = words.number(round(call.total))
    if call.below:
        text += f" ({words.number(round(call.own))} own)"
    return text + (f" in {call.calls} calls" if call.calls > 1 else "")


def _branch(call: Call, whole: float) -> Branch:
    shown = [below for below in call.below if below.total >= SMALLEST * whole]
    rest = [below for below in call.below if below.total < SMALLEST * whole]
    units = sum(below.total for below in rest)
    share = call.total / whole
    return Branch(
        kind=call.kind,
        share=f"{100 * share:.1f} %",
        name=spoken(call.name),
        module=call.module,
        cost=_cost(call),
        below=tuple(_branch(below, whole) for below in shown),
        rest=f"{len(rest)} more: {words.number(round(units))}" if rest else "",
        open=share >= OPEN,
    )
