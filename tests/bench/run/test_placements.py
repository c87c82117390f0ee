# SPDX-License-Identifier: GPL-2.0-only
"""Placements and hardware events on their way from the agent to ``cells.csv``."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bench.plan.cells import Clock
from bench.plan.options import RunOptions
from bench.run.campaign import Campaign
from bench.run.run_folder import Recorder
from tests.fake_target import FakeProvisioner, FakeTarget

EVENTS = {"cycles_user": [10.0, 30.0, 20.0], "cycles_kernel": [200.0], "instructions_user": []}
REASON = "The machine has no hardware counters."


def rows(run: Path) -> dict[str, dict[str, str]]:
    """The rows of ``cells.csv`` with 8 bytes or less, by channel, operation and factors."""
    with (run / "cells.csv").open(newline="") as file:
        found = [row for row in csv.DictReader(file) if int(row["size"]) <= 8]
    return {" ".join((r["channel"], r["mode"], r["operation"], r["factors"])): r for r in found}


def measure(folder: Path, clock: Clock, deeds: dict[str, Any] | None = None) -> Path:
    """Run the plan ``quick`` on a fake machine with two CPUs."""
    provisioner = FakeProvisioner(FakeTarget(deeds or {}), clock)
    if clock == "time":
        provisioner.available = ("same-cpu", "same-llc")
    options = RunOptions(run_dir=folder, channels=("null", "netlink"))
    with Campaign(options, provisioner=provisioner) as campaign:
        campaign.run()
    return folder


def test_a_run_on_several_cpus_measures_two_placements(tmp_path: Path) -> None:
    found = rows(measure(tmp_path / "run", "time"))
    near = found["netlink multicast notify "]
    far = found["netlink multicast notify same-llc"]
    assert (near["placement"], near["user_cpu"], near["other_cpu"]) == ("same-cpu", "1", "1")
    assert (far["placement"], far["user_cpu"], far["other_cpu"]) == ("same-llc", "1", "2")
    one_end = found["null ioctl push "]
    assert (one_end["placement"], one_end["user_cpu"], one_end["other_cpu"]) == ("", "1", "")
    frame = pd.read_parquet(tmp_path / "run/samples.parquet")
    assert set(frame[frame["operation"] == "notify"]["placement"]) == {"same-cpu", "same-llc"}
    assert set(frame[frame["operation"] == "push"]["placement"]) == {""}


def test_counted_instructions_have_no_placement(tmp_path: Path) -> None:
    found = rows(measure(tmp_path / "run", "instructions"))
    assert not [name for name in found if "same-llc" in name]
    for row in found.values():
        assert (row["placement"], row["user_cpu"], row["other_cpu"]) == ("", "", "")


def test_events_are_medians_of_the_counted_rounds(tmp_path: Path) -> None:
    found = rows(measure(tmp_path / "run", "time", {"null-push": {"events": EVENTS}}))
    counted = found["null ioctl push "]
    assert counted["cycles_user"] == "20"
    assert counted["cycles_kernel"] == "200"
    assert counted["instructions_user"] == counted["instructions_kernel"] == ""
    assert found["null ioctl pull "]["cycles_user"] == ""


@pytest.mark.parametrize("reason", [REASON, ""])
def test_the_reason_without_events_is_recorded(tmp_path: Path, reason: str) -> None:
    setup = {"re": "setup", "clock": "time", "read": 1.0, "loop": 1.0, "no_events": reason}
    run = measure(tmp_path / "run", "time", {"setup": setup})
    assert json.loads((run / "environment.json").read_text())["no_events"] == reason


def test_an_interrupted_run_keeps_placements_and_events(tmp_path: Path) -> None:
    deeds = {"null-push": {"events": EVENTS}, "netlink-stream": KeyboardInterrupt()}
    provisioner = FakeProvisioner(FakeTarget(deeds), "time")
    provisioner.available = ("same-cpu", "same-llc")
    options = RunOptions(run_dir=tmp_path / "run", channels=("null", "netlink"))
    with (
        Campaign(options, provisioner=provisioner) as campaign,
        pytest.raises(KeyboardInterrupt),
    ):
        campaign.run()
    before = (tmp_path / "run/cells.csv").read_text()
    with Recorder.resume(tmp_path / "run") as recorder:
        assert recorder.results
    assert (tmp_path / "run/cells.csv").read_text() == before
