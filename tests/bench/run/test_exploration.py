# SPDX-License-Identifier: GPL-2.0-only
"""The exploration of a run: properties and x-rays, once, in a separate boot."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.errors import KernelPanic, TargetError
from bench.plan.cells import Clock
from bench.plan.options import RunOptions
from bench.run import exploration
from bench.run.campaign import Campaign
from bench.run.progress import Silent
from tests.fake_target import LISTING, FakeProvisioner, FakeTarget


class RecordingProgress(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.counts: list[tuple[int, int]] = []

    def explored(self, count: int, total: int) -> None:
        self.counts.append((count, total))

    def say(self, line: str) -> None:
        self.lines.append(line)


def options(folder: Path, **values: Any) -> RunOptions:
    options = RunOptions(run_dir=folder / "run", channels=("netlink", "null"), explore=True)
    return replace(options, **values)


def run(
    folder: Path, behaviour: Any = None, on: Clock = "instructions", **values: Any
) -> tuple[FakeTarget, Campaign, list[str]]:
    provisioner, reporter = FakeProvisioner(FakeTarget(behaviour), on), RecordingProgress()
    with Campaign(
        options(folder, **values), provisioner=provisioner, progress=reporter
    ) as campaign:
        campaign.run()
    return provisioner.target, campaign, reporter.lines


def properties(folder: Path) -> list[dict[str, Any]]:
    document = json.loads((folder / "run/properties.json").read_text())
    properties: list[dict[str, Any]] = document["properties"]
    return properties


@pytest.mark.parametrize("clock", ["instructions", "time"])
def test_one_more_boot_finds_them_out(tmp_path: Path, clock: Clock) -> None:
    """Under ``instructions`` while the cells are measured, under ``time`` afterwards."""
    target, _, lines = run(tmp_path, boots=2, seed=3, on=clock)
    parallel = clock == "instructions"
    assert target.seeds == ([3, 3, 4] if parallel else [3, 4, 3])
    (explored,) = (s for s in target.sessions if any(r["do"] == "probe" for r in s.requests))
    assert parallel or explored is target.sessions[-1]
    cells = [session for session in target.sessions if session is not explored]
    assert not any(request["do"] == "probe" for s in cells for request in s.requests)
    requests = [r["do"] for r in explored.requests]
    assert requests[:5] == ["setup", *3 * ["probe"], "read"]
    assert set(requests[5:]) == {"xray"}, "x-rays come last: they leave the tracer on"
    assert all(session.closed for session in target.sessions)
    assert any("properties" in line for line in lines)
    assert {(p["channel"], p["mode"]) for p in properties(tmp_path) if p["mode"]} == {
        ("null", "ioctl"),
        ("netlink", "unicast"),
        ("netlink", "multicast"),
    }
    assert "properties and x-ray, seed 3" in (tmp_path / "run/kernel.log").read_text()


def test_every_operation_has_an_x_ray_or_a_reason(tmp_path: Path) -> None:
    run(tmp_path, plan="full")
    operations = json.loads((tmp_path / "run/xray.json").read_text())["operations"]
    assert {(xray["channel"], xray["operation"]) for xray in operations} == {
        *(("null", operation) for operation in ("push", "pull", "call")),
        *(("netlink", operation) for operation in ("push", "call", "notify")),
    }
    assert {xray["reason"] for xray in operations} == {"The fake kernel has no tracer."}


def test_the_quick_plan_looks_through_one_mode_and_names_the_others(tmp_path: Path) -> None:
    target, _, _ = run(tmp_path)
    requests = {
        (r["channel"], r["mode"], r["operation"])
        for session in target.sessions
        for r in session.requests
        if r["do"] == "xray"
    }
    assert ("netlink", "unicast", "notify") in requests
    assert ("netlink", "multicast", "notify") not in requests
    operations = json.loads((tmp_path / "run/xray.json").read_text())["operations"]
    (omitted,) = (xray for xray in operations if xray["mode"] == "multicast")
    assert omitted["status"] == "skip"
    assert "ringcross xray netlink --mode multicast --operation notify" in omitted["reason"]


@pytest.mark.parametrize(
    ("plan", "channels", "explored"),
    [
        ("quick", (), False),
        ("quick", ("netlink", "null"), True),
        ("standard", (), True),
    ],
)
def test_the_quick_plan_explores_references_only_when_they_are_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    plan: str,
    channels: tuple[str, ...],
    explored: bool,
) -> None:
    listing = [
        channel | {"reference": channel["name"] == "netlink"} for channel in LISTING["channels"]
    ]
    monkeypatch.setitem(LISTING, "channels", listing)
    run(tmp_path, plan=plan, channels=channels)
    assert "null" in {row["channel"] for row in properties(tmp_path)}
    assert ("netlink" in {row["channel"] for row in properties(tmp_path)}) == explored


def test_not_unless_asked_for(tmp_path: Path) -> None:
    target, _, _ = run(tmp_path, explore=False)
    assert len(target.sessions) == 1
    assert not (tmp_path / "run/properties.json").exists()


def test_a_machine_that_dies_leaves_what_was_known(tmp_path: Path) -> None:
    died = {"null-probe": KernelPanic("The kernel panicked during the probe.")}
    _, campaign, lines = run(tmp_path, [{}, died])
    assert campaign.error is None
    assert "The kernel panicked" in lines[-1]
    lost = [p for p in properties(tmp_path) if p["how"] == "failed"]
    assert ("null", "ioctl") in {(p["channel"], p["mode"]) for p in lost}
    assert all("panicked" in p["detail"] for p in lost)
    assert not (tmp_path / "run/journal.jsonl").exists()


def test_a_machine_that_cannot_be_had_again_is_told(tmp_path: Path) -> None:
    failure = {"start": TargetError("QEMU cannot be started.")}
    _, campaign, lines = run(tmp_path, [{}, failure, failure])
    assert campaign.error is None
    assert "QEMU cannot be started." in lines[-1]
    assert not (tmp_path / "run/properties.json").exists()


def test_a_run_that_ends_early_ends_the_machine_beside_it(tmp_path: Path) -> None:
    provisioner = FakeProvisioner()
    with Campaign(options(tmp_path), provisioner=provisioner) as campaign:
        for cell in campaign.order():
            if campaign.result(cell)[0].status == "ok":
                break
    assert len(provisioner.target.sessions) == 2
    assert provisioner.target.sessions[1].killed
    assert not (tmp_path / "run/properties.json").exists()


def test_interrupted_there_it_is_left_to_a_resumed_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(exploration.Exploration, "finish", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path)
    assert (tmp_path / "run/journal.jsonl").exists()
    assert not json.loads((tmp_path / "run/environment.json").read_text())["finished"]

    provisioner = FakeProvisioner()
    resume_options = RunOptions(resume=tmp_path / "run")
    with Campaign(resume_options, provisioner=provisioner) as campaign:
        campaign.run()
    (session,) = provisioner.target.sessions
    assert {request["do"] for request in session.requests} == {"setup", "probe", "read", "xray"}
    assert properties(tmp_path)
    assert not (tmp_path / "run/journal.jsonl").exists()


def test_what_is_there_is_not_found_out_again(tmp_path: Path) -> None:
    class Folder:
        folder = tmp_path

    recorder: Any = Folder()
    assert [extra.file for extra in exploration.missing(recorder)] == [
        e.file for e in exploration.EXTRAS
    ]
    for extra in exploration.EXTRAS:
        (tmp_path / extra.file).write_text("{}")
    assert not exploration.missing(recorder)


def test_progress_counts_probes_and_x_rays(tmp_path: Path) -> None:
    provisioner, reporter = FakeProvisioner(FakeTarget(), "time"), RecordingProgress()
    with Campaign(options(tmp_path), provisioner=provisioner, progress=reporter) as campaign:
        campaign.run()
    (explored,) = (
        session
        for session in provisioner.target.sessions
        if any(request["do"] == "probe" for request in session.requests)
    )
    total = sum(request["do"] in ("probe", "xray") for request in explored.requests)
    assert total > 3
    assert reporter.counts[-1] == (total, total)
    assert {of for _, of in reporter.counts} == {total}
