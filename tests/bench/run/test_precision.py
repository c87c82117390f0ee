# SPDX-License-Identifier: GPL-2.0-only
"""Measuring again until the intervals are narrow enough, or the time is over."""

from __future__ import annotations

import json
import random
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest

from bench.errors import UsageError
from bench.plan.cells import Cell, CellResult
from bench.plan.options import RunOptions, parse_duration, parse_share, repetition
from bench.plan.plans import PLANS, make_cells
from bench.run import ratios
from bench.run.campaign import Campaign
from bench.run.passes import Pass, Passes
from bench.run.progress import Silent
from bench.run.run_folder import Header, Recorder
from bench.run.runner import Runner, Settings
from tests.fake_target import LISTING, FakeProvisioner, FakeTarget

CELL = Cell("netlink", "unicast", "call", 8)
WANTED = 0.03
LOADS = PLANS["quick"].loads["time"]


def is_noisy(request: dict[str, Any]) -> bool:
    return bool(request["channel"] == "netlink" and request["operation"] == "call")


def noisy_target() -> FakeTarget:
    """The calls of netlink differ by several percent from load to load, the others not at all."""
    generator = random.Random(1)
    return FakeTarget(factor=lambda r: generator.gauss(1, 0.05) if is_noisy(r) else 1.0)


def runner_of(recorder: Recorder, target: FakeTarget, **values: Any) -> Runner:
    now = values.pop("now", lambda: 0.0)
    plan = PLANS["quick"]
    settings = Settings(plan, "time", seed=5, loads=LOADS, precision=WANTED, **values)
    return Runner(target, recorder, settings, now=now)


def recorder_in(folder: Path) -> Recorder:
    cells = make_cells(LISTING, PLANS["quick"])
    return Recorder.create(folder / "run", Header({}, "time", tuple(cells)))


def places(recorder: Recorder, cell: Cell) -> list[tuple[int, int]]:
    return [(result.boot, result.load) for result in recorder.results[cell]]


@pytest.mark.parametrize("reboots", [True, False])
def test_what_is_imprecise_is_measured_again(tmp_path: Path, reboots: bool) -> None:
    """On a machine in further boots; on the local target in further loads of the same boot."""
    target, recorder = noisy_target(), recorder_in(tmp_path)
    runner = runner_of(recorder, target, reboots=reboots)
    list(runner.results())
    assert runner.finished
    assert runner.imprecise() == []
    assert len(target.sessions) > (1 if reboots else LOADS)
    for session in target.sessions[1 if reboots else LOADS :]:
        assert all(is_noisy(r) for r in session.requests if r["do"] == "cell")
    for cell, results in recorder.results.items():
        found = places(recorder, cell)
        assert len(found) == len(set(found))
        if cell.skip:
            continue
        again = len(results) > LOADS
        assert again <= (cell.channel == "netlink" and cell.operation == "call")
        if again:
            assert ratios.precision(results) <= WANTED
            assert (max(boot for boot, _ in found) > 0) == reboots
            assert (max(load for _, load in found) >= LOADS) != reboots


def test_each_load_of_the_local_target_is_a_start_of_the_agent(tmp_path: Path) -> None:
    target, recorder = FakeTarget(), recorder_in(tmp_path)
    settings = Settings(PLANS["quick"], "time", seed=5, loads=LOADS, reboots=False)
    list(Runner(target, recorder, settings).results())
    count_of_cells = len(recorder.header.cells)
    loads = [
        {request["id"] // count_of_cells for request in session.requests if request["do"] == "cell"}
        for session in target.sessions
    ]
    assert loads == [{load} for load in range(LOADS)]


def test_without_a_precision_all_are_measured_equally_often(tmp_path: Path) -> None:
    recorder = recorder_in(tmp_path)
    settings = Settings(PLANS["quick"], "time", seed=5, loads=LOADS)
    runner = Runner(noisy_target(), recorder, settings)
    list(runner.results())
    assert {len(r) for cell, r in recorder.results.items() if not cell.skip} == {LOADS}


def test_a_budget_ends_it_and_the_first_loads_are_complete(tmp_path: Path) -> None:
    """The clock advances by a second whenever it is read."""
    recorder = recorder_in(tmp_path)
    clock = count()
    runner = runner_of(recorder, noisy_target(), budget=5.0, now=lambda: float(next(clock)))
    list(runner.results())
    assert runner.finished
    assert runner.imprecise()
    lengths = {len(r) for cell, r in recorder.results.items() if not cell.skip}
    assert min(lengths) == LOADS
    assert max(lengths) <= LOADS + 5


def test_an_interrupted_pass_is_continued(tmp_path: Path) -> None:
    """A new runner measures what is missing of the pass, and nothing twice."""
    recorder = recorder_in(tmp_path)
    runner = runner_of(recorder, noisy_target())
    results = runner.results()
    first = sum(1 if cell.skip else LOADS for cell in recorder.header.cells)
    stopped_at = list(islice(results, first + 3))[-1]
    results.close()
    assert stopped_at.boot == 1
    assert not runner.finished
    recorder.close()

    resumed = Recorder.resume(tmp_path / "run")
    again = runner_of(resumed, noisy_target())
    assert next(again.results()).boot == 1
    resumed.close()
    resumed = Recorder.resume(tmp_path / "run")
    again = runner_of(resumed, noisy_target())
    list(again.results())
    assert again.finished
    assert again.imprecise() == []
    for cell in resumed.results:
        found = places(resumed, cell)
        assert len(found) == len(set(found))


class Interrupting(Silent):
    """Ctrl-C in the second boot."""

    def done(self, result: CellResult) -> None:
        if result.boot == 1:
            raise KeyboardInterrupt


@pytest.mark.parametrize("reboots", [True, False])
def test_half_of_the_loads_are_continued(tmp_path: Path, reboots: bool) -> None:
    recorder = recorder_in(tmp_path)
    settings = Settings(PLANS["quick"], "time", seed=5, loads=LOADS, reboots=reboots)
    results = Runner(FakeTarget(), recorder, settings).results()
    cells = recorder.header.cells
    loads = len(cells) + sum(not cell.skip for cell in cells)  # a skip has one result
    assert list(islice(results, loads + 1))[-1].load in (1, 2)
    results.close()
    recorder.close()
    resumed = Recorder.resume(tmp_path / "run")
    list(Runner(FakeTarget(), resumed, settings).results())
    for cell in resumed.header.cells:
        expected = [(0, load) for load in range(1 if cell.skip else LOADS)]
        assert sorted(places(resumed, cell)) == expected


def options(folder: Path, **values: Any) -> RunOptions:
    return RunOptions(run_dir=folder / "run", seed=3, precision=WANTED, **values)


def test_a_run_is_complete_when_no_cell_is_measured_again(tmp_path: Path) -> None:
    provisioner = FakeProvisioner(noisy_target(), clock="time")
    with Campaign(options(tmp_path), provisioner=provisioner) as campaign:
        campaign.result(campaign.cells[0])
        assert campaign.results, "the first cell needs all others"
    environment = json.loads((tmp_path / "run/environment.json").read_text())
    assert environment["finished"]
    assert environment["noise"]["unreached"] == []
    assert not (tmp_path / "run/journal.jsonl").exists()


def test_an_interrupted_run_with_all_first_loads_is_not_complete(tmp_path: Path) -> None:
    provisioner = FakeProvisioner(noisy_target(), clock="time")
    campaign = Campaign(options(tmp_path), provisioner=provisioner, progress=Interrupting())
    with campaign, pytest.raises(KeyboardInterrupt):
        campaign.run()
    assert (tmp_path / "run/journal.jsonl").exists()
    resume = RunOptions(resume=tmp_path / "run")
    with Campaign(resume, provisioner=FakeProvisioner(noisy_target(), clock="time")) as resumed:
        assert resumed.options.precision == WANTED
        resumed.run()
    assert not (tmp_path / "run/journal.jsonl").exists()


def test_what_does_not_become_precise_is_named(tmp_path: Path) -> None:
    provisioner = FakeProvisioner(noisy_target(), clock="time")
    with Campaign(options(tmp_path, budget=1e-9), provisioner=provisioner) as campaign:
        campaign.run()
    environment = json.loads((tmp_path / "run/environment.json").read_text())
    unreached = environment["noise"]["unreached"]
    assert unreached
    assert all(name.startswith("netlink-unicast-call") for name in unreached)
    (warning,) = (text for text in campaign.warnings() if "did not reach the precision" in text)
    assert all(name in warning for name in unreached)


def test_counts_of_instructions_have_no_precision(tmp_path: Path) -> None:
    provisioner = FakeProvisioner(clock="instructions")
    with pytest.raises(UsageError, match="--precision is for the clock time"):
        Campaign(options(tmp_path), provisioner=provisioner)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("1.5h", 5400), ("7", 7)])
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "10x", "-1m", "m"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a duration: write seconds, minutes or hours"):
        parse_duration(text)


def test_shares_are_read_and_others_refused() -> None:
    assert [parse_share("2%"), parse_share("0.02")] == [0.02, 0.02]
    for text in ("", "two", "-1%", "inf"):
        with pytest.raises(UsageError, match="is not a share"):
            parse_share(text)


def test_a_budget_needs_a_precision() -> None:
    with pytest.raises(UsageError, match="--budget limits --precision"):
        repetition(None, 60)
    assert repetition(0.02, None) == {"precision": 0.02, "budget": 600}


@pytest.mark.parametrize("reboots", [True, False])
def test_a_pass_knows_its_own_results(reboots: bool) -> None:
    """Also of a run with several boots; the first measurement is pass 0."""
    passes = Passes(boots=2, loads=4, reboots=reboots)
    places = [passes.place(number) for number in (1, 2)]
    expected = [Pass(2, 0), Pass(3, 0)] if reboots else [Pass(1, 4), Pass(1, 8)]
    assert places == expected
    for number, place in enumerate(places, start=1):
        for load in (place.first_load, place.first_load + 3):
            assert passes.number_of(CellResult(CELL, "ok", boot=place.boot, load=load)) == number
    first = [CellResult(CELL, "ok", boot=boot, load=load) for boot in (0, 1) for load in (0, 3)]
    assert {passes.number_of(result) for result in first} == {0}
    assert passes.next_number({CELL: first}) == 1
    later = CellResult(CELL, "ok", boot=places[1].boot, load=places[1].first_load)
    assert passes.next_number({CELL: [*first, later]}) == 2
