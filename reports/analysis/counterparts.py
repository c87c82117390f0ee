# SPDX-License-Identifier: GPL-2.0-only
"""Compare modes of the channels with their counterparts in the stock kernel."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from reports.analysis import selection
from reports.data.call_trees import Xrays
from reports.data.run import Channel, Measured, Run
from reports.text import words

STOCK = "stock"
"""The channel that measures the counterparts."""

KINDS_SHOWN = 2
"""Number of kinds of cost shown for a difference, largest first."""

SMALLEST_SHOWN = 0.02
"""Differences below this share of the more expensive operation are omitted."""


@dataclass(frozen=True)
class Row:
    """One operation of a mode and of its counterpart.

    Attributes:
        median: of the mode, as text.
        stock: the counterpart, a mode of the channel :data:`STOCK`.
        same: the operation of the counterpart that does the same work.
        stock_summary: summary of the counterpart.
        stock_median: median of the counterpart, as text.
        ratio: median over the counterpart's median.
        difference: the kinds of cost that differ most, as text; empty without call trees.
    """

    mode: str
    operation: str
    median: str
    stock: str
    same: str
    stock_summary: str
    stock_median: str
    ratio: float
    difference: str


def rows(run: Run, channel: Channel, xrays: Xrays | None) -> tuple[Row, ...]:
    """A row for each operation of each mode with a counterpart, at the smallest size."""
    stock_modes = {
        mode["name"]: mode
        for listed in run.channels
        if listed.name == STOCK
        for mode in listed.modes
    }
    compared = []
    for mode in channel.modes:
        if not (stock_mode := stock_modes.get(str(mode.get("counterpart")))):
            continue
        operations = mode.get("operations") or {}
        for operation in operations:
            stock_operation = counterpart_operation(
                operation, operations, stock_mode.get("operations") or {}
            )
            if not stock_operation:
                continue
            row = _best(run, channel.name, str(mode["name"]), operation)
            stock = _best(run, STOCK, str(stock_mode["name"]), stock_operation)
            if not row or not stock or not row.median or not stock.median:
                continue
            compared.append(
                Row(
                    mode=row.mode,
                    operation=operation,
                    median=words.number(row.median),
                    stock=stock.mode,
                    same=stock_operation,
                    stock_summary=str(stock_mode.get("summary", "")),
                    stock_median=words.number(stock.median),
                    ratio=row.median / stock.median,
                    difference=_difference(xrays, row, stock),
                )
            )
    return tuple(compared)


def counterpart_operation(
    operation: str, operations: Container[str], counterpart_operations: Container[str]
) -> str | None:
    """The operation of a counterpart that does the same work; None if it has none.

    The stock kernel emits no event on request.  A mode that notifies and has no call is
    therefore compared with a call of its counterpart, which causes an event and receives it.

    Args:
        operation: of the mode.
        operations: all operations of the mode.
        counterpart_operations: all operations of its counterpart.
    """
    if operation in counterpart_operations:
        return operation
    notifies = operation == "notify" and "call" not in operations
    return "call" if notifies and "call" in counterpart_operations else None


def _best(run: Run, channel: str, mode: str, operation: str) -> Measured | None:
    return selection.best([row for row in run.of(channel, operation) if row.mode == mode])


def _difference(xrays: Xrays | None, measured: Measured, stock: Measured) -> str:
    """The kinds of cost in which the call trees of the two operations differ most."""
    if xrays is None:
        return ""
    trees = [
        next(
            (
                xray
                for xray in xrays.operations
                if (xray.channel, xray.mode, xray.operation)
                == (row.channel, row.mode, row.operation)
                and xray.tree
            ),
            None,
        )
        for row in (measured, stock)
    ]
    tree, stock_tree = trees
    if tree is None or stock_tree is None:
        return ""
    least = SMALLEST_SHOWN * max(tree.untraced, stock_tree.untraced)
    differences = [
        (tree.kinds.get(kind, 0.0) - stock_tree.kinds.get(kind, 0.0), title)
        for kind, title in xrays.kinds.items()
    ]
    shown = [entry for entry in differences if abs(entry[0]) >= least]
    shown.sort(key=lambda entry: -abs(entry[0]))
    return ", ".join(
        f"{title} {'+' if units > 0 else '−'}{words.number(abs(units))}"
        for units, title in shown[:KINDS_SHOWN]
    )
