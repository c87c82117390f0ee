"""Control cells: what each run measures beside what it was asked for.

*Controls* are stock system calls.  No kernel half of ours is part of them, so what moves them is
the machine, the kernel or the harness.  Two runs whose controls differ were not made under the
same conditions; and an independent tool's figure for the same call checks the harness itself
(:mod:`bench.against`).

*Counterparts* are facilities of the kernel's own that do the same work as a mode of ours, by
which one sees what of its cost is the mechanism's.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.cells import Cell
from bench.plan import Listing

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


def counterparts(cells: Sequence[Cell], listing: Listing) -> list[Cell]:
    """For each of ``cells`` the kernel's own that does the same, as far as a mode names one."""
    named = {
        (channel["name"], mode["name"]): mode["stock"]
        for channel in listing["channels"]
        for mode in channel["modes"]
        if mode.get("stock")
    }
    can = {
        (mode["name"], operation): limits
        for channel in listing["channels"]
        if channel["name"] == STOCK
        for mode in channel["modes"]
        for operation, limits in mode["operations"].items()
    }
    found = []
    for cell in cells:
        mode = named.get((cell.channel, cell.mode), "")
        limits = can.get((mode, cell.operation))
        if limits and not cell.skip and not cell.factors:
            size = min(max(cell.size, limits["min"]), limits["max"])
            found.append(Cell(STOCK, mode, cell.operation, size))
    return list(dict.fromkeys(found))


def with_controls(cells: Sequence[Cell], listing: Listing) -> list[Cell]:
    """The cells of a run, and the controls and counterparts that are not among them."""
    wanted = [*controls(listing), *counterparts(cells, listing)]
    return [*cells, *(cell for cell in wanted if cell not in cells)]
