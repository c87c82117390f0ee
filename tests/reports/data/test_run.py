# SPDX-License-Identifier: GPL-2.0-only
"""A run folder is read completely, or refused with a message that names the next step."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from reports.data.run import REQUIRED, DamagedRun, load_run

Build = Callable[..., Path]


def test_run_is_read(build_run: Build) -> None:
    run = load_run(build_run())
    assert run.clock == "instructions"
    assert [channel.name for channel in run.channels][:2] == ["null", "syscall"]
    assert run.channel("signal").unsupported_reason["push"].startswith("A signal carries nothing")
    assert run.samples is not None
    assert {row.status for row in run.rows} == {"ok", "skip", "fail"}


def test_missing_numbers_are_none(build_run: Build) -> None:
    run = load_run(build_run())
    skipped = next(row for row in run.rows if row.status == "skip")
    assert skipped.median is None
    assert not skipped.measured
    assert next(run.of("ioctl", "push")).p999 is None


def test_minimal_run_loads(tmp_path: Path) -> None:
    header = ",".join(REQUIRED)
    (tmp_path / "cells.csv").write_text(f"{header}\nioctl,push,8,direct,time,ok\n")
    run = load_run(tmp_path)
    assert run.environment == {}
    assert run.samples is None
    assert run.clock == "time"
    assert run.rows[0].threads == 1


def test_empty_table_loads(tmp_path: Path) -> None:
    (tmp_path / "cells.csv").write_text(",".join(REQUIRED) + "\n")
    assert load_run(tmp_path).rows == ()


def test_cell_measured_again_counts_once(build_run: Build) -> None:
    path = build_run()
    cells = path / "cells.csv"
    lines = cells.read_text().splitlines()
    cells.write_text("\n".join([*lines, lines[1]]) + "\n")
    assert len(load_run(path).rows) == len(lines) - 1


def refusal(path: Path) -> str:
    with pytest.raises(DamagedRun) as caught:
        load_run(path)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


def test_no_folder(tmp_path: Path) -> None:
    assert "nowhere is not a folder" in refusal(tmp_path / "nowhere")


def test_no_cells(tmp_path: Path) -> None:
    assert "cells.csv is missing" in refusal(tmp_path)


def test_a_set_names_its_runs(tmp_path: Path) -> None:
    (tmp_path / "set.json").write_text("{}")
    for name in ("1-6.1", "2-6.12"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cells.csv").write_text("")
    assert f"is a run set. Give its runs instead: {tmp_path}/1-6.1, " in refusal(tmp_path)


def test_row_cut_in_its_middle(build_run: Build) -> None:
    path = build_run()
    cells = path / "cells.csv"
    text = cells.read_text().rstrip()
    cells.write_text(text[: text.rindex(",", 0, len(text) - 20)])
    count = len(text.splitlines())
    sentence = refusal(path)
    assert f"cells.csv line {count} has" in sentence
    assert "--resume" in sentence


def test_row_cut_in_its_last_number(build_run: Build) -> None:
    path = build_run()
    cells = path / "cells.csv"
    cells.write_text(cells.read_text().rstrip())
    assert "may be truncated" in refusal(path)


@pytest.mark.parametrize("name", REQUIRED)
def test_missing_column(build_run: Build, name: str) -> None:
    path = build_run()
    cells = path / "cells.csv"
    cells.write_text(cells.read_text().replace(name, f"un{name}", 1))
    assert f"no column {name!r}" in refusal(path)


def test_zero_bytes_of_a_crash(build_run: Build) -> None:
    path = build_run()
    with (path / "cells.csv").open("a") as file:
        file.write("\0" * 64 + "\n")
    assert "zero bytes" in refusal(path)


def test_word_for_a_number(build_run: Build) -> None:
    path = build_run()
    cells = path / "cells.csv"
    cells.write_text(cells.read_text().replace(",400,", ",many,", 1))
    assert "'n' that is not a number" in refusal(path)


@pytest.mark.parametrize("text", ['{"kernel": ', "[1]", "\xff"])
def test_damaged_environment(build_run: Build, text: str) -> None:
    path = build_run()
    (path / "environment.json").write_text(text, encoding="latin-1")
    assert "environment.json" in refusal(path)


def test_damaged_samples(build_run: Build) -> None:
    path = build_run()
    (path / "samples.parquet").write_bytes(b"PAR1 and no more")
    run = load_run(path)
    with pytest.raises(DamagedRun, match=r"samples\.parquet cannot be read"):
        _ = run.samples


def test_mixed_clocks(build_run: Build) -> None:
    path = build_run()
    env = path / "environment.json"
    env.write_text(json.dumps(json.loads(env.read_text()) | {"clock": "time"}))
    assert "A run has one clock" in refusal(path)


def test_a_tail_that_never_came_is_a_loss(build_run: Build) -> None:
    row = next(load_run(build_run()).of("ioctl", "stream"))
    assert not row.lossy
    assert replace(row, delivered=19_000.0).missing == 1000
    assert replace(row, lost=3.0).lossy
    assert replace(row, lost=None, offered=None).missing is None
