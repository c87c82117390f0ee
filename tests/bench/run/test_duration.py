# SPDX-License-Identifier: GPL-2.0-only
"""The duration of a run, from recorded runs and from usual costs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.plan.options import RunOptions
from bench.plan.plans import find_plan
from bench.run.duration import estimate


def record(runs: Path, name: str, finished: str | None, rows: int = 10, **fields: object) -> None:
    """A run that started at noon, with this number of measured cells and one skipped one."""
    folder = runs / name
    folder.mkdir(parents=True)
    environment = {"plan": "quick", "target": "vm", "clock": "instructions", "boots": 2, "loads": 1}
    times = {"started": "2025-01-01T12:00:00+00:00", "finished": finished}
    (folder / "environment.json").write_text(json.dumps(environment | times | fields))
    lines = ["channel,status,reason", *rows * ["netlink,ok,"], "netlink,skip,No."]
    (folder / "cells.csv").write_text("\n".join(lines))


def test_recorded_runs_of_the_same_kind_count(tmp_path: Path) -> None:
    """Two runs of 20 results in 60 and 100 seconds: 4 seconds per result in the middle."""
    record(tmp_path, "a", "2025-01-01T12:01:00+00:00")
    record(tmp_path, "b", "2025-01-01T12:01:40+00:00")
    record(tmp_path, "unfinished", None)
    record(tmp_path, "other-plan", "2025-01-01T13:00:00+00:00", plan="full")
    record(tmp_path, "other-target", "2025-01-01T13:00:00+00:00", target="local")
    record(tmp_path, "other-clock", "2025-01-01T13:00:00+00:00", clock="time")
    record(tmp_path, "nothing", "2025-01-01T13:00:00+00:00", rows=0)
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged/environment.json").write_text("{")
    options = RunOptions(clock="instructions")
    found = estimate(options, find_plan("quick"), 30, tmp_path)
    assert found.seconds == pytest.approx(30 * 4)
    assert found.source == f"from 2 recorded runs with plan quick in {tmp_path}/"


def test_without_a_recorded_run_usual_costs_count(tmp_path: Path) -> None:
    quick, full = (
        estimate(RunOptions(plan=plan, boots=2), find_plan(plan), 100, tmp_path)
        for plan in ("quick", "full")
    )
    assert "usual costs" in quick.source
    assert 2 * 12 < quick.seconds < full.seconds
