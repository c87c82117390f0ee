# SPDX-License-Identifier: GPL-2.0-only
"""Why a cost moved between runs: the differences of their call trees, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from reports.analysis.tree_changes import (
    FunctionChange,
    TreeChange,
    common_changes,
    find,
    tree_change,
)
from reports.data.call_trees import Xrays
from reports.pages.xray import display_name
from reports.text import words

SHOWN = 8  # functions per step; the others are summed up
COMMON = 8  # functions listed for all operations together
APART = 0.2  # share by which a tree and its cell may differ without a word
SMALLEST = 0.01  # share of the cost below which a step is no move

INEXACT = (
    "One of the two trees does not add up to the cost without the tracer, so it shows another path "
    "through the kernel than the one that was timed."
)


@dataclass(frozen=True)
class Function:
    """One function whose cost changed.

    Attributes:
        change: by how much, with its sign.
        name, module: of the function.
        note: ``new``, ``gone``, or its cost in both runs.
        share: the change, in percent of the cost before.
    """

    change: str
    name: str
    module: str
    note: str
    share: str


@dataclass(frozen=True)
class Step:
    """What changed from one run to the next.

    Attributes:
        title: the two runs, for example ``A → B``.
        summary: the change of the sum, and the function that contributed most.
        kinds: the kinds of cost that changed, in words.
        functions: the functions that changed most.
        rest: what the functions that are not listed add up to.
        warning: why the trees explain the change only in part; empty if they do.
    """

    title: str
    summary: str
    kinds: str
    functions: tuple[Function, ...]
    rest: str
    warning: str


def steps(
    sides: Sequence[tuple[str, Xrays | None]], channel: str, mode: str, operation: str
) -> tuple[Step, ...]:
    """The steps at which an operation's call tree moved by more than :data:`SMALLEST`.

    Args:
        sides: letter and x-rays of each run, in the order of the page.
        channel, mode, operation: which operation.
    """
    found = []
    for (letter, before), (next_letter, after) in pairwise(sides):
        change = tree_change(before, after, channel, mode, operation)
        if change and abs(change.after - change.before) > SMALLEST * change.before:
            found.append(_step(f"{letter} → {next_letter}", change))
    return tuple(found)


def alone(
    xrays: Sequence[Xrays | None],
    medians: Sequence[float | None],
    channel: str,
    mode: str,
    operation: str,
) -> str:
    """A sentence if the call trees cost something else than the cell; else empty.

    A call tree shows one operation alone. A cell may time many of them in a row, which share
    wake-ups and fills of a cache.

    Args:
        xrays: of each run.
        medians: the cost of the cell in each run.
        channel, mode, operation: which operation.
    """
    totals = [find(run, channel, mode, operation) for run in xrays]
    pairs = [
        (xray.corrected, median)
        for xray, median in zip(totals, medians, strict=True)
        if xray and xray.tree and median
    ]
    if all(abs(total / median - 1) <= APART for total, median in pairs):
        return ""
    costs = " → ".join(words.number(round(total)) for total, _ in pairs)
    return (
        f"A call tree shows one operation alone ({costs}). The cell times many in a row, so its "
        "cost can move in another way."
    )


def causes(before: Xrays | None, after: Xrays | None) -> tuple[str, tuple[Function, ...]]:
    """The functions that changed in most operations, and a sentence that introduces them.

    Returns:
        The sentence, and the functions. Both are empty if no function changed in two operations.
    """
    compared, common = common_changes(before, after)
    shown = tuple(
        Function(
            change=_signed(one.change),
            name=_name(one.name),
            module=one.module,
            note=f"in {one.operations} operations",
            share="",
        )
        for one in common[:COMMON]
    )
    sentence = (
        f"Functions that changed in many of the {compared} operations with call trees, with the "
        "median of their changes:"
    )
    return (sentence, shown) if shown else ("", ())


def _step(title: str, change: TreeChange) -> Step:
    moved = change.after - change.before
    shown, others = change.functions[:SHOWN], change.functions[SHOWN:]
    summary = f"{_signed(moved)} ({100 * moved / change.before:+.1f} %)"
    # The function that contributed most to the change has its sign.
    main = next((one for one in change.functions if one.change * moved > 0), None)
    if main:
        note = f", {main.what}" if main.what != "changed" else ""
        summary += f", of these {_signed(main.change)} in {_name(main.name)}{note}"
    rest = sum(one.change for one in others)
    return Step(
        title=title,
        summary=summary,
        kinds=", ".join(f"{kind.title} {_signed(kind.change)}" for kind in change.kinds),
        functions=tuple(_function(one, change.before) for one in shown),
        rest=f"{_signed(rest)} in {len(others)} more functions" if others else "",
        warning="" if change.exact else INEXACT,
    )


def _name(name: str) -> str:
    """The name of a function; what a tree's root itself costs is not in any function."""
    return "entry, exit and user code" if name == "operation" else display_name(name)


def _function(one: FunctionChange, before: float) -> Function:
    both = f"{words.number(round(one.before))} → {words.number(round(one.after))}"
    return Function(
        change=_signed(one.change),
        name=_name(one.name),
        module=one.module,
        note=one.what if one.what != "changed" else both,
        share=f"{100 * one.change / before:+.1f} %",
    )


def _signed(value: float) -> str:
    """``+12`` or ``−12``."""
    return f"{'−' if value < 0 else '+'}{words.number(abs(round(value)))}"
