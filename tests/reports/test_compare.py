"""Ratios count only when they are more than chance; runs of two clocks have none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from reports.compare import Refused, compare
from reports.load import Run, load_run

Build = Callable[..., Path]


@pytest.fixture
def load(build_run: Build) -> Callable[..., Run]:
    return lambda name, **options: load_run(build_run(name=name, **options))


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
    assert {row.verdict for row in small} == {"slower"}
    assert comparison.failed
    assert compare(b, a, fail_above=0.2).failing == ()
    push = next(mean for mean in comparison.means if mean.operation == "push")
    assert 1.05 < push.ratio < 1.3


def test_threshold(load: Callable[..., Run]) -> None:
    a, b = load("one"), load("two", scale=1.03, noise=1)
    assert compare(a, b).changed
    assert compare(a, b, threshold=0.05).changed == ()


def test_medians_alone_are_no_change_of_instructions(build_run: Build) -> None:
    """A tick in most rounds moves the median, not the cost."""
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
        build_run(name="one", clock="time"),
        build_run(name="two", clock="time", scale=2.0),
    ]
    for path in paths:
        lines = (path / "cells.csv").read_text().splitlines()
        lines[0] = lines[0].replace("ci_low", "old_low")
        (path / "cells.csv").write_text("\n".join(lines) + "\n")
    comparison = compare(load_run(paths[0]), load_run(paths[1]))
    assert {row.verdict for row in comparison.rows} == {"unknown"}


def test_two_clocks_are_refused(load: Callable[..., Run]) -> None:
    with pytest.raises(Refused, match="no ratio between the two"):
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
