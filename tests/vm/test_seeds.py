"""Five seeds of the quick plan: how far the figures spread, and what the report says of it."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from reports.pages import render

pytestmark = [pytest.mark.vm, pytest.mark.slow]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seeds") / "run"
    words = ["run", "--clock", "instructions", "--accel", "tcg", "--boots", "5"]
    words += ["--no-report", "--no-explore", "--run-dir", str(folder)]
    done = subprocess.run([sys.executable, "-m", "bench", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def test_five_seeds_agree_and_the_report_names_who_does_not(run: Path) -> None:
    with (run / "cells.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["status"] == "ok"]
    assert {row["boots"] for row in rows} == {"5"}
    apart = [row for row in rows if float(row["spread"]) > 0.005]
    assert len(apart) <= 0.05 * len(rows), [(r["channel"], r["mode"], r["spread"]) for r in apart]
    assert {row["marks"] for row in apart} <= {"apart"}

    page = (render([run]).parent / "diagnostics.html").read_text()
    share = f"{len(rows) - len(apart)} of {len(rows)}"
    assert share in page
    marked = page[page.index('id="marked"') :].partition("</section>")[0]
    for row in apart:
        link = f'<a href="channel-{row["channel"]}.html#{row["operation"]}">'
        assert link in marked
    assert marked.count('class="note"') == len(apart)
    assert '<td class="note"></td>' not in marked, "each has its reason"
