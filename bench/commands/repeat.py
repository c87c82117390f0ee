# SPDX-License-Identifier: GPL-2.0-only
"""Repeat a run and print how well its figures agree: ``make bench-repeat``.

It measures the channels that need no kernel half, on this machine, under the ``time`` clock. It is
a benchmark and not a test, because the result depends on the machine.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import click
from rich import box
from rich.table import Table

from bench.commands import console
from bench.errors import RingcrossError
from reports.analysis.agreement import agreements, coverage, pairs_of
from reports.data.run import OPERATIONS, load_run

CHANNELS = "syscall,pipe,unixsock,shm,posixmq"


def measure(folder: Path, seed: int, arguments: tuple[str, ...]) -> None:
    """Make one run in ``folder``.

    Raises:
        RingcrossError: the run did not end, or no cell was measured.
    """
    command = [sys.executable, "-m", "bench", "run", "--target", "local"]
    command += [] if "--channels" in arguments else ["--channels", CHANNELS]
    command += ["--no-explore", "--no-report", "--seed", str(seed), "--run-dir", str(folder)]
    result = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    if not (folder / "cells.csv").exists() or (folder / "journal.jsonl").exists():
        raise RingcrossError(f"A run failed: {result.stderr.strip()}")


def show(folders: list[Path]) -> None:
    """Print the agreement of the runs in ``folders``.

    Raises:
        RingcrossError: no two of the runs have a cell in common.
    """
    pairs = pairs_of([load_run(folder) for folder in folders])
    if not pairs:
        raise RingcrossError("No two runs have a cell with control rounds in common: repeat them.")
    heads = ("figure", "pairs", "median", "95th percentile", "within 5 %", "within 1 %")
    table = Table("difference of two runs:", *heads[1:], box=box.SIMPLE)
    absolute, ratio = agreements(pairs)
    by_operation = [
        replace(agreements(some)[1], figure=f"ratio, {operation} only")
        for operation in OPERATIONS
        if (some := [pair for pair in pairs if pair[0].operation == operation])
    ]
    for it in (absolute, ratio, *by_operation):
        shares = (f"{100 * share:.1f} %" for share in (it.median, it.p95, it.near, it.nearer))
        table.add_row(it.figure, str(it.pairs), *shares)
    console.OUT.print(table)
    covered = coverage(pairs)
    console.OUT.print(
        f"The 95 % interval of a ratio contains the ratio of another run in "
        f"{100 * covered.share:.1f} % of {covered.pairs} cases; "
        f"{100 * covered.expected:.1f} % are expected.",
        soft_wrap=True,
    )


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--repeat", type=click.IntRange(2, 100), default=10, show_default=True,
              help="Number of runs.")  # fmt: skip
@click.option("--runs", type=click.Path(path_type=Path, file_okay=False),
              help="Folder with the runs of an earlier call; measures nothing.")  # fmt: skip
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def main(repeat: int, runs: Path | None, arguments: tuple[str, ...]) -> None:
    """Measure several times and print how well the runs agree.

    ARGUMENTS are further options of `ringcross run`, such as --precision 2%.
    """
    if runs is not None:
        show(sorted(path.parent for path in runs.glob("*/cells.csv")))
        return
    with tempfile.TemporaryDirectory(prefix="ringcross-repeat-") as temporary:
        folders = [Path(temporary) / f"{number:03d}" for number in range(1, repeat + 1)]
        for number, folder in enumerate(folders, start=1):
            console.ERR.print(f"run {number} of {repeat}", style="dim")
            measure(folder, number, arguments)
        show(folders)


if __name__ == "__main__":
    main()
