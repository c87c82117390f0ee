"""Our channels beside the kernel's own that do the same work, and what lies between them."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from reports.analysis import selection
from reports.data.call_trees import Xrays
from reports.data.run import Channel, Measured, Run
from reports.text import words

STOCK = "stock"
"""The channel of the kernel's own facilities."""

FEW = 2
"""So many kinds of cost are named in which the two differ most."""

WORTH_NAMING = 0.02
"""Share of the dearer one's cost below which a difference is left out."""


@dataclass(frozen=True)
class Row:
    """One operation of ours and the kernel's own; texts, and the ratio of the medians."""

    mode: str
    operation: str
    ours: str
    stock: str
    same: str
    what: str
    theirs: str
    ratio: float
    between: str


def rows(run: Run, channel: Channel, xrays: Xrays | None) -> tuple[Row, ...]:
    """Each mode that names a counterpart, at the smallest message of each operation."""
    stocked = {
        mode["name"]: mode for one in run.channels if one.name == STOCK for mode in one.modes
    }
    found = []
    for mode in channel.modes:
        if not (stock := stocked.get(str(mode.get("counterpart")))):
            continue
        operations = mode.get("operations") or {}
        for operation in operations:
            same = counterpart_operation(operation, operations, stock.get("operations") or {})
            if not same:
                continue
            ours = _usual(run, channel.name, str(mode["name"]), operation)
            theirs = _usual(run, STOCK, str(stock["name"]), same)
            if not ours or not theirs or not ours.median or not theirs.median:
                continue
            found.append(
                Row(
                    mode=ours.mode,
                    operation=operation,
                    ours=words.number(ours.median),
                    stock=theirs.mode,
                    same=same,
                    what=str(stock.get("summary", "")),
                    theirs=words.number(theirs.median),
                    ratio=ours.median / theirs.median,
                    between=_between(xrays, ours, theirs),
                )
            )
    return tuple(found)


def counterpart_operation(
    operation: str, ours: Container[str], theirs: Container[str]
) -> str | None:
    """The operation of a counterpart that does the same work; None when it has none.

    The kernel's own code emits no event on request.  So a mode of ours that only notifies is
    compared with a call of its counterpart, which causes an event and receives it.

    Args:
        operation: of our mode.
        ours: all operations of our mode.
        theirs: all operations of its counterpart.
    """
    if operation in theirs:
        return operation
    return "call" if operation == "notify" and "call" not in ours and "call" in theirs else None


def _usual(run: Run, channel: str, mode: str, operation: str) -> Measured | None:
    return selection.best([row for row in run.of(channel, operation) if row.mode == mode])


def _between(xrays: Xrays | None, ours: Measured, theirs: Measured) -> str:
    """In which kinds of cost the call trees of the two differ most."""
    if xrays is None:
        return ""
    mine, other = (
        next(
            (
                one
                for one in xrays.operations
                if (one.channel, one.mode, one.operation) == (row.channel, row.mode, row.operation)
                and one.tree
            ),
            None,
        )
        for row in (ours, theirs)
    )
    if mine is None or other is None:
        return ""
    least = WORTH_NAMING * max(mine.untraced, other.untraced)
    differ = [
        (mine.kinds.get(kind, 0.0) - other.kinds.get(kind, 0.0), title)
        for kind, title in xrays.kinds.items()
    ]
    differ = [one for one in differ if abs(one[0]) >= least]
    differ.sort(key=lambda one: -abs(one[0]))
    return ", ".join(
        f"{title} {'+' if units > 0 else '−'}{words.number(abs(units))}"
        for units, title in differ[:FEW]
    )
