# SPDX-License-Identifier: GPL-2.0-only
"""Only significant ratios count as changes; runs of two clocks are not compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reports.analysis.compare import Refused, compare
from reports.data.run import KEY, OPERATIONS, Measured, Run, load_run

KEY_OF_ROUNDS = ["channel", "mode", "operation", "size", "burst", "queue", "threads"]
Build = Callable[..., Path]


@pytest.fixture
def load(build_run: Build) -> Callable[..., Run]:
    return lambda name, **options: load_run(build_run(name=name, samples=False, **options))


@pytest.mark.parametrize("clock", ["instructions", "time"])
@pytest.mark.parametrize("rounds", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_like_with_like_finds_nothing(
    load: Callable[..., Run], clock: str, rounds: bool, seed: int
) -> None:
    options = {"clock": clock, "rounds": rounds}
    a = load("one", noise=2 * seed, **options)
    b = load("two", noise=2 * seed + 1, **options)
    comparison = compare(a, b, fail_above=0.0)
    assert len(comparison.rows) > 80
    assert comparison.changed == ()
    assert not comparison.failed
    assert all(abs(mean.ratio - 1) < 0.02 for mean in comparison.means)


def test_run_with_itself(load: Callable[..., Run]) -> None:
    run = load("one", rounds=True)
    comparison = compare(run, run)
    assert not comparison.changed
    assert not comparison.marks
    assert not comparison.only_a + comparison.only_b
    assert {row.ratio for row in comparison.rows} == {1.0}


@pytest.mark.parametrize("clock", ["instructions", "time"])
@pytest.mark.parametrize("rounds", [False, True])
def test_real_change_is_found(load: Callable[..., Run], clock: str, rounds: bool) -> None:
    a = load("one", clock=clock, rounds=rounds)
    b = load("two", clock=clock, rounds=rounds, scale=1.3, noise=1)
    comparison = compare(a, b, fail_above=0.2)
    small = [row for row in comparison.rows if row.cell.size == 8]
    for row in small:
        assert row.verdict == ("same" if row.cell.channel == "syscall" else "slower"), row.name
    assert comparison.failed
    assert compare(b, a, fail_above=0.2).failing == ()
    push = next(mean for mean in comparison.means if mean.operation == "push")
    assert 1.05 < push.ratio < 1.3


def beside_controls(folder: Path, speed: float) -> Path:
    """The run in ``folder`` on a machine that is slower by ``speed``, with control rounds."""
    cells = pd.read_csv(folder / "cells.csv", keep_default_na=False, na_values=[""])
    cells[["min", "median", "ci_low", "ci_high"]] *= speed
    rounds = pd.read_parquet(folder / "rounds.parquet")
    rounds["value"] *= speed
    rounds["control"] = 100.0 * speed
    quartile = rounds.groupby(KEY_OF_ROUNDS)["value"].quantile(0.25).rename("quartile")
    cells = cells.merge(quartile.reset_index(), how="left", on=KEY_OF_ROUNDS)
    cells["control"] = 100.0 * speed
    cells["control_ratio"] = cells.pop("quartile") / cells["control"]
    cells["control_ratio_low"] = cells["control_ratio"] * 0.98
    cells["control_ratio_high"] = cells["control_ratio"] * 1.02
    cells.to_csv(folder / "cells.csv", index=False)
    rounds.to_parquet(folder / "rounds.parquet")
    return folder


def test_a_slower_machine_is_no_change_beside_controls(build_run: Build) -> None:
    options = {"clock": "time", "rounds": True, "samples": False}
    a = load_run(beside_controls(build_run(name="one", **options), 1.0))
    b = load_run(beside_controls(build_run(name="two", noise=1, **options), 1.4))
    comparison = compare(a, b)
    assert comparison.has_controls
    assert comparison.changed == ()
    assert all(row.absolute == pytest.approx(1.4, abs=0.1) for row in comparison.rows)
    assert all(row.ratio == pytest.approx(1.0, abs=0.06) for row in comparison.rows)
    header, *rows = comparison.table()
    assert header[3:5] == ("b / a", "b / a, to control")
    assert {len(row) for row in rows} == {len(header)}


def test_a_slower_channel_is_found_beside_controls(build_run: Build) -> None:
    options = {"clock": "time", "rounds": True, "samples": False}
    a = load_run(beside_controls(build_run(name="one", **options), 1.0))
    b = load_run(beside_controls(build_run(name="two", scale=1.3, noise=1, **options), 0.7))
    small = [row for row in compare(a, b).rows if row.cell.size == 8]
    for row in small:
        assert row.verdict == ("same" if row.cell.channel == "syscall" else "slower"), row.name


def test_a_run_without_controls_is_compared_by_its_medians(build_run: Build) -> None:
    options = {"clock": "time", "rounds": True, "samples": False}
    a = load_run(build_run(name="one", **options))
    b = load_run(beside_controls(build_run(name="two", noise=1, **options), 1.0))
    comparison = compare(a, b)
    assert not comparison.has_controls
    assert all(row.ratio == row.absolute for row in comparison.rows)
    assert "to control" not in str(comparison.table()[0])


def test_threshold(load: Callable[..., Run]) -> None:
    a, b = load("one"), load("two", scale=1.03, noise=1)
    assert compare(a, b).changed
    assert compare(a, b, threshold=0.05).changed == ()


def test_medians_alone_are_no_change_of_instructions(build_run: Build) -> None:
    """A timer tick in most rounds changes the median, but not the cost."""
    a, b = build_run(name="one"), build_run(name="two")
    cells = b / "cells.csv"
    lines = cells.read_text().splitlines()
    head = lines[0].split(",")
    fields = lines[1].split(",")
    for name in ("median", "ci_low", "ci_high"):
        fields[head.index(name)] = str(2 * float(fields[head.index(name)]))
    cells.write_text("\n".join([lines[0], ",".join(fields), *lines[2:]]) + "\n")
    comparison = compare(load_run(a), load_run(b))
    assert comparison.changed == ()
    assert max(row.ratio for row in comparison.rows) == pytest.approx(2)


def test_without_intervals_nothing_is_claimed(build_run: Build) -> None:
    paths = [
        build_run(name="one", clock="time", samples=False),
        build_run(name="two", clock="time", scale=2.0),
    ]
    for path in paths:
        lines = (path / "cells.csv").read_text().splitlines()
        lines[0] = lines[0].replace("ci_low", "old_low")
        (path / "cells.csv").write_text("\n".join(lines) + "\n")
    comparison = compare(load_run(paths[0]), load_run(paths[1]))
    assert {row.verdict for row in comparison.rows} == {"unknown"}


def repeat(path: Path, boots: int, seed: int, spread: float, unlucky: str = "") -> Run:
    """The run with rounds of ``boots`` boots; ``spread`` is the deviation between boots."""
    random = np.random.default_rng(seed)
    run = load_run(path)
    frames = []
    rows = []
    for row in run.rows:
        if not row.measured or row.median is None:
            rows.append(row)
            continue
        centres = row.median * np.exp(spread * random.standard_normal(boots))
        if row.channel == unlucky:  # boots that agree by chance, in the wrong place
            centres = np.full(boots, row.median * 1.02)
        each = centres[:, None] * (1 + 0.001 * random.standard_normal((boots, 11)))
        frames.append(
            pd.DataFrame(
                {name: getattr(row, name) for name in KEY}
                | {"boot": np.repeat(range(boots), 11), "load": 0, "value": each.ravel()}
            )
        )
        rows.append(replace(row, median=float(np.median(each)), boots=boots))
    pd.concat(frames).to_parquet(path / "rounds.parquet")
    return replace(load_run(path), rows=tuple(rows))


@pytest.mark.parametrize("boots", [2, 3, 5])
@pytest.mark.parametrize("seed", range(3))
def test_boots_that_vary_find_nothing_in_their_like(
    build_run: Build, boots: int, seed: int
) -> None:
    """Some of many cells agree between a few boots by chance; this is not precision."""
    a, b = (
        repeat(build_run(name=name, clock="time", samples=False), boots, 2 * seed + at, 0.02)
        for at, name in enumerate(("one", "two"))
    )
    comparison = compare(a, b)
    assert len(comparison.rows) > 80
    assert comparison.changed == ()
    assert {row.source for row in comparison.rows} == {"boots"}


def test_boots_that_agree_by_chance_are_trusted_no_more_than_is_usual(build_run: Build) -> None:
    a = repeat(build_run(name="one", clock="time", samples=False), 3, 1, 0.02)
    b = repeat(build_run(name="two", clock="time", samples=False), 3, 2, 0.02, unlucky="null")
    assert not [row for row in compare(a, b).changed if row.cell.channel == "null"]


def test_a_real_change_is_found_through_boots_that_vary(build_run: Build) -> None:
    a = repeat(build_run(name="one", clock="time", samples=False), 3, 1, 0.005)
    b = repeat(build_run(name="two", clock="time", scale=1.2), 3, 2, 0.005)
    comparison = compare(a, b)
    small = [row for row in comparison.rows if row.cell.size == 8 and row.cell.channel != "syscall"]
    assert {row.verdict for row in small} == {"slower"}


def test_loads_are_the_level_where_there_is_one_boot(build_run: Build) -> None:
    path = build_run(rounds=True)
    frame = pd.read_parquet(path / "rounds.parquet")
    frame["load"], frame["boot"] = frame["boot"], 0
    frame.to_parquet(path / "rounds.parquet")
    run = load_run(path)
    assert {row.source for row in compare(run, run).rows} == {"loads"}


def once(run: Run) -> Run:
    """The run as if measured in one boot and load, so that the spread is not known."""
    return replace(run, rows=tuple(replace(row, boots=1.0, loads=1.0) for row in run.rows))


def test_one_boot_of_instructions_tells_no_fine_change(build_run: Build) -> None:
    a, b = load_run(build_run(name="one")), load_run(build_run(name="two", scale=1.025, noise=1))
    fine = compare(a, b)
    assert fine.changed
    coarse = compare(once(a), once(b))
    assert coarse.changed == ()
    assert ["in one boot" in note for note in coarse.notes] == [True, True]
    assert not any("in one boot" in note for note in fine.notes)


def moved(run: Run, share: float) -> Run:
    """The run with its control slower by ``share``."""

    def slower(row: Measured) -> Measured:
        if row.channel != "syscall" or not row.measured:
            return row
        values: dict[str, Any] = {
            name: getattr(row, name) * (1 + share)
            for name in ("min", "median", "ci_low", "ci_high")
        }
        return replace(row, **values)

    return replace(run, rows=tuple(map(slower, run.rows)))


def test_unrest_of_the_machine_is_no_change_of_a_channel(build_run: Build) -> None:
    """On the same machine and kernel, the change of the controls is the threshold."""
    a = load_run(build_run(name="one", clock="time", samples=False))
    b = load_run(build_run(name="two", clock="time", scale=1.05, noise=1))
    assert compare(a, b).changed
    shaken = compare(a, moved(b, 0.1))
    assert shaken.changed == ()
    assert shaken.threshold > 0.08
    assert any("noise of the machine" in note for note in shaken.notes)


def test_controls_that_differ_between_kernels_are_told_and_hide_nothing(build_run: Build) -> None:
    a = load_run(build_run(name="one", clock="time", samples=False))
    b = load_run(build_run(name="two", clock="time", scale=1.3, noise=1))
    other = moved(replace(b, environment={**b.environment, "kernel": "6.12"}), 0.06)
    comparison = compare(a, other)
    assert comparison.threshold == 0.01
    assert comparison.changed
    assert any("The control system calls changed too" in note for note in comparison.notes)


def test_two_clocks_are_refused(load: Callable[..., Run]) -> None:
    with pytest.raises(Refused, match="no ratio between the two units"):
        compare(load("one"), load("two", clock="time"))


def test_nothing_in_common_is_refused(build_run: Build) -> None:
    a, b = build_run(name="one"), build_run(name="two")
    cells = b / "cells.csv"
    cells.write_text(cells.read_text().splitlines()[0] + "\n")
    with pytest.raises(Refused, match="no measured cell in common"):
        compare(load_run(a), load_run(b))


def test_differences_are_marked(build_run: Build) -> None:
    a, b = build_run(name="one"), build_run(name="two")
    env = json.loads((b / "environment.json").read_text())
    env |= {"kernel": "6.12.0", "mitigations": {**env["mitigations"], "meltdown": "Vulnerable"}}
    (b / "environment.json").write_text(json.dumps(env))
    marks = compare(load_run(a), load_run(b)).marks
    assert {mark.what for mark in marks} == {"kernel", "mitigations: meltdown"}


@pytest.mark.parametrize(
    ("entry", "value", "what"),
    [
        ("cpu_model", "Another", "cpu_model"),
        ("config", {"CONFIG_HZ": "1000"}, "config: CONFIG_HZ"),
        ("plan", "full", "plan"),
        ("seed", 7, "seed"),
        ("boots", 5, "boots"),
        ("cmdline", "quiet", "cmdline"),
        ("knobs", [{"name": "load", "state": "good"}], "knob: load"),
        ("forced", True, "forced"),
    ],
)
def test_each_thing_that_matters_is_marked(
    build_run: Build, entry: str, value: object, what: str
) -> None:
    a = load_run(build_run(name="one"))
    b = replace(a, environment={**a.environment, entry: value})
    assert what in {mark.what for mark in compare(a, b).marks}
    assert compare(a, a).marks == ()


def test_means_of_ratios_are_geometric(build_run: Build) -> None:
    """The mean of twice as slow and twice as fast is no change."""
    a = load_run(build_run(name="one", channels=("ioctl",)))
    pushes = [row for row in a.rows if row.operation == "push" and row.measured][:2]
    factor = dict(zip(pushes, (2.0, 0.5), strict=True))
    rows = tuple(
        replace(row, median=row.median * factor[row]) for row in pushes if row.median is not None
    )
    mean = compare(replace(a, rows=tuple(pushes)), replace(a, rows=rows)).means
    assert [(one.operation, one.cells) for one in mean] == [("push", 2)]
    assert mean[0].ratio == pytest.approx(1)


def test_json_has_numbers(build_run: Build) -> None:
    a, b = load_run(build_run(name="one")), load_run(build_run(name="two", scale=1.3, noise=1))
    document = json.loads(json.dumps(compare(a, b, fail_above=0.2).to_json()))
    assert document["unit"] == "instructions"
    row = next(row for row in document["rows"] if row["channel"] == "ioctl" and row["size"] == 8)
    assert row["verdict"] == "slower"
    assert row["low"] < row["ratio"] < row["high"]
    assert document["failed"]
    assert {mean["operation"] for mean in document["means"]} <= set(OPERATIONS)


def test_factors_stand_in_a_cells_name(build_run: Build) -> None:
    run = load_run(build_run(name="one", channels=("ioctl",)))
    rows = tuple(replace(row, burst=16, factors="burst16") for row in run.rows)
    (first, *_) = compare(replace(run, rows=rows), replace(run, rows=rows)).rows
    assert first.name == "ioctl direct push 8 B, burst16"


def test_cells_of_one_run_alone(build_run: Build) -> None:
    a, b = build_run(name="one"), build_run(name="two")
    cells = b / "cells.csv"
    kept = [line for line in cells.read_text().splitlines() if not line.startswith("mmap")]
    cells.write_text("\n".join(kept) + "\n")
    comparison = compare(load_run(a), load_run(b))
    assert comparison.only_b == ()
    assert comparison.only_a[0] == "mmap ring push 8 B"


def test_table_leads_with_what_changed(load: Callable[..., Run]) -> None:
    head, first, *rest = compare(load("one"), load("two", scale=1.3, noise=1)).table()
    assert head[0] == "cell"
    assert first[-1] == "slower"
    assert {len(row) for row in rest} == {len(head)}
