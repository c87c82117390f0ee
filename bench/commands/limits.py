# SPDX-License-Identifier: GPL-2.0-only
"""Compare the fast paths with what hand-written code reaches: ``make bench-limits``.

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
from bench.kernels import build, catalog, names
from bench.plan.cells import Cell, CellResult
from bench.plan.plans import PLANS, Listing, request
from bench.run.estimates import known_median, net_rounds
from bench.run.runner import figures
from bench.targets.provision import Provisioner, requirements
from bench.targets.vm import VmTarget

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
    Row("ring to user space, bursts of 64", _stream("mmap", "ring", 8, burst=64), None, 160),
    Row(
        "the same, only with suppressed wake-ups",
        _stream("ring", "each", 8, burst=64),
        None,
        300,
    ),
    Row("ring to the kernel, a kick for each", Cell("mmap", "ring", "push", 8), **_within(711)),
    Row("a kick for 16", Cell("mmap", "kick16", "push", 8), **_within(64)),
    Row("a kick for 64", Cell("mmap", "kick64", "push", 8), **_within(32)),
    Row("64 B copied to the kernel, batch of 16", Cell("ring", "batch16", "push", 64), None, 63),
    Row(
        "64 B copied to user space, batch of 16",
        _stream("ring", "batch16", 64, burst=16),
        None,
        63,
    ),
    Row(
        "netlink to a reader that sleeps for each",
        _stream("netlink", "unicast", 8, wait="block"),
        None,
        8700,
    ),
    Row(
        "many messages by one read() of a device",
        _stream("chardev", "batch", 8, burst=16),
        None,
        1238,
    ),
)
"""The rows of the table."""


def missing(cell: Cell, listing: Listing) -> str:
    """Why the agent has no such cell, in one sentence; empty if it has it."""
    channels = {channel["name"]: channel for channel in listing["channels"]}
    if cell.channel not in channels:
        return f"There is no channel {cell.channel}."
    modes = {mode["name"]: mode for mode in channels[cell.channel]["modes"]}
    operations = modes.get(cell.mode, {}).get("operations", {})
    if cell.mode not in modes:
        return f"{cell.channel} has no mode {cell.mode}."
    if cell.operation not in operations:
        return f"{cell.channel} {cell.mode} has no {cell.operation}."
    limits = operations[cell.operation]
    if not limits["min"] <= cell.size <= limits["max"]:
        return f"{cell.channel} {cell.mode} has no {cell.operation} of {cell.size} B."
    if cell.wait and cell.wait not in limits.get("waits", ()):
        return f"{cell.channel} {cell.mode} cannot wait with {cell.wait}."
    return ""


def requests(rows: Sequence[Row], listing: Listing) -> list[dict[str, Any]]:
    """The requests of the boot: one for each row whose cell exists, with its number as ``id``."""
    return [
        request(row.cell, number, PLAN, "instructions") | {"samples": 0}
        for number, row in enumerate(rows)
        if not missing(row.cell, listing)
    ]


def outcomes(
    rows: Sequence[Row], listing: Listing, answers: Iterable[Mapping[str, Any]]
) -> list[Outcome]:
    """The outcome of each row, in order."""
    by_number = {answer["id"]: answer for answer in answers if answer.get("re") == "cell"}
    return [
        _outcome(row, missing(row.cell, listing), by_number.get(number))
        for number, row in enumerate(rows)
    ]


def _outcome(row: Row, why_missing: str, answer: Mapping[str, Any] | None) -> Outcome:
    if why_missing:
        return Outcome(row, reason=why_missing)
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
    kernel = catalog.find(kernel_name)
    listing = Provisioner().listing()
    used = {row.cell.channel for row in ROWS}
    channels = [channel for channel in listing["channels"] if channel["name"] in used]
    target = VmTarget(
        kernel=kernel,
        agent=build.build_agent(),
        modules=build.build_modules(kernel),
        needs=requirements("needs", channels),
        append=requirements("boot", channels),
        clock="instructions",
        accelerator="icount",
    )
    with target.start([SETUP, *requests(ROWS, listing)], seed=1) as session:
        return outcomes(ROWS, listing, list(session.answers()))


def table(found: Sequence[Outcome]) -> Table:
    """The table to print."""
    shown = Table(title="instructions per message, medians", title_justify="left")
    for name in ("what", "cell", "optimum", "goal", "ours", "verdict"):
        shown.add_column(name, justify="left" if name in ("what", "cell", "verdict") else "right")
    for each in found:
        verdict = "reached" if each.reached else "[red]not reached[/]" if each.value else ""
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
