# SPDX-License-Identifier: GPL-2.0-only
"""Render a report: one run in detail, or several side by side."""

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
    """Write a report and return the path of its first page.

    The report of one run goes to ``out``, by default ``<run>/report/``.  Several runs need
    ``out``: it gets a page that shows them side by side, and a folder with the report of each.

    Raises:
        DamagedRun: a run cannot be read.
        ValueError: no run is given, or several without ``out``.
    """
    if not run_dirs:
        raise ValueError("Name at least one run folder.")
    runs = [load_run(path) for path in run_dirs]
    if len(runs) == 1:
        return render_run(runs[0], out or runs[0].path / "report", modules)
    if out is None:
        raise ValueError("A report of several runs needs a folder to write to. Name one.")
    return render_several(runs, out, modules)
