# SPDX-License-Identifier: GPL-2.0-only
"""A channel between two processes is shown as a reference, not as a channel to the kernel."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from reports.analysis import selection
from reports.data.run import Run, load_run
from reports.figures import cost
from reports.pages import run_report, view


@pytest.fixture
def run(build_run: Callable[..., Path]) -> Run:
    """A run in which the cheapest channel, mmap, is a reference."""
    loaded = load_run(build_run())
    channels = (
        replace(c, reference=True, module=None) if c.name == "mmap" else c for c in loaded.channels
    )
    return replace(loaded, channels=tuple(channels))


def test_the_list_says_what_is_a_reference(build_run: Callable[..., Path]) -> None:
    folder = build_run()
    path = folder / "environment.json"
    environment = json.loads(path.read_text())
    listed = {channel["name"]: channel for channel in environment["channels"]["channels"]}
    listed["mmap"]["reference"] = True
    path.write_text(json.dumps(environment))
    run = load_run(folder)
    tags = {channel.name: channel.tag for channel in run.channels}
    assert (tags["null"], tags["mmap"], tags["ioctl"]) == ("baseline", "reference", "")


def test_it_stands_last_and_is_no_answer(run: Run) -> None:
    assert selection.ordered(run)[-1].name == "mmap"
    assert "mmap" not in view.answer(run)
    assert "ioctl" in view.answer(run)


def test_it_is_marked_wherever_it_stands(run: Run, tmp_path: Path) -> None:
    run_report.render_run(run, tmp_path)
    index = (tmp_path / "index.html").read_text()
    assert index.count('<span class="tag">reference</span>') == 1
    page = (tmp_path / "channel-mmap.html").read_text()
    assert '<span class="tag">reference</span></h1>' in page
    assert "a second process, the <em>peer</em>, does what a kernel half does" in page
    assert "reference</span></h1>" not in (tmp_path / "channel-ioctl.html").read_text()
    figure = cost.cost(run)
    assert figure is not None
    assert any("mmap (reference: ring)" in plot for plot in figure.plots)
