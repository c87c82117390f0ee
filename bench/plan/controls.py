"""Control cells: what each run measures beside what it was asked for.

*Controls* are stock system calls.  No kernel half of ours is part of them, so what moves them is
the machine, the kernel or the harness.  Two runs whose controls differ were not made under the
same conditions; and an independent tool's figure for the same call checks the harness itself
(:mod:`bench.commands.perf_bench`).

*Counterparts* are facilities of the kernel's own that do the same work as a mode of ours, by
which one sees what of its cost is the mechanism's.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from bench.plan.cells import OPERATIONS, Cell, Operation
from bench.plan.plans import Listing

STOCK = "stock"
"""The channel of the kernel's own facilities."""

CONTROLS = (
    Cell("syscall", "getppid", "call", 0),  # the null system call
    Cell("syscall", "zero", "pull", 8),  # a read that touches user memory
    Cell("syscall", "pipe", "call", 8),  # there and back through the kernel's buffers
    Cell("syscall", "sigself", "call", 0),  # a signal and its handler
)


def controls(listing: Listing) -> list[Cell]:
    """The controls that the agent has."""
    known = {
        (channel["name"], mode["name"], operation)
        for channel in listing["channels"]
        for mode in channel["modes"]
        for operation in mode["operations"]
    }
    return [cell for cell in CONTROLS if (cell.channel, cell.mode, cell.operation) in known]


def answering(operation: str, ours: Container[str], theirs: Container[str]) -> Operation | None:
    """The operation of a counterpart that does the same work; None when it has none.

    Nothing of ours can make the kernel's own code tell of an event by itself.  A mode that does
    nothing else is held against a call that brings an event about and hears of it.

    Args:
        operation: of our mode.
        ours: all operations of our mode.
        theirs: all operations of its counterpart.
    """
    brought_about = operation == "notify" and "call" not in ours
    wanted = "call" if brought_about and operation not in theirs else operation
    return next((one for one in OPERATIONS if one == wanted and one in theirs), None)


def counterparts(cells: Sequence[Cell], listing: Listing) -> list[Cell]:
    """For each of ``cells`` the kernel's own that does the same, as far as a mode names one."""
    named = {
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
    found = []
    for cell in cells:
        mode = named.get((cell.channel, cell.mode))
        if mode is None or cell.skip or cell.factors:
            continue
        theirs = stock.get(mode["counterpart"], {})
        operation = answering(cell.operation, mode["operations"], theirs)
        if operation:
            limits = theirs[operation]
            size = min(max(cell.size, limits["min"]), limits["max"])
            found.append(Cell(STOCK, mode["counterpart"], operation, size))
    return list(dict.fromkeys(found))


def with_controls(cells: Sequence[Cell], listing: Listing) -> list[Cell]:
    """The cells of a run, and the controls and counterparts that are not among them."""
    wanted = [*controls(listing), *counterparts(cells, listing)]
    return [*cells, *(cell for cell in wanted if cell not in cells)]
