"""``ringcross report``: render a run folder again."""

from __future__ import annotations

from pathlib import Path

import click

from bench.commands import console
from bench.errors import RingcrossError, UsageError
from bench.plan.options import RUNS


@click.command()
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Where to.")
def report(runs: tuple[Path, ...], out: Path | None) -> None:
    """Render a report of one run, or of several side by side; of the newest if none is named.

    \b
    ringcross report reports/runs/20250101T120000Z-6.1.0-amd64-instructions
    """
    folders = list(runs) or newest(1)
    if len(folders) > 1 and out is None:
        out = folders[0].parent / "side-by-side" / "+".join(f.resolve().name for f in folders)
    console.OUT.print(f"Report: {render(folders, out)}", soft_wrap=True)


def render(folders: list[Path], out: Path | None = None) -> Path:
    """Render the report of runs; a damaged one is an error of ours."""
    from reports.data.run import DamagedRun
    from reports.pages.render import render

    try:
        return render(folders, out)
    except DamagedRun as error:
        raise RingcrossError(str(error), exit_code=5) from error


def newest(count: int) -> list[Path]:
    """The newest runs, oldest first."""
    found = sorted(path.parent for path in RUNS.glob("*/cells.csv"))
    if len(found) < count:
        raise UsageError(
            f"There are {len(found)} runs in {RUNS}/, and {count} are needed: "
            "measure by `ringcross run`, or name run folders."
        )
    return found[-count:]
