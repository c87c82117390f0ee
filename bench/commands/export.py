"""``ringcross export``: the rows of a run, for other programs."""

from __future__ import annotations

from pathlib import Path

import click

from bench.errors import UsageError


@click.command()
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--format", "form", type=click.Choice(["csv", "json"]), default="csv",
              show_default=True)  # fmt: skip
def export(run: Path, form: str) -> None:
    """Print the rows of a run, for other programs.

    \b
    ringcross export reports/runs/… --format json | jq '.[] | select(.status == "fail")'
    """
    from reports.data.run import DamagedRun, load_run

    try:
        cells = load_run(run).cells
    except DamagedRun as error:
        raise UsageError(str(error)) from error
    text = cells.to_csv(index=False) if form == "csv" else cells.to_json(orient="records")
    click.echo(text, nl=form == "json")
