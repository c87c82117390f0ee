# SPDX-License-Identifier: GPL-2.0-only
"""The record of a run set: what is written, continued, refused and removed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.plan.options import RunOptions
from bench.plan.variants import Variant
from bench.run import run_set
from bench.run.run_folder import DamagedFolder

VARIANTS = (Variant("6.1"), Variant("6.12", ("mitigations=off",)))
OPTIONS = RunOptions(channels=("ioctl",), seed=3)


def test_a_new_set_is_recorded_before_it_is_measured(tmp_path: Path) -> None:
    created = run_set.create(tmp_path / "set", OPTIONS, VARIANTS)
    assert run_set.is_set(tmp_path / "set")
    assert [member.folder.name for member in created.members] == ["1-6.1", "2-6.12-mitigations=off"]
    again = run_set.resume(tmp_path / "set", RunOptions())
    assert [member.variant for member in again.members] == list(VARIANTS)
    assert again.options == replace(OPTIONS, kernel=again.options.kernel)


def test_consent_belongs_to_the_call(tmp_path: Path) -> None:
    run_set.create(tmp_path, replace(OPTIONS, yes_load_modules=True), VARIANTS)
    assert not run_set.resume(tmp_path, RunOptions()).options.yes_load_modules


def test_options_begin_or_continue_a_run(tmp_path: Path) -> None:
    first, second = run_set.create(tmp_path, OPTIONS, VARIANTS).members
    assert first.options(OPTIONS).run_dir == first.folder
    assert second.options(OPTIONS).append == ("mitigations=off",)
    first.folder.mkdir()
    (first.folder / "cells.csv").write_text("")
    (first.folder / "journal.jsonl").write_text("")
    assert first.options(OPTIONS).resume == first.folder
    assert first.measured
    assert not first.complete
    (first.folder / "journal.jsonl").unlink()
    assert first.complete


@pytest.mark.parametrize("name", ["set.json", "cells.csv"])
def test_results_are_never_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{}")
    with pytest.raises(UsageError, match="--resume"):
        run_set.create(tmp_path, OPTIONS, VARIANTS)


@pytest.mark.parametrize(
    "record",
    [
        "",
        "[]",
        "null",
        '{"options": {}}',
        '{"options": {}, "variants": []}',
        '{"options": {"seed": "x"}, "variants": [{"kernel": "6.1", "append": []}]}',
        '{"options": {}, "variants": [{"kernel": 1, "append": []}]}',
        '{"options": {}, "variants": [{"kernel": "6.1", "append": [1]}]}',
    ],
)
def test_a_damaged_record_is_one_sentence(tmp_path: Path, record: str) -> None:
    (tmp_path / "set.json").write_text(record)
    with pytest.raises(DamagedFolder, match=r"set\.json is damaged"):
        run_set.resume(tmp_path, RunOptions())


def test_a_set_without_results_is_removed(tmp_path: Path) -> None:
    empty = run_set.create(tmp_path / "empty", OPTIONS, VARIANTS)
    run_set.discard(empty)
    assert not empty.folder.exists()
    kept = run_set.create(tmp_path / "kept", OPTIONS, VARIANTS)
    kept.members[0].folder.mkdir()
    run_set.discard(kept)
    assert json.loads((kept.folder / "set.json").read_text())["variants"]
