# SPDX-License-Identifier: GPL-2.0-only
"""Compare the fast paths with what hand-written code has reached: ``make bench-limits``.

One boot under the ``instructions`` clock measures a few cells, and a table shows each figure
beside its goal. A row is only a cell and a goal, see :data:`ROWS`. This is a benchmark and not a
test: a goal is something to reach, and a row that does not reach it says so.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.errors import RingcrossError
from bench.kernels import names
from bench.plan.cells import Cell, CellResult
from bench.plan.options import RunOptions
from bench.plan.plans import PLANS, request
from bench.run.estimates import known_median, net_rounds
from bench.run.runner import figures
from bench.targets.provision import Provisioner

SETUP = {"do": "setup", "clock": "instructions"}
PLAN = PLANS["standard"]


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        what: what is measured, in a few words.
        cell: the cell that is measured.
        optimum: instructions per message of hand-written code for the same work; None if unknown.
        goal: the most instructions per message that are acceptable.
    """

    what: str
    cell: Cell
    optimum: float | None
    goal: float


@dataclass(frozen=True)
class Outcome:
    """The figure of a row, or why there is none.

    Attributes:
        row: the row.
        value: instructions per message, net; None if there is no figure.
        reason: why there is no figure; empty if there is one.
    """

    row: Row
    value: float | None = None
    reason: str = ""

    @property
    def reached(self) -> bool:
        """Whether there is a figure that does not exceed the goal."""
        return self.value is not None and self.value <= self.row.goal


def _stream(channel: str, mode: str, size: int, **factors: Any) -> Cell:
    return Cell(channel, mode, "stream", size, context="process", **factors)


def _within(optimum: float) -> dict[str, float]:
    """A goal that is 10 % above the optimum."""
    return {"optimum": optimum, "goal": round(1.1 * optimum, 1)}


ROWS = (
    Row("ring to user space, bursts of 64", _stream("mmap", "ring", 8, burst=64), 146, 160),
    Row("only the wake-ups suppressed", _stream("ring", "each", 8, burst=64), 300, 300),
    Row("ring to the kernel, a kick for each", Cell("mmap", "ring", "push", 8), **_within(711)),
    Row("a kick for 16", Cell("mmap", "kick16", "push", 8), **_within(64)),
    Row("a kick for 64", Cell("mmap", "kick64", "push", 8), **_within(32)),
    Row("64 B copied to the kernel, batch of 16", Cell("ring", "batch16", "push", 64), 63, 63),
    Row("the same, batch of 64", Cell("ring", "batch64", "push", 64), 63, 63),
    Row("64 B copied to user space, batch of 16", Cell("ring", "batch16", "pull", 64), 63, 63),
    Row("the same, batch of 64", Cell("ring", "batch64", "pull", 64), 63, 63),
    Row(
        "netlink to a reader that sleeps for each",
        _stream("netlink", "unicast", 8, wait="block"),
        8554,
        8700,
    ),
    Row(
        "many messages by one read() of a device",
        _stream("chardev", "batch", 8, burst=16),
        1238,
        1238,
    ),
)
"""The rows of the table.

The optima were measured once, on Linux 6.1 and under the same clock, with loops that were written
by hand for this one purpose and that check nothing.
"""


def requests(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The requests of the boot: one for each row, with its number as ``id``."""
    return [
        request(row.cell, number, PLAN, "instructions") | {"samples": 0}
        for number, row in enumerate(rows)
    ]


def outcomes(rows: Sequence[Row], answers: Iterable[Mapping[str, Any]]) -> list[Outcome]:
    """The outcome of each row, in order."""
    by_number = {answer["id"]: answer for answer in answers if answer.get("re") == "cell"}
    return [_outcome(row, by_number.get(number)) for number, row in enumerate(rows)]


def _outcome(row: Row, answer: Mapping[str, Any] | None) -> Outcome:
    if answer is None:
        return Outcome(row, reason="The agent gave no answer.")
    if answer["status"] != "ok":
        return Outcome(row, reason=str(answer.get("reason") or answer["status"]))
    result = figures(CellResult(row.cell, "ok"), answer)
    if any(result.stream.get("lost", ())):
        return Outcome(row, reason=f"It lost {sum(result.stream['lost'])} messages.")
    return Outcome(row, known_median(float(value) for value in net_rounds(result)))


def measure(kernel_name: str) -> list[Outcome]:
    """Measure all rows in one boot of a virtual machine.

    Raises:
        RingcrossError: the kernel cannot be found, or the machine was lost.
    """
    provisioner = Provisioner()
    listing = provisioner.listing()
    options = RunOptions(kernel=kernel_name, clock="instructions", cpus=1)
    testbed = provisioner.prepare(options, listing, [row.cell for row in ROWS])
    with testbed.target.start([SETUP, *requests(ROWS)], seed=1) as session:
        return outcomes(ROWS, list(session.answers()))


def table(found: Sequence[Outcome]) -> Table:
    """The table to print."""
    shown = Table(title="instructions per message, medians", title_justify="left")
    for name in ("what", "cell", "optimum", "goal", "ours", "verdict"):
        shown.add_column(name, justify="left" if name in ("what", "cell", "verdict") else "right")
    for each in found:
        missed = "[red]not reached[/]" if each.value is not None else ""
        verdict = "reached" if each.reached else missed
        optimum = each.row.optimum
        shown.add_row(
            each.row.what,
            each.row.cell.name,
            "–" if optimum is None else f"{optimum:,.0f}",
            f"≤ {each.row.goal:,.0f}",
            "–" if each.value is None else f"{each.value:,.1f}",
            each.reason or verdict,
        )
    return shown


def main(words: Sequence[str] | None = None) -> int:
    """Print the table; return 1 if a goal is not reached, 2 or more if nothing was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kernel", default=names.STOCK)
    console = Console(width=None if sys.stdout.isatty() else 140)
    try:
        found = measure(parser.parse_args(words).kernel)
    except RingcrossError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    console.print(table(found))
    return 0 if all(each.reached for each in found) else 1


if __name__ == "__main__":
    sys.exit(main())
