# SPDX-License-Identifier: GPL-2.0-only
"""Rate searches: the table, the figures and damaged files."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from bench.run.stream_counts import COLUMNS
from reports.data import trials
from reports.data.run import KEY, DamagedRun, Measured, load_run
from reports.figures import load
from reports.pages import render

Build = Callable[..., Path]

FOUND = Measured(
    "netlink", "unicast", "stream", 8, context="softirq", interval=40_000, burst=16,
    rate="search", factors="search burst16", median=2500.0, p50=900.0, p99=1800.0,
    offered_per_unit=400.0, bound="behind", lost=0.0,
)  # fmt: skip
BETTER = Measured(
    "netlink", "multicast", "stream", 8, context="softirq", interval=20_000, burst=16,
    rate="search", factors="search burst16", median=1250.0, offered_per_unit=800.0, bound="lost",
)  # fmt: skip
NONE = Measured(
    "signal", "realtime", "stream", 4, context="default", burst=16, rate="search",
    factors="search burst16", status="skip", reason="No burst of 16 is carried without loss",
)  # fmt: skip


def trial(row: Measured, offered: float, lost: int, verdict: str) -> dict[str, Any]:
    key = {name: getattr(row, name) for name in KEY}
    return key | {
        "boot": 0, "load": 0, "trial": 0, "emitted": 1000, "lost": lost, "p99": 5000 + lost,
        "offered_per_unit": offered, "delivered_per_unit": offered * (1000 - lost) / 1000,
        "verdict": verdict,
    }  # fmt: skip


TRIALS = [
    trial(FOUND, 800, 500, "lost"),
    trial(FOUND, 200, 0, "clean"),
    trial(FOUND, 300, 0, "late"),
    trial(BETTER, 900, 100, "lost"),
    trial(NONE, 50, 940, "lost"),
]


@pytest.fixture
def folder(build_run: Build) -> Path:
    """A run with rate searches."""
    run = build_run()
    with (run / "cells.csv").open(newline="") as file:
        header = next(csv.reader(file))
    with (run / "cells.csv").open("a", newline="") as file:
        rows = csv.DictWriter(file, header, extrasaction="ignore")
        for row in (FOUND, BETTER, NONE):
            values = asdict(row) | {"clock": "instructions", "unit": "instructions"}
            rows.writerow({k: "" if v is None else v for k, v in values.items()})
    with (run / "trials.csv").open("w", newline="") as file:
        tried = csv.DictWriter(file, COLUMNS)
        tried.writeheader()
        tried.writerows(TRIALS)
    return run


def test_trials_belong_to_their_cell_and_are_in_order(folder: Path) -> None:
    sweeps = {sweep.row.mode: sweep for sweep in trials.sweeps(load_run(folder))}
    assert sweeps.keys() == {"unicast", "multicast", "realtime"}
    unicast = sweeps["unicast"]
    assert unicast.rate == 400
    assert [(t.offered, t.loss, t.arrived) for t in unicast.trials] == [(200, 0, 200),
                                                                        (800, 50, 400)]  # fmt: skip
    assert sweeps["realtime"].rate is None
    assert sweeps["realtime"].trials[0].loss == 94


def test_the_table_leads_with_the_highest_rate_and_says_what_is_beyond(folder: Path) -> None:
    best, second, none = load.table(trials.sweeps(load_run(folder)))
    assert (best.row.mode, best.rate, best.bytes) == ("multicast", "800", "6,400")
    assert best.bound == "Messages are lost."
    assert (second.median, second.p99) == ("900", "1,800")
    assert second.bound == "The reader falls behind."
    assert none.rate == none.bytes
    assert none.bound == "No burst of 16 is carried without loss."


def test_a_figure_of_all_channels_has_each_in_its_best_mode(folder: Path) -> None:
    run = load_run(folder)
    figure = load.of_channels(run, trials.sweeps(run))
    assert figure is not None
    assert [name for name, _ in figure.legend] == ["netlink", "signal"]
    loss, latency, delivered = figure.plots
    assert "netlink: 800 without loss" in loss
    assert "unicast" not in loss
    assert "highest rate without loss: netlink 800" in latency
    assert "messages offered per million instructions" in delivered


def test_a_channels_figure_has_all_its_modes(folder: Path) -> None:
    run = load_run(folder)
    figure = load.of_modes(run, "netlink", trials.sweeps(run))
    assert figure is not None
    assert [name for name, _ in figure.legend] == ["multicast burst16 8 B", "unicast burst16 8 B"]
    assert load.of_modes(run, "ioctl", trials.sweeps(run)) is None


def test_pages_show_it_where_it_was_measured(folder: Path) -> None:
    render.render([folder])
    index = (folder / "report/index.html").read_text()
    assert "Streams under load" in index
    assert 'id="load-all"' in index
    assert "Streams under load" in (folder / "report/channel-netlink.html").read_text()
    assert "Streams under load" not in (folder / "report/channel-ioctl.html").read_text()


def test_searched_streams_are_not_among_the_usual_ones(folder: Path) -> None:
    run = load_run(folder)
    assert all(row.has_default_factors for row in run.of("netlink", "stream"))
    assert sum(not row.has_default_factors for row in run.rows) == 3


def test_a_run_without_searches_has_no_such_section(build_run: Build) -> None:
    run = load_run(build_run())
    assert trials.sweeps(run) == ()
    assert load.of_channels(run, ()) is None


@pytest.mark.parametrize("damage", ["channel\nnetlink\n", None])
def test_damaged_trials_are_told(folder: Path, damage: str | None) -> None:
    text = (folder / "trials.csv").read_text()
    (folder / "trials.csv").write_text(damage or text.replace("800,400", "many,400"))
    with pytest.raises(DamagedRun, match=r"trials\.csv cannot be read .*\. Delete it"):
        trials.sweeps(load_run(folder))
