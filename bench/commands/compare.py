# SPDX-License-Identifier: GPL-2.0-only
"""``ringcross compare``: ratios between two runs."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich import box
from rich.table import Table

from bench.commands import console
from bench.commands.options import share
from bench.commands.report import newest
from bench.errors import RingcrossError, UsageError


@click.command()
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--fail-above",
    metavar="SHARE",
    callback=share,
    help="Exit with 1 if a cell is slower by more than this, e.g. 2%.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the page; compare/A--B next to run B if not given.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON.")
def compare(
    runs: tuple[Path, ...], fail_above: float | None, out: Path | None, as_json: bool
) -> None:
    """Compare two runs, cell by cell.

    Prints the ratio of run B to run A for each cell, with its 95 % interval and a verdict, then
    the geometric mean per operation and the settings that differ between the runs. Also writes a
    page. Without run folders it compares the two newest runs. Use it to find out what changed
    between two kernels or two configurations.

    With --fail-above, the exit code is 1 if a cell is slower by more than that and chance does
    not explain the difference. Runs of different clocks are refused with exit code 2.

    \b
    Examples:
      ringcross compare reports/runs/A reports/runs/B
      ringcross compare A B --fail-above 2%
      ringcross compare A B --json | jq '.rows[] | select(.verdict != "same")'
    """
    from reports.analysis.compare import Refused
    from reports.analysis.compare import compare as compared
    from reports.data.run import DamagedRun, load_run
    from reports.pages.comparison import render_comparison

    folders = list(runs) or newest(2)
    if len(folders) != 2:
        raise UsageError(
            f"Comparing needs two run folders, but {len(folders)} given: name run A and run B."
        )
    try:
        a, b = (load_run(path) for path in folders)
        comparison = compared(a, b, fail_above=fail_above)
    except DamagedRun as error:
        raise RingcrossError(str(error), exit_code=5) from error
    except Refused as error:
        raise UsageError(str(error)) from error
    name = "--".join(path.resolve().name for path in folders)
    page = render_comparison(comparison, out or folders[1].parent / "compare" / name)
    header, *rows = comparison.table()
    if as_json:
        print(json.dumps(comparison.to_json()))
    else:
        table = Table(*header, box=box.SIMPLE)
        for row in rows:
            table.add_row(*row)
        console.OUT.print(table)
        means = (f"{mean.operation} {mean.ratio:.4f}×" for mean in comparison.means)
        console.OUT.print(f"Geometric means of b / a: {', '.join(means)}", soft_wrap=True)
        for mark in comparison.marks:
            console.OUT.print(
                f"Differs: {mark.what}: {mark.a} → {mark.b}", markup=False, soft_wrap=True
            )
        for note in comparison.notes:
            console.OUT.print(note, style="yellow", markup=False, soft_wrap=True)
        console.OUT.print(f"{len(comparison.changed)} of {len(rows)} cells changed. Page: {page}",
                  soft_wrap=True)  # fmt: skip
    for cell in comparison.failing:
        console.ERR.print(f"{cell.name} is slower by {100 * (cell.ratio - 1):.1f} %.", style="red",
                  markup=False, soft_wrap=True)  # fmt: skip
    sys.exit(1 if comparison.failed else 0)
