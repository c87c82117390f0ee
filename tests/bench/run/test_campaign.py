# SPDX-License-Identifier: GPL-2.0-only
"""Campaigns: one run, from its options to its folder."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.errors import TargetError, UsageError
from bench.host import knobs
from bench.plan.cells import failed, skipped
from bench.plan.options import RunOptions, sizes, words
from bench.run.campaign import Campaign
from bench.run.progress import Lines
from tests.bench.host.knobs.tree import GOOD
from tests.fake_target import FakeProvisioner, FakeTarget


def options(folder: Path, **values: object) -> RunOptions:
    return replace(RunOptions(run_dir=folder / "run", channels=("netlink",)), **values)  # type: ignore[arg-type]


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "cells.csv").open() as file:
        return list(csv.DictReader(file))


def measure(campaign: Campaign, count: int) -> None:
    for cell in campaign.order()[:count]:
        campaign.result(cell)


def test_nothing_is_booted_until_a_result_is_asked_for(tmp_path: Path) -> None:
    provisioner = FakeProvisioner()
    with Campaign(options(tmp_path), provisioner=provisioner) as campaign:
        assert campaign.cells
        assert not (tmp_path / "run").exists()
        campaign.run()
    assert len(provisioner.target.sessions) == 1
    assert provisioner.target.sessions[0].closed


def test_only_what_is_selected_is_measured(tmp_path: Path) -> None:
    provisioner = FakeProvisioner()
    with Campaign(options(tmp_path), provisioner=provisioner) as campaign:
        pushes = [cell for cell in campaign.cells if cell.operation == "push"]
        campaign.select(pushes)
        campaign.run()
    assert set(campaign.results) == set(pushes)
    assert not (tmp_path / "run/journal.jsonl").exists()


def test_results_come_in_the_order_that_is_told(tmp_path: Path) -> None:
    with Campaign(options(tmp_path, boots=2), provisioner=FakeProvisioner()) as campaign:
        campaign.run()
    assert [c for c in campaign.order() if not c.skip] == sorted(
        (c for c in campaign.results if not c.skip),
        key=lambda cell: campaign.order().index(cell),
    )
    assert all(len(results) == 2 for cell, results in campaign.results.items() if not cell.skip)


def test_a_cell_has_all_its_loads_before_it_is_settled(tmp_path: Path) -> None:
    provisioner = FakeProvisioner()
    with Campaign(options(tmp_path, boots=2, loads=3), provisioner=provisioner) as campaign:
        cell = campaign.order()[-1]
        assert len(campaign.result(cell)) == 6
        campaign.run()
    assert {len(results) for cell, results in campaign.results.items() if not cell.skip} == {6}
    assert json.loads((tmp_path / "run/environment.json").read_text())["loads"] == 3
    (row,) = [row for row in rows(tmp_path / "run") if row["status"] == "ok"][:1]
    assert (row["boots"], row["loads"], row["rounds"]) == ("2", "3", "66")


def test_the_plan_gives_the_loads_unless_told(tmp_path: Path) -> None:
    def loads(**values: object) -> int:
        with Campaign(options(tmp_path, **values), provisioner=FakeProvisioner()) as campaign:
            return campaign.loads

    assert [loads(), loads(plan="full"), loads(plan="full", loads=1)] == [1, 3, 1]


def test_a_time_run_tells_of_the_machine_before_it_measures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {**GOOD, "/proc/loadavg": "9.0 8 7 1/2 3"}
    monkeypatch.setattr(knobs, "read", lambda _: files)
    lines: list[str] = []
    with Campaign(
        options(tmp_path), provisioner=FakeProvisioner(clock="time"), progress=Lines(lines.append)
    ) as campaign:
        measure(campaign, 6)
    assert "load 9.0" in lines[0]
    assert campaign.shown_warnings == lines[:1]
    kept = json.loads((tmp_path / "run/environment.json").read_text())
    assert lines[0] in kept["warnings"]
    assert {knob["name"]: knob["state"] for knob in kept["knobs"]}["load"] == "poor"


def test_counted_instructions_take_no_notice_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {**GOOD, "/proc/loadavg": "9.0 8 7 1/2 3"}
    monkeypatch.setattr(knobs, "read", lambda _: files)
    with Campaign(options(tmp_path), provisioner=FakeProvisioner()) as campaign:
        measure(campaign, 6)
    assert campaign.shown_warnings == []
    assert not any("load" in warning for warning in campaign.warnings())


def test_marked_cells_are_counted_and_told(tmp_path: Path) -> None:
    """Rounds that disagree, under the ``time`` clock, mark their cell as imprecise."""
    rounds = [300 + (k % 2) * 50_000 for k in range(11)]
    target = FakeTarget({"netlink-push": {"rounds": rounds}})
    with Campaign(options(tmp_path), provisioner=FakeProvisioner(target, clock="time")) as campaign:
        campaign.run()
    marks = {row["operation"]: row["marks"] for row in rows(tmp_path / "run") if row["marks"]}
    assert marks == {"push": "imprecise"}
    kept = json.loads((tmp_path / "run/environment.json").read_text())
    assert kept["marked"]["imprecise"] == 2
    assert any("wider than 5 %" in warning for warning in kept["warnings"])


def test_resume_takes_the_runs_own_options(tmp_path: Path) -> None:
    with Campaign(options(tmp_path, seed=9), provisioner=FakeProvisioner()) as campaign:
        measure(campaign, 6)
    resume_options = RunOptions(resume=tmp_path / "run", plan="full", seed=1)
    provisioner = FakeProvisioner()
    with Campaign(resume_options, provisioner=provisioner) as resumed:
        assert (resumed.options.plan, resumed.options.seed) == ("quick", 9)
        assert resumed.options.clock == "instructions"
        resumed.run()
    assert provisioner.target.seeds == [9]
    assert set(resumed.results) == set(resumed.cells)
    assert json.loads((tmp_path / "run/environment.json").read_text())["finished"]


def test_resume_has_the_same_number_of_cpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number that "auto" chose is stored, since another machine would choose another one."""
    monkeypatch.setattr("bench.targets.cpus.count", lambda _target: 3)
    with Campaign(options(tmp_path), provisioner=FakeProvisioner()) as campaign:
        assert campaign.options.cpus == 0
        measure(campaign, 6)
    resume_options = RunOptions(resume=tmp_path / "run", cpus=1)
    with Campaign(resume_options, provisioner=FakeProvisioner()) as resumed:
        assert resumed.options.cpus == 3


def test_resume_refuses_another_kernel(tmp_path: Path) -> None:
    with Campaign(options(tmp_path), provisioner=FakeProvisioner()) as campaign:
        measure(campaign, 9)
    path = tmp_path / "run/environment.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"kernel": "5.10"}))
    with (
        Campaign(RunOptions(resume=tmp_path / "run"), provisioner=FakeProvisioner()) as resumed,
        pytest.raises(UsageError, match=r"measures kernel 5\.10"),
    ):
        resumed.run()
    kept = json.loads(path.read_text())
    assert (kept["kernel"], kept["cpu_model"]) == ("5.10", "Fake CPU")


def test_an_error_stays(tmp_path: Path) -> None:
    provisioner = FakeProvisioner(FakeTarget({"boot": TargetError("no QEMU")}))
    with Campaign(options(tmp_path), provisioner=provisioner) as campaign:
        for _ in range(2):
            with pytest.raises(TargetError, match="no QEMU"):
                campaign.run()
    assert len(provisioner.target.sessions) == 1


def test_options_survive_a_folder() -> None:
    given = RunOptions(channels=("a", "b"), sizes=(8, 64), seed=4, run_dir=Path("x"))
    kept = json.loads(json.dumps(given.to_json()))
    assert RunOptions.from_json(kept | {"from": "the future"}) == replace(given, run_dir=None)


def test_lists_are_read() -> None:
    assert words("a,b c") == ("a", "b", "c")
    assert words(None) == words("") == ()
    assert sizes("8, 4k") == (8, 4096)


def test_a_cell_that_is_decided_before_the_boot_is_recorded_and_not_measured(
    tmp_path: Path,
) -> None:
    provisioner = FakeProvisioner()
    with Campaign(options(tmp_path, sizes=(8, 1024)), provisioner=provisioner) as campaign:
        cells = [cell for cell in campaign.cells if not cell.skip]
        push = [cell for cell in cells if cell.operation == "push"]
        call = [cell for cell in cells if cell.operation == "call"]
        provisioner.decided = {cell: skipped(replace(cell, skip="No.")) for cell in push}
        provisioner.decided |= {cell: failed(cell, "No core.") for cell in call}
        provisioner.notes = ("3 cells are not measured.",)
        campaign.run()
    status = {(row["operation"], row["status"], row["reason"]) for row in rows(tmp_path / "run")}
    assert ("push", "skip", "No.") in status
    assert ("call", "fail", "No core.") in status
    asked = [request for session in provisioner.target.sessions for request in session.requests]
    operations = {request["operation"] for request in asked if request["do"] == "cell"}
    assert operations == {"notify", "stream"}
    assert "3 cells are not measured." in campaign.warnings()
    assert campaign.failed() == [f"{call[0].name} and {len(call) - 1} more cells failed: No core."]
    assert json.loads((tmp_path / "run/environment.json").read_text())["finished"]
