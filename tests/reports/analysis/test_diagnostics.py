# SPDX-License-Identifier: GPL-2.0-only
"""Diagnostics: which cells vary, why, and how the machine was set."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reports.analysis import diagnostics
from reports.analysis.diagnostics import reasons
from reports.data.rounds import Rounds
from reports.data.run import Measured, Run, load_run
from reports.figures import diagnostics as diagnostic_figures
from reports.pages import render

Build = Callable[..., Path]
ROW = Measured(
    "ioctl", "direct", "call", 8, rounds=22, n=400, median=500.0, spread=0.02, boots=2
)  # fmt: skip


def steady(centre: float, count: int = 11) -> Any:
    return centre + np.arange(count) * 1e-3


def loose(centre: float) -> Any:
    return centre * (1 + 0.02 * np.linspace(-1, 1, 11))


@pytest.fixture
def run(build_run: Build) -> Run:
    return load_run(build_run(rounds=True, channels=("null", "syscall", "ioctl")))


def change(run: Run, **values: Any) -> Run:
    """The run with ``values`` in each of its measured rows."""
    rows = tuple(replace(row, **values) if row.measured else row for row in run.rows)
    return replace(run, rows=rows)


def test_boots_that_differ_are_told_from_rounds_that_do() -> None:
    (boots,) = reasons(ROW, [steady(500), steady(510)], "boots", "instructions")
    assert "fixed once per boot" in boots
    (rounds,) = reasons(ROW, [loose(500), loose(510)], "loads", "instructions")
    assert "The operation itself varies" in rounds
    assert "within one load differ as much as the loads do" in rounds


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"n": 12.0}, "Only 12 operations fit"),
        ({"n": 100_000.0}, "contain timer ticks"),
        ({"operation": "notify"}, "the path out of idle varies"),
        ({"operation": "stream"}, "The scheduler decides"),
        ({"high_severe": 9.0}, "9 of its 22 rounds are outliers"),
    ],
)
def test_a_cells_own_shape_is_a_reason(values: dict[str, Any], word: str) -> None:
    (cause,) = reasons(replace(ROW, **values), [], "boots", "instructions")
    assert word in cause


def test_a_machine_that_changed_its_pace_is_no_cells_own_doing(run: Run) -> None:
    repetitions = [steady(500), steady(510)]
    (alike,) = reasons(ROW, repetitions, "boots", "time", common=0.018)
    assert "the speed of the machine changed" in alike
    (own,) = reasons(ROW, repetitions, "boots", "time", common=0.005)
    assert "fixed once per boot" in own


def test_the_pace_is_what_all_cells_have_in_common(build_run: Build) -> None:
    def pace(path: Path) -> float:
        run = load_run(path)
        return diagnostics.pace(run, Rounds(run))

    path = build_run(rounds=True)
    assert pace(path) < 0.001
    frame = pd.read_parquet(path / "rounds.parquet")
    frame["value"] *= 1 + 0.1 * frame["boot"]
    frame.to_parquet(path / "rounds.parquet")
    assert pace(path) == pytest.approx(0.1, abs=0.01)
    assert pace(build_run(name="bare")) == 0


def test_the_interval_of_the_ratio_counts_beside_controls(run: Run) -> None:
    ratio = {"control_ratio": 2.0, "control_ratio_low": 1.9, "control_ratio_high": 2.2}
    noisy = change(replace(run, clock="time"), marks="imprecise", ci_low=1, ci_high=900, **ratio)
    assert {suspect.width for suspect in diagnostics.suspects(noisy, Rounds(noisy))} == {"15 %"}


def test_the_change_of_speed_is_a_fact(run: Run) -> None:
    def names(**noise: Any) -> dict[str, str]:
        environment = run.environment | {"noise": noise}
        found = diagnostics.facts(replace(run, clock="time", environment=environment))
        return {fact.name: fact.value for fact in found}

    assert names(pace=0.31)["Change of the machine's speed during the run"] == "31 %"
    assert not [name for name in names(pace=None) if "speed" in name]


def test_no_reason_is_told_as_such() -> None:
    assert reasons(ROW, [], "boots", "instructions") == ["The rounds show no cause."]


def test_the_report_names_the_cells_that_do_not_agree(run: Run) -> None:
    assert diagnostics.suspects(run, Rounds(run)) == ()
    rows = list(run.rows)
    at = next(at for at, row in enumerate(rows) if row.channel == "ioctl" and row.measured)
    rows[at] = replace(rows[at], marks="differs", spread=0.031)
    (suspect,) = diagnostics.suspects(replace(run, rows=tuple(rows)), Rounds(run))
    assert suspect.name == "ioctl direct push 8 B"
    assert suspect.spread == "3.1 %"
    assert suspect.why


def test_the_share_that_agrees_is_counted(run: Run) -> None:
    facts = {fact.name: fact.value for fact in diagnostics.facts(change(run, spread=0.004))}
    count = sum(row.measured for row in run.rows)
    assert facts["Cells whose boots agree within 0.5 %"] == f"{count} of {count} (100.0 %)"
    facts = {fact.name: fact.value for fact in diagnostics.facts(change(run, spread=0.006))}
    assert facts["Cells whose boots agree within 0.5 %"] == f"0 of {count} (0.0 %)"


def test_outliers_are_counted_by_class(run: Run) -> None:
    every = diagnostics.outliers(run)[-1]
    cells = sum(row.measured for row in run.rows)
    assert (every.operation, every.rounds) == ("all", 22 * cells)
    assert (every.low_mild, every.high_mild, every.high_severe) == (cells, 2 * cells, 3 * cells)
    assert every.share == "27.3 %"


def test_controls_are_those_the_run_names_and_has(run: Run) -> None:
    (control,) = diagnostics.controls(run)
    assert control.name == "syscall plain push 8 B"
    assert diagnostics.controls(replace(run, environment={"controls": None})) == ()


def test_knobs_that_stand_badly_lead(run: Run) -> None:
    assert [knob.name for knob in diagnostics.knobs(run)] == ["load", "mitigations"]
    odd = {"knobs": [None, {}, {"name": None}]}
    assert len(diagnostics.knobs(replace(run, environment=odd))) == 2


@pytest.mark.parametrize("clock", ["time", "instructions"])
def test_page(build_run: Build, clock: str) -> None:
    path = build_run(rounds=True, clock=clock, channels=("null", "ioctl"))
    text = (render.render([path]).parent / "diagnostics.html").read_text()
    for anchor in ("sum", "marked", "spread", "drift", "course", "outliers", "controls", "knobs"):
        assert f'id="{anchor}"' in text
    assert "The machine is busy (load 3.1): wait." in text
    assert 'href="diagnostics.html"' in (path / "report/index.html").read_text()


def test_a_marked_cell_shows_its_mark_wherever_its_number_stands(build_run: Build) -> None:
    path = build_run(channels=("null", "ioctl"), samples=False)
    cells = path / "cells.csv"
    lines = cells.read_text().splitlines()
    at = next(at for at, line in enumerate(lines) if line.startswith("ioctl,push,8,"))
    fields = lines[at].split(",")
    fields[lines[0].split(",").index("marks")] = "differs"
    lines[at] = ",".join(fields)
    cells.write_text("\n".join(lines) + "\n")
    report = render.render([path]).parent
    mark = '<a class="tag" href="diagnostics.html#marked">differs</a>'
    for page in ("index.html", "channel-ioctl.html"):
        assert mark in (report / page).read_text()
    assert "differs" not in (report / "channel-null.html").read_text()
    assert "ioctl direct push 8 B" in (report / "diagnostics.html").read_text()


def test_marked_cells_are_drawn_round_by_round(run: Run) -> None:
    marked = change(run, marks="differs")
    rounds = Rounds(marked)
    figure = diagnostic_figures.order(marked, rounds, diagnostics.suspects(marked, rounds))
    assert figure is not None
    assert len(figure.plots) == diagnostics.MOST
    assert "boot 2" in figure.plots[0]
    assert "22 rounds of" in figure.plots[0]


def test_a_drift_is_seen_and_a_steady_run_is_flat(build_run: Build) -> None:
    path = build_run(rounds=True)
    run = load_run(path)
    frame = run.rounds
    assert frame is not None

    def middle(run: Run) -> str:
        figure = diagnostic_figures.drift(run)
        assert figure is not None
        match = re.search(r"the largest is ([\d.e+]+) %", figure.plots[0])
        assert match
        return match[1]

    before = float(middle(run))
    frame["value"] *= 1 + frame["boot"] * 0.2
    frame.to_parquet(path / "rounds.parquet")
    assert float(middle(load_run(path))) > before + 8


def test_rounds_that_were_not_kept_leave_no_figures(build_run: Build) -> None:
    run = load_run(build_run())
    assert diagnostic_figures.drift(run) is None
    assert diagnostic_figures.course(run) is None
    assert Rounds(run).of(run.rows[0]) == []


def test_rounds_of_older_runs_have_no_places(build_run: Build) -> None:
    path = build_run(rounds=True)
    frame = load_run(path).rounds
    assert frame is not None
    old = frame[["channel", "mode", "operation", "size", "boot", "round", "value"]]
    old.to_parquet(path / "rounds.parquet")
    run = load_run(path)
    assert diagnostic_figures.drift(run) is None
    assert diagnostic_figures.course(run) is not None
    assert [len(boot) for boot in Rounds(run).of(next(r for r in run.rows if r.measured))] == [1, 1]
    render.render([path])


def test_a_run_of_nothing_has_a_page(build_run: Build) -> None:
    path = build_run(channels=("null",), samples=False)
    (path / "environment.json").write_text(json.dumps({}))
    lines = (path / "cells.csv").read_text().splitlines()
    (path / "cells.csv").write_text(lines[0] + "\n")
    text = (render.render([path]).parent / "diagnostics.html").read_text()
    assert "has no controls" in text
    assert "Not recorded." in text
