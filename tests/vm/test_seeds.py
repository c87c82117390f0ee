# SPDX-License-Identifier: GPL-2.0-only
"""Five seeds of the quick plan: the spread of the figures, and how the report shows it."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from reports.pages.render import render
from tests.vm import machine

pytestmark = [pytest.mark.vm, pytest.mark.slow]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seeds") / "run"
    words = ["run", "--clock", "instructions", "--accel", "tcg", "--boots", "5"]
    words += ["--kernel", machine.KERNEL, "--no-report", "--no-explore", "--run-dir", str(folder)]
    done = subprocess.run([sys.executable, "-m", "bench", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def rows(run: Path) -> list[dict[str, str]]:
    with (run / "cells.csv").open() as file:
        found = [row for row in csv.DictReader(file) if row["status"] == "ok"]
    assert {row["boots"] for row in found} == {"5"}
    return found


def beyond(share: float, rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [row for row in rows if float(row["spread"]) > share]


def names_of(rows: list[dict[str, str]]) -> list[tuple[str, ...]]:
    return [(r["channel"], r["mode"], r["operation"], r["size"], r["spread"]) for r in rows]


def take_turns(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """The rows of which the kernel under test may decide by chance which of two threads runs next.

    These are the messages to and from another process, and those that the kernel starts.
    """
    if machine.series(machine.stock()) < machine.DELAYED_DEQUEUE:
        return []
    references = {c["name"] for c in machine.listing()["channels"] if c["reference"]}
    started = ("notify", "stream", "upcall")
    return [r for r in rows if r["channel"] in references or r["operation"] in started]


def test_none_is_beyond_one_per_cent(rows: list[dict[str, str]]) -> None:
    """On newer kernels, few of those in which two threads take turns, and these are marked."""
    turns = take_turns(rows)
    assert names_of(beyond(0.01, [row for row in rows if row not in turns])) == []
    differing = beyond(0.01, turns)
    assert len(differing) <= 0.05 * len(turns), names_of(differing)
    assert {row["marks"] for row in differing} <= {"differs"}


def test_five_seeds_agree_and_the_report_names_who_does_not(
    run: Path, rows: list[dict[str, str]]
) -> None:
    differing = beyond(0.005, rows)
    turns = take_turns(rows)
    steady = [row for row in differing if row not in turns]
    assert len(steady) <= 0.05 * (len(rows) - len(turns)), names_of(steady)
    assert {row["marks"] for row in differing} <= {"differs"}

    page = (render([run]).parent / "diagnostics.html").read_text()
    share = f"{len(rows) - len(differing)} of {len(rows)}"
    assert share in page
    marked = page[page.index('id="marked"') :].partition("</section>")[0]
    for row in differing:
        link = f'<a href="channel-{row["channel"]}.html#{row["operation"]}">'
        assert link in marked
    assert marked.count('class="note"') == len(differing)
    assert '<td class="note"></td>' not in marked, "each row has a reason"
