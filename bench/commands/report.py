# SPDX-License-Identifier: GPL-2.0-only
"""``ringcross report``: render the report of a run again."""

from __future__ import annotations

from pathlib import Path

import click

from bench.commands import console
from bench.errors import RingcrossError, UsageError
from bench.plan.options import RUNS


@click.command()
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the report; inside the run folder if not given, or "
    "in side-by-side/ next to the runs.",
)
def report(runs: tuple[Path, ...], out: Path | None) -> None:
    """Render the report of a run again, or of several runs side by side.

    Without a run folder it renders the newest run. Use it after an update of ringcross, or to
    show several runs in one report. It prints the path of the page.

    \b
    Examples:
      ringcross report
      ringcross report reports/runs/20250101T120000Z-6.1.0-amd64-instructions
      ringcross report reports/runs/A reports/runs/B --out both
    """
    folders = list(runs) or newest(1)
    if len(folders) > 1 and out is None:
        out = folders[0].parent / "side-by-side" / "+".join(f.resolve().name for f in folders)
    console.OUT.print(f"Report: {render(folders, out)}", soft_wrap=True)


def render(folders: list[Path], out: Path | None = None) -> Path:
    """Render the report of *folders*, into *out* if given, and return the path of its page.

    Raises:
        RingcrossError: a run folder is damaged.
    """
    from reports.data.run import DamagedRun
    from reports.pages.render import render

    names = ", ".join(folder.resolve().name for folder in folders)
    try:
        with console.working(f"Rendering the report of {names}"):
            return render(folders, out)
    except DamagedRun as error:
        raise RingcrossError(str(error), exit_code=5) from error


def newest(count: int) -> list[Path]:
    """The *count* newest run folders, oldest first.

    Raises:
        UsageError: there are fewer runs.
    """
    of_sets = RUNS.glob("*-set*/*/cells.csv")
    folders = sorted(path.parent for path in (*RUNS.glob("*/cells.csv"), *of_sets))
    if len(folders) < count:
        raise UsageError(
            f"{RUNS}/ has too few runs ({len(folders)} of {count}): measure with ringcross run, "
            "or name run folders."
        )
    return folders[-count:]
