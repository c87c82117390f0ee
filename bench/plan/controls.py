# SPDX-License-Identifier: GPL-2.0-only
"""Controls and counterparts: cells that every run measures in addition to those requested.

*Controls* are stock system calls. They use none of our kernel halves, so a change of their cost
comes from the machine, the kernel or the harness. Two runs whose controls differ were not made
under the same conditions. Another tool's figure for the same call also checks the harness itself
(:mod:`bench.commands.perf_bench`).

They are cells of their own and say little about a machine that changes its speed within a second.
For that, the agent times a *control round* beside each round (:mod:`bench.run.ratios`).

*Counterparts* are the kernel's own facilities that do the same work as one of our modes. They
show which part of a mode's cost belongs to the mechanism.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from bench.plan.cells import OPERATIONS, Cell, Operation
from bench.plan.plans import Listing

STOCK = "stock"
"""The channel that contains the counterparts."""

CONTROLS = (
    Cell("syscall", "getppid", "call", 0),  # the null system call
    Cell("syscall", "zero", "pull", 8),  # a read that touches user memory
    Cell("syscall", "pipe", "call", 8),  # a round trip through the kernel's buffers
    Cell("syscall", "sigself", "call", 0),  # a signal and its handler
)


def controls(listing: Listing) -> list[Cell]:
    """The controls that the agent's listing contains."""
    known = {
        (channel["name"], mode["name"], operation)
        for channel in listing["channels"]
        for mode in channel["modes"]
        for operation in mode["operations"]
    }
    return [cell for cell in CONTROLS if (cell.channel, cell.mode, cell.operation) in known]


def answering(
    operation: str, mode_operations: Container[str], counterpart_operations: Container[str]
) -> Operation | None:
    """The operation of a counterpart that does the same work, or None if there is none.

    We cannot make the kernel's own code emit an event. A ``notify`` of a mode without ``call`` is
    therefore compared with a ``call`` of its counterpart, which causes an event and receives it,
    unless the counterpart has ``notify``.

    Args:
        operation: the operation of our mode.
        mode_operations: all operations of our mode.
        counterpart_operations: all operations of its counterpart.
    """
    notify_only = operation == "notify" and "call" not in mode_operations
    match = "call" if notify_only and operation not in counterpart_operations else operation
    return next((op for op in OPERATIONS if op == match and op in counterpart_operations), None)


def counterparts(cells: Sequence[Cell], listing: Listing) -> list[Cell]:
    """The counterparts of ``cells``, for modes that name one; each cell once.

    A cell with a factor that is not the usual one has no counterpart.
    """
    modes = {
        (channel["name"], mode["name"]): mode
        for channel in listing["channels"]
        for mode in channel["modes"]
        if mode.get("counterpart")
    }
    stock = {
        mode["name"]: mode["operations"]
        for channel in listing["channels"]
        if channel["name"] == STOCK
        for mode in channel["modes"]
    }
    result = []
    for cell in cells:
        mode = modes.get((cell.channel, cell.mode))
        if mode is None or cell.skip or cell.factors:
            continue
        counterpart = stock.get(mode["counterpart"], {})
        operation = answering(cell.operation, mode["operations"], counterpart)
        if operation:
            limits = counterpart[operation]
            size = min(max(cell.size, limits["min"]), limits["max"])
            result.append(Cell(STOCK, mode["counterpart"], operation, size))
    return list(dict.fromkeys(result))


def with_controls(cells: Sequence[Cell], listing: Listing) -> list[Cell]:
    """``cells``, followed by the controls and counterparts that they do not contain."""
    additional = [*controls(listing), *counterparts(cells, listing)]
    return [*cells, *(cell for cell in additional if cell not in cells)]
