# SPDX-License-Identifier: GPL-2.0-only
"""Explain a change of cost by two call trees: which functions came, went, or changed.

A function's own cost is summed over all its calls in a tree, so a function that moved to another
caller is no change. A function that the compiler copied into its caller in one of the two kernels
counts as gone there, and its cost appears in the caller.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Literal

from reports.data.call_trees import Call, Operation, Xrays

What = Literal["new", "gone", "changed"]

MANY = 0.2
"""The share of all operations from which a change is common."""


@dataclass(frozen=True)
class FunctionChange:
    """One function in two call trees.

    Attributes:
        module: name of its module; empty for the kernel itself.
        before, after: its own cost in each tree, in units of the clock; 0 where it is missing.
        what: whether only the second tree has it, only the first, or both.
    """

    name: str
    module: str
    before: float
    after: float
    what: What

    @property
    def change(self) -> float:
        """By how much the cost grew, in units of the clock."""
        return self.after - self.before


@dataclass(frozen=True)
class KindChange:
    """One kind of cost in two call trees; ``change`` is in units of the clock."""

    title: str
    change: float


@dataclass(frozen=True)
class TreeChange:
    """An operation's call tree in two runs.

    Attributes:
        before, after: cost of the operation with each tree, in units of the clock.
        functions: those whose cost differs, largest difference first.
        kinds: kinds of cost that differ, largest difference first.
        exact: whether each tree adds up to the cost without the tracer.
    """

    before: float
    after: float
    functions: tuple[FunctionChange, ...]
    kinds: tuple[KindChange, ...]
    exact: bool


def tree_change(
    a: Xrays | None, b: Xrays | None, channel: str, mode: str, operation: str
) -> TreeChange | None:
    """Compare the trees of one operation in two runs; None if one of the runs has no tree."""
    first, second = find(a, channel, mode, operation), find(b, channel, mode, operation)
    if not (a and b and first and second and first.tree and second.tree):
        return None
    titles = a.kinds | b.kinds
    kinds = (
        KindChange(titles[kind], second.kinds.get(kind, 0.0) - first.kinds.get(kind, 0.0))
        for kind in titles
    )
    return TreeChange(
        before=first.corrected,
        after=second.corrected,
        functions=_functions(first.tree, second.tree),
        kinds=tuple(sorted((k for k in kinds if round(k.change)), key=lambda k: -abs(k.change))),
        exact=first.agrees and second.agrees,
    )


@dataclass(frozen=True)
class CommonChange:
    """A function whose cost changed in several operations.

    Attributes:
        module: name of its module; empty for the kernel itself.
        operations: the number of operations in which it changed.
        change: the median of these changes, in units of the clock.
    """

    name: str
    module: str
    operations: int
    change: float


def common_changes(a: Xrays | None, b: Xrays | None) -> tuple[int, tuple[CommonChange, ...]]:
    """The functions that changed in many operations, those that matter most first.

    A function must have changed in two operations and in :data:`MANY` of all. Its weight is the
    number of operations times the median change.

    Returns:
        The number of operations that both runs have trees of, and the changes.
    """
    changes: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    compared = 0
    for operation in a.operations if a else ():
        found = tree_change(a, b, operation.channel, operation.mode, operation.operation)
        if found:
            compared += 1
            for one in found.functions:
                changes[one.name, one.module].append(one.change)
    common = (
        CommonChange(name, module, len(values), median(values))
        for (name, module), values in changes.items()
        if len(values) >= max(2, MANY * compared)
    )
    ranked = sorted(common, key=lambda one: (-one.operations * abs(one.change), one.name))
    return compared, tuple(ranked)


def find(xrays: Xrays | None, channel: str, mode: str, operation: str) -> Operation | None:
    """The x-ray of an operation; None if the run has none."""
    wanted = (channel, mode, operation)
    operations = xrays.operations if xrays else ()
    return next((x for x in operations if (x.channel, x.mode, x.operation) == wanted), None)


def _functions(first: Call, second: Call) -> tuple[FunctionChange, ...]:
    before, after = _own_costs(first), _own_costs(second)
    changes = []
    for name, module in before.keys() | after.keys():
        key = (name, module)
        what: What = "changed"
        if key not in before:
            what = "new"
        elif key not in after:
            what = "gone"
        changes.append(
            FunctionChange(name, module, before.get(key, 0.0), after.get(key, 0.0), what)
        )
    # A difference that rounds to nothing is a remainder of the correction for the tracer.
    return tuple(
        sorted(
            (change for change in changes if round(change.change)),
            key=lambda change: (-abs(change.change), change.name),
        )
    )


def _own_costs(tree: Call) -> dict[tuple[str, str], float]:
    costs: defaultdict[tuple[str, str], float] = defaultdict(float)
    for call in _every(tree):
        costs[call.name, call.module] += call.own
    return dict(costs)


def _every(call: Call) -> Iterator[Call]:
    yield call
    for below in call.below:
        yield from _every(below)
