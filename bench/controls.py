"""Control cells: stock system calls that each run measures beside what it was asked for.

No kernel half of ours is part of them, so what moves them is the machine, the kernel or the
harness.  Two runs whose controls differ were not made under the same conditions; and an
independent tool's figure for the same call checks the harness itself (:mod:`bench.against`).
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.cells import Cell
from bench.plan import Listing

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


def with_controls(cells: Sequence[Cell], listing: Listing) -> list[Cell]:
    """The cells of a run, and the controls that are not among them."""
    missing = [cell for cell in controls(listing) if cell not in cells]
    return [*cells, *missing]
