"""Render a report: one run in depth, or several side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reports.data.run import load_run
from reports.data.sources import MODULES
from reports.pages.run_report import render_run
from reports.pages.runs_beside import render_several


def render(
    run_dirs: Sequence[Path | str], out: Path | None = None, modules: Path = MODULES
) -> Path:
    """Write a report and return its first page.

    One run goes to ``<run>/report/`` unless ``out`` says otherwise.  Several go
    side by side into ``out``, each with its own report in a folder below it.

    Raises:
        DamagedRun: a run cannot be read.
        ValueError: no run, or several without ``out``.
    """
    if not run_dirs:
        raise ValueError("Name at least one run folder.")
    runs = [load_run(path) for path in run_dirs]
    if len(runs) == 1:
        return render_run(runs[0], out or runs[0].path / "report", modules)
    if out is None:
        raise ValueError("Several runs side by side need a folder to write to.")
    return render_several(runs, out, modules)
