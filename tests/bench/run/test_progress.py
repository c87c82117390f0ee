# SPDX-License-Identifier: GPL-2.0-only
"""Progress: lines in a log and a bar on a terminal."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from bench.plan.cells import Cell, CellResult, failed
from bench.run import progress

CELL = Cell("netlink", "unicast", "push", 64)


def test_lines_count_and_estimate() -> None:
    written: list[str] = []
    times = iter([0.0, 0.0, 10.0, 20.0])
    lines = progress.Lines(written.append, lambda: next(times))
    lines.start(4)
    lines.begin(CELL)
    lines.done(CellResult(CELL, "ok"))
    lines.done(failed(replace(CELL, threads=4), "It broke."))
    lines.stop()
    assert written == [
        "[1/4] netlink unicast push 64 B ok (0:10 elapsed, 0:30 left)",
        "[2/4] netlink unicast push 64 B threads4 fail: It broke. (0:20 elapsed, 0:20 left)",
    ]


def test_a_terminal_gets_a_bar_and_a_log_gets_lines() -> None:
    assert isinstance(progress.for_console(Console(force_terminal=True)), progress.Bar)
    assert isinstance(progress.for_console(Console(file=io.StringIO())), progress.Lines)


def test_the_bar_leaves_failures_behind() -> None:
    out = io.StringIO()
    bar = progress.Bar(Console(file=out, force_terminal=True, width=100, highlight=False))
    bar.start(2)
    bar.begin(CELL)
    bar.done(failed(CELL, "It broke."))
    bar.say("Boot 2")
    bar.stop()
    bar.stop()
    assert "netlink-unicast-push-64 failed: It broke." in out.getvalue()


def test_clock_text() -> None:
    assert progress.clock_text(125.9) == "2:05"


def test_lines_count_properties_and_x_rays_in_tenths() -> None:
    written: list[str] = []
    lines = progress.Lines(written.append)
    for count in (0, 1, 4, 5, 19, 40, 40):
        lines.explored(count, 40)
    assert written == [f"[{count}/40] properties and x-rays" for count in (4, 19, 40)]


def test_the_bar_of_properties_goes_away() -> None:
    out = io.StringIO()
    bar = progress.Bar(Console(file=out, force_terminal=True, width=100, highlight=False))
    bar.explored(1, 2)
    bar.explored(2, 2)
    assert "properties and x-rays" in out.getvalue()
    assert bar._bar is None
