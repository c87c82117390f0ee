# SPDX-License-Identifier: GPL-2.0-only
"""Run folders: written during a run, resumed, and damaged."""

from __future__ import annotations

import csv
import errno
import json
import os
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from bench.errors import DiskFull, UsageError
from bench.plan.cells import Cell, CellResult, failed, skipped
from bench.run import run_folder as module
from bench.run.run_folder import COLUMNS, DamagedFolder, Header, Recorder, new_folder

KEY = [field.name for field in fields(Cell) if field.compare]
PUSH = Cell("netlink", "unicast", "push", 64)
STREAM = Cell("netlink", "multicast", "stream", 64, context="process")
PULL = Cell("netlink", "", "pull", 0, skip="A socket has no pull.")
HEADER = Header({"plan": "quick"}, "instructions", (PUSH, STREAM, PULL))

GOOD = CellResult(
    PUSH, "ok", n=10, rounds=(1020,) * 11, samples=tuple(range(100, 300)), round_overhead=20,
    sample_overhead=5, cpu={"user": 1100},
)  # fmt: skip
DELIVERED = CellResult(
    STREAM, "ok", n=10, rounds=(1000, 2000), context="process",
    stream={"emitted": (10, 10), "delivered": (10, 5), "lost": (0, 5), "refused": (0, 0),
            "reordered": (0, 0), "duplicated": (0, 1)},
)  # fmt: skip


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "cells.csv").open() as file:
        return list(csv.DictReader(file))


def test_columns_are_those_of_the_design() -> None:
    design = (
        "channel operation size threads mode clock unit status reason rounds n min median mean "
        "p50 p90 p99 p999 max ci_low ci_high overhead messages_per_unit bytes_per_unit offered "
        "delivered lost"
    ).split()
    assert COLUMNS[: len(design)] == design


def test_rows_are_there_as_soon_as_they_are_added(tmp_path: Path) -> None:
    recorder = Recorder.create(tmp_path / "run", HEADER)
    assert rows(tmp_path / "run") == []
    recorder.add(GOOD)
    (row,) = rows(tmp_path / "run")
    assert (row["median"], row["overhead"], row["raw_median"]) == ("100", "2", "102")
    assert (row["unit"], row["status"], row["rounds"], row["p999"]) == (
        "instructions", "ok", "11", "")  # fmt: skip
    assert (row["cpu_user_side"], row["cpu_other_side"]) == ("10", "")
    recorder.add(DELIVERED)
    recorder.add(skipped(PULL))
    _, stream, skip = rows(tmp_path / "run")
    assert (stream["offered"], stream["delivered"], stream["lost"], stream["duplicated"]) == (
        "20", "15", "5", "1")  # fmt: skip
    assert (stream["median"], stream["context"]) == ("250", "process")
    assert (skip["status"], skip["reason"], skip["median"]) == ("skip", PULL.skip, "")


def test_a_reason_stays_on_one_line(tmp_path: Path) -> None:
    recorder = Recorder.create(tmp_path / "run", HEADER)
    recorder.add(failed(PUSH, 'first,\nsecond "quoted"'))
    assert len((tmp_path / "run/cells.csv").read_text().splitlines()) == 2
    assert rows(tmp_path / "run")[0]["reason"] == 'first, second "quoted"'


def test_a_second_boot_replaces_the_row(tmp_path: Path) -> None:
    recorder = Recorder.create(tmp_path / "run", HEADER)
    recorder.add(GOOD)
    recorder.add(replace(GOOD, boot=1, rounds=(3020,) * 11))
    (row,) = rows(tmp_path / "run")
    assert (row["boots"], row["rounds"], row["median"], row["min"]) == ("2", "22", "200", "100")
    recorder.add(failed(PUSH, "it broke", boot=2))
    (row,) = rows(tmp_path / "run")
    assert (row["status"], row["reason"], row["median"]) == ("fail", "it broke", "")


def test_a_complete_run_is_parquet_without_a_journal(tmp_path: Path) -> None:
    with Recorder.create(tmp_path / "run", HEADER) as recorder:
        for result in (GOOD, DELIVERED, skipped(PULL)):
            recorder.add(result)
        recorder.finish(complete=True)
    samples = pd.read_parquet(tmp_path / "run/samples.parquet")
    assert list(samples.columns) == [
        *KEY, "boot", "load", "place", "value", "overhead"]  # fmt: skip
    assert samples["value"].tolist() == list(range(100, 300))
    assert set(samples["overhead"]) == {5.0}
    rounds = pd.read_parquet(tmp_path / "run/rounds.parquet")
    assert list(rounds.columns) == [
        *KEY, "boot", "load", "place", "round", "value", "n", "outlier"]  # fmt: skip
    stream = rounds[rounds["operation"] == "stream"]
    assert stream["value"].tolist() == [100, 400]
    assert stream["n"].tolist() == [10, 5]
    assert set(stream["context"]) == {"process"}
    assert set(stream["place"]) == {1}, "it was measured second"
    assert not list((tmp_path / "run").glob("journal*"))
    with pytest.raises(UsageError, match="is complete"):
        Recorder.resume(tmp_path / "run")


def test_a_run_of_skips_alone_finishes_too(tmp_path: Path) -> None:
    recorder = Recorder.create(tmp_path / "run", HEADER)
    recorder.add(skipped(PULL))
    recorder.finish(complete=False)
    assert len(pd.read_parquet(tmp_path / "run/samples.parquet")) == 0


def test_resume_has_all_that_was_recorded(tmp_path: Path) -> None:
    with Recorder.create(tmp_path / "run", HEADER) as recorder:
        recorder.add(GOOD)
        recorder.add(DELIVERED)
    resumed = Recorder.resume(tmp_path / "run")
    assert resumed.header == HEADER
    assert resumed.results == {PUSH: [GOOD], STREAM: [DELIVERED]}
    resumed.add(skipped(PULL))
    assert [row["operation"] for row in rows(tmp_path / "run")] == ["push", "stream", "pull"]


def test_resume_understands_a_journal_of_the_version_before(tmp_path: Path) -> None:
    """Version 2 called emitted messages ``raised``, in streams and in trials."""
    searched = replace(DELIVERED, trials={"interval": [20], "emitted": [10], "lost": [0]})
    folder = tmp_path / "run"
    with Recorder.create(folder, HEADER) as recorder:
        recorder.add(searched)
    journal = folder / "journal.jsonl"
    text = journal.read_text().replace('"emitted"', '"raised"')
    journal.write_text(text.replace('"version": 3', '"version": 2'))
    assert "raised" in journal.read_text()
    with Recorder.resume(folder) as resumed:
        assert resumed.results == {STREAM: [searched]}


def test_resume_drops_what_is_half_written(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with Recorder.create(folder, HEADER) as recorder:
        recorder.add(GOOD)
        recorder.add(GOOD_2 := replace(GOOD, cell=STREAM, stream=DELIVERED.stream, rounds=(1, 2)))
    text = (folder / "journal.jsonl").read_bytes()
    (folder / "journal.jsonl").write_bytes(text[:-7])
    with (folder / "cells.csv").open("ab") as file:
        file.write(b"netlink,stream,6")
    resumed = Recorder.resume(folder)
    assert resumed.results == {PUSH: [GOOD]}
    assert len(rows(folder)) == 1
    resumed.add(GOOD_2)
    resumed.close()
    assert Recorder.resume(folder).results[STREAM] == [GOOD_2]


def test_a_run_has_one_writer(tmp_path: Path) -> None:
    first = Recorder.create(tmp_path / "run", HEADER)
    with pytest.raises(UsageError, match="Another ringcross"):
        Recorder.resume(tmp_path / "run")
    first.add(GOOD)
    first.close()
    assert Recorder.resume(tmp_path / "run").results == {PUSH: [GOOD]}


def test_resume_mends_a_damaged_table(tmp_path: Path) -> None:
    with Recorder.create(tmp_path / "run", HEADER) as recorder:
        recorder.add(GOOD)
    (tmp_path / "run/cells.csv").write_text("nonsense")
    Recorder.resume(tmp_path / "run")
    assert rows(tmp_path / "run")[0]["median"] == "100"


@pytest.mark.parametrize(
    "damage", ["garbage", "number", "samples", "empty", "version", "option", "lost"]
)
def test_a_damaged_journal_is_one_sentence(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "run"
    with Recorder.create(folder, HEADER) as recorder:
        recorder.add(GOOD)
        recorder.add(DELIVERED)
    journal = folder / "journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    if damage == "garbage":
        lines[1] = "}{\n"
    elif damage == "number":
        lines[1] = json.dumps(json.loads(lines[1]) | {"number": 99}) + "\n"
    elif damage == "samples":
        os.truncate(folder / "journal.u64", 8)
    elif damage == "version":
        lines[0] = json.dumps(json.loads(lines[0]) | {"version": 99}) + "\n"
    elif damage == "option":
        lines[0] = json.dumps(json.loads(lines[0]) | {"options": {"seed": "x"}}) + "\n"
    journal.write_text("" if damage == "empty" else "".join(lines))
    if damage == "lost":
        journal.unlink()
    with pytest.raises(DamagedFolder) as caught:
        Recorder.resume(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 5
    assert len(rows(folder)) == 2


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run folder"):
        Recorder.resume(tmp_path / "nowhere")


def test_a_run_is_never_overwritten(tmp_path: Path) -> None:
    Recorder.create(tmp_path / "run", HEADER)
    with pytest.raises(UsageError, match="--resume"):
        Recorder.create(tmp_path / "run", HEADER)


def test_a_run_is_not_recorded_in_the_folder_of_a_set(tmp_path: Path) -> None:
    (tmp_path / "set.json").write_text("{}")
    with pytest.raises(UsageError, match="--resume"):
        Recorder.create(tmp_path, HEADER)


@pytest.mark.parametrize("room", [0, 1, 50])
def test_a_full_disk_keeps_whole_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    recorder = Recorder.create(tmp_path / "run", HEADER)
    recorder.add(GOOD)
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    original = module._append_or_truncate

    def append_until_full(file: object, data: bytes) -> None:
        original(_Full(file, room), data)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_append_or_truncate", append_until_full)
    with pytest.raises(DiskFull, match=r"No space left.*--resume"):
        recorder.add(DELIVERED)
    after = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    assert after == before
    recorder.close()
    assert Recorder.resume(tmp_path / "run").results == {PUSH: [GOOD]}


class _Full:
    """A file on a disk with ``room`` free bytes."""

    def __init__(self, file: object, room: int) -> None:
        self._file, self._room = file, room

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)

    def write(self, data: memoryview) -> int:
        if self._room <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = int(self._file.write(data[: self._room]))  # type: ignore[attr-defined]
        self._room -= written
        return written


def test_the_kernel_log_has_one_part_per_boot(tmp_path: Path) -> None:
    recorder = Recorder.create(tmp_path / "run", HEADER)
    recorder.add_kernel_log("boot 1, seed 1", "hello\n\n")
    recorder.add_kernel_log("boot 2, seed 2", "")
    text = (tmp_path / "run/kernel.log").read_text()
    assert text == "===== boot 1, seed 1 =====\nhello\n===== boot 2, seed 2 =====\n\n"


def test_folders_are_named_by_time_kernel_and_clock(tmp_path: Path) -> None:
    now = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)
    first = new_folder(tmp_path, "6.1.0-56-amd64-time", now)
    assert first.name == "20250102T030405Z-6.1.0-56-amd64-time"
    first.mkdir()
    assert new_folder(tmp_path, "6.1.0-56-amd64-time", now).name == f"{first.name}-2"


def test_a_run_set_is_named_by_its_time(tmp_path: Path) -> None:
    now = datetime(2025, 1, 1, tzinfo=UTC)
    assert new_folder(tmp_path, "set", now).name == "20250101T000000Z-set"


def test_names_sort_in_the_order_of_the_runs_when_the_clock_is_set_back(tmp_path: Path) -> None:
    first = new_folder(tmp_path, "6.12-time", datetime(2025, 1, 2, 3, 59, 59, tzinfo=UTC))
    for name in (first.name, "side-by-side", "99999999T999999Z-notes"):
        (tmp_path / name).mkdir()
    second = new_folder(tmp_path, "6.1-time", datetime(2025, 1, 2, 3, 0, 0, tzinfo=UTC))
    assert second.name == "20250102T040000Z-6.1-time"
    second.mkdir()
    later = datetime(2025, 1, 2, 5, 0, 0, tzinfo=UTC)
    assert new_folder(tmp_path, "6.1-time", later).name == "20250102T050000Z-6.1-time"
