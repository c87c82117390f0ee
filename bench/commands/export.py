# SPDX-License-Identifier: GPL-2.0-only
"""``ringcross export``: print the cells of a run as CSV or JSON."""

from __future__ import annotations

from pathlib import Path

import click

from bench.errors import RingcrossError


@click.command()
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--format", "form", type=click.Choice(["csv", "json"]), default="csv",
              show_default=True, help="Output format.")  # fmt: skip
def export(run: Path, form: str) -> None:
    """Print the cells of a run as CSV or JSON.

    Prints one row per cell on standard output: what was measured, its status, and its figures. Use
    it to process results with other programs.

    \b
    Examples:
      ringcross export reports/runs/A > cells.csv
      ringcross export reports/runs/A --format json | jq '.[] | select(.status == "fail")'
    """
    from reports.data.run import DamagedRun, load_run

    try:
        cells = load_run(run).cells
    except DamagedRun as error:
        raise RingcrossError(str(error), exit_code=5) from error
    text = cells.to_csv(index=False) if form == "csv" else cells.to_json(orient="records")
    click.echo(text, nl=form == "json")
