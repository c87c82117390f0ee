# SPDX-License-Identifier: GPL-2.0-only
"""Pages of a run with several placements, and with hardware events or the reason without them."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from reports.data import trials
from reports.data.run import KEY, load_run
from reports.figures import latency
from reports.pages import render, view
from tests.reports.pages.test_render import check

Build = Callable[..., Path]
REASON = "The machine has no hardware counters."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A time run in which each notify was measured in two placements, ten times as slow in one."""
    make_run = request.getfixturevalue("make_run")
    run: Path = make_run(
        tmp_path_factory.mktemp("runs") / "20260101T000000-6.1.0-test",
        clock="time",
        channels=("null", "ioctl", "signal"),
    )
    with (run / "cells.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    notify = [row for row in rows if row["operation"] == "notify" and row["status"] == "ok"]
    for row in notify:
        row |= {"placement": "same-cpu", "user_cpu": "1", "other_cpu": "1"}
        row |= {"cycles_user": "1000", "cycles_kernel": "2345"}
        row |= {"instructions_user": "600", "instructions_kernel": "1234"}
    far = [
        row
        | {"placement": "same-llc", "other_cpu": "0", "factors": "same-llc"}
        | {name: str(10 * float(row[name])) for name in ("median", "min", "ci_low", "ci_high")}
        for row in notify
    ]
    with (run / "cells.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows([*rows, *far])
    samples = pd.read_parquet(run / "samples.parquet")
    near = samples["operation"] == "notify"
    samples.loc[near, "placement"] = "same-cpu"
    slow = samples[near].assign(placement="same-llc", value=10 * samples["value"][near])
    pd.concat([samples, slow]).to_parquet(run / "samples.parquet")
    return run


@pytest.fixture(scope="module")
def report(folder: Path) -> Path:
    return render.render([folder]).parent


def test_placements_stand_side_by_side_with_their_ratio(report: Path) -> None:
    check(report)
    for name in ("index.html", "channel-ioctl.html"):
        text = (report / name).read_text()
        section = text.split('id="placements"')[1].split("</section>")[0]
        assert re.findall(r'<th scope="col" class="num" title="([^"]*)">same-', section) == [
            "both ends on one CPU",
            "ends on two cores that share a last-level cache",
        ]
        assert ">10×</td>" in section
        assert 'title="CPU 1 and CPU 0"' in section
    assert 'id="placements"' not in (report / "channel-null.html").read_text()
    assert '<a href="#placements">Placements</a>' in (report / "index.html").read_text()


def test_the_heat_map_keeps_the_usual_placement(folder: Path) -> None:
    run = load_run(folder)
    (heat,) = (row for row in view.heat_map(run) if row.channel == "ioctl")
    (cell,) = (cell for cell in heat.cells if cell.operation == "notify")
    medians = {
        row.placement: row.median
        for row in run.rows
        if (row.channel, row.operation, row.mode, row.size) == ("ioctl", "notify", "direct", 8)
    }
    assert cell.text == f"{medians['same-cpu']:,.0f}"


def test_notes_say_where_both_ends_ran(report: Path) -> None:
    text = (report / "index.html").read_text()
    assert "both ends on one CPU (CPU 1)" in text
    assert "ends on two cores that share a last-level cache (CPU 1 and 0)" in text


def test_samples_of_other_placements_are_not_mixed_in(folder: Path) -> None:
    """A figure of percentiles shows the samples of its own cell only."""
    run = load_run(folder)
    assert run.samples is not None
    rows = [row for row in run.of("ioctl", "notify") if (row.mode, row.size) == ("direct", 8)]
    assert [row.placement for row in rows] == ["same-cpu"]
    values = latency.sampled(run.samples, rows[0])
    assert len(values) == 600
    assert values.max() < 5 * values.min()


def test_hardware_events_stand_beside_the_time(report: Path) -> None:
    for name in ("index.html", "channel-ioctl.html"):
        text = (report / name).read_text()
        assert "cycles, user + kernel" in text
        assert ">1,000 + 2,345</td>" in text
        assert ">600 + 1,234</td>" in text
    assert "cycles, user + kernel" not in (report / "channel-null.html").read_text()


@pytest.mark.parametrize(("clock", "shown"), [("time", True), ("instructions", False)])
def test_a_run_without_hardware_events_says_why(build_run: Build, clock: str, shown: bool) -> None:
    run = build_run(clock=clock, channels=("null",))
    environment = json.loads((run / "environment.json").read_text()) | {"no_events": REASON}
    (run / "environment.json").write_text(json.dumps(environment))
    text = (render.render([run]).parent / "index.html").read_text()
    assert (f"not counted. {REASON}" in text) == shown
    assert "cycles, user + kernel" not in text


def test_trials_of_a_run_without_placements_are_read(build_run: Build) -> None:
    run = build_run(channels=("ioctl",))
    with (run / "cells.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    (searched, *_) = (row for row in rows if row["operation"] == "stream")
    searched |= {"rate": "search", "factors": "search", "offered_per_unit": "400"}
    with (run / "cells.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [name for name in rows[0] if name != "placement"],
                                extrasaction="ignore")  # fmt: skip
        writer.writeheader()
        writer.writerows(rows)
    trial = {name: searched[name] for name in KEY if name != "placement"}
    trial |= {"emitted": "10", "lost": "0", "p99": "5", "offered_per_unit": "300"}
    trial |= {"delivered_per_unit": "300", "verdict": "clean"}
    with (run / "trials.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, trial)
        writer.writeheader()
        writer.writerow(trial)
    (sweep,) = trials.sweeps(load_run(run))
    assert len(sweep.trials) == 1
