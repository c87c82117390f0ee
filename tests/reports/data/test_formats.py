# SPDX-License-Identifier: GPL-2.0-only
"""Run folders of format 1 are read with the names of format 2; unknown formats are refused."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reports.data import properties, trials
from reports.data.run import DamagedRun, Run, load_run
from reports.pages.render import render

Build = Callable[..., Path]

PROPERTIES: dict[str, tuple[str, Any, Any]] = {
    "full": ("queue_full", "refuses newest", "refuses newest"),
    "holds": ("queue_capacity", 64, 64),
    "kernel_starts": ("kernel_initiated", True, True),
    "largest": ("size_limit", {"push": 16359}, {"push": 16359}),
    "module_goes": ("module_unload", "goes, user told", "unloads, user gets an error"),
    "once": ("load_parameter", "at load", "at load"),
    "opens": ("permissions", "anybody", "anybody"),
    "pollable": ("poll", True, True),
    "producer_told": ("producer_error", "EAGAIN", "EAGAIN"),
    "reader_dies": ("reader_exit", "next goes on", "next reader works"),
    "reader_told": ("reader_error", "nothing", "nothing"),
    "ordering": ("ordering", "kept", "kept"),
}
"""Old name, then new name, old value and new value; the last one never changed."""

VALUES = {
    ("module_goes", "goes, user waits on"): "unloads, user keeps waiting",
    ("module_goes", "goes, user woken"): "unloads, user is woken",
    ("module_goes", "busy"): "busy",
    ("reader_dies", "next gets nothing"): "next reader gets nothing",
}

REASON = "A parameter knows nothing of opens, so all users share one sequence."

SEARCHED = {
    "channel": "ioctl", "mode": "direct", "operation": "stream", "size": "8", "threads": "1",
    "context": "softirq", "rate": "search", "burst": "16", "wait": "", "queue": "0",
}  # fmt: skip

TRIAL = SEARCHED | {
    "boot": "0", "load": "0", "trial": "0", "interval": "1000", "raised": "200", "refused": "50",
    "delivered": "150", "lost": "50", "reordered": "0", "duplicated": "0", "overruns": "1",
    "span": "6000", "missed": "0", "behind": "100", "p50": "300", "p99": "400", "verdict": "lost",
    "offered_per_unit": "14000", "delivered_per_unit": "10500",
}  # fmt: skip


@pytest.fixture
def old_run(build_run: Build) -> Path:
    """A run folder as format 1 wrote it."""
    path = build_run(channels=("null", "ioctl", "signal"))
    write_environment(path)
    write_cells(path)
    write_properties(path)
    with (path / "trials.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(TRIAL))
        writer.writeheader()
        writer.writerow(TRIAL)
    return path


def write_environment(path: Path) -> None:
    environment = json.loads((path / "environment.json").read_text())
    environment.pop("format", None)
    environment["overhead"] = {"read": 24.0, "loop": 3.0, "enough": 20_000.0}
    environment["marked"] = {"cells": 3, "apart": 2, "wide": 1}
    for channel in environment["channels"]["channels"]:
        channel["cannot"] = channel.pop("unsupported_reason")
        for mode in channel["modes"]:
            mode |= {"alone": REASON, "once": "It has no operations.", "stock": "ioctl"}
    (path / "environment.json").write_text(json.dumps(environment))


def write_cells(path: Path) -> None:
    """The first three measured rows get the old marks, and one more row was searched."""
    with (path / "cells.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    measured = [row for row in rows if row["status"] == "ok"]
    for row, marks in zip(measured, ("apart", "wide", "apart wide"), strict=False):
        row["marks"] = marks
    stream = next(row for row in measured if row["operation"] == "stream")
    rows.append(stream | SEARCHED | {"factors": "search burst16", "bound": "lost"})
    with (path / "cells.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_properties(path: Path) -> None:
    found = [(name, value) for name, (_, value, _) in PROPERTIES.items()]
    entries = [
        {"channel": "ioctl", "mode": mode, "name": name, "value": value, "how": "probe"}
        | {"detail": "It was tried."}
        for mode, properties_of_mode in (("direct", found), ("indirect", list(VALUES)))
        for name, value in properties_of_mode
    ]
    document = {"version": 1, "properties": entries}
    (path / "properties.json").write_text(json.dumps(document))


@pytest.fixture
def run(old_run: Path) -> Run:
    return load_run(old_run)


def test_the_fixture_has_no_new_name(old_run: Path) -> None:
    """Else the tests below could pass without a translation."""
    text = "".join((old_run / name).read_text() for name in ("environment.json", "properties.json"))
    new = {name for old, (name, _, _) in PROPERTIES.items() if name != old}
    new |= {"format", "min_round", "unsupported_reason", "single_threaded_reason"}
    new |= {"one_shot_reason", "counterpart", "differs", "imprecise"}
    assert [name for name in sorted(new) if f'"{name}"' in text] == []
    assert "emitted" not in (old_run / "trials.csv").read_text()
    assert "differs" not in (old_run / "cells.csv").read_text()


def test_channels_and_modes(run: Run) -> None:
    assert "carries nothing" in run.channel("signal").unsupported_reason["push"]
    for channel in run.channels:
        for mode in channel.modes:
            assert mode["single_threaded_reason"] == REASON
            assert mode["one_shot_reason"] == "It has no operations."
            assert mode["counterpart"] == "ioctl"
            assert not {"alone", "once", "stock"} & set(mode)


def test_environment(run: Run) -> None:
    assert run.environment["overhead"] == {"read": 24.0, "loop": 3.0, "min_round": 20_000.0}
    assert run.environment["marked"] == {"cells": 3, "differs": 2, "imprecise": 1}
    assert "cannot" not in run.environment["channels"]["channels"][0]


def test_marks(run: Run) -> None:
    assert [row.marks for row in run.rows if row.measured][:3] == [
        "differs", "imprecise", "differs imprecise",
    ]  # fmt: skip
    assert set(run.cells["marks"]) >= {"differs", "imprecise", "differs imprecise"}
    assert not set(" ".join(run.cells["marks"]).split()) & {"apart", "wide"}


def test_properties(run: Run) -> None:
    by_mode: dict[str, list[tuple[str, Any]]] = {"direct": [], "indirect": []}
    for entry in properties.load(run):
        by_mode[entry.mode].append((entry.name, entry.value))
    assert by_mode["direct"] == [(new, value) for new, _, value in PROPERTIES.values()]
    assert by_mode["indirect"] == [
        (PROPERTIES[old][0], value) for (old, _), value in VALUES.items()
    ]


def test_trials(run: Run) -> None:
    (sweep,) = trials.sweeps(run)
    (trial,) = sweep.trials
    assert (trial.loss, trial.offered, trial.verdict) == (25.0, 14000.0, "lost")


def test_a_report_shows_the_new_names(old_run: Path) -> None:
    index = render([old_run])
    pages = {path.name: path.read_text() for path in index.parent.glob("*.html")}
    channel = pages["channel-ioctl.html"]
    assert "unloads, user gets an error" in channel
    assert "next reader works" in channel
    assert "A signal carries nothing from the process to the kernel" in pages["channel-signal.html"]
    diagnostics = pages["diagnostics.html"]
    assert diagnostics.count('class="note"') >= 3, "each marked cell has its reason"
    for old in ("goes, user told", "goes, user waits on", "next goes on", "next gets nothing"):
        assert not [name for name, text in pages.items() if old in text], old


def test_the_folder_is_not_rewritten(old_run: Path) -> None:
    before = {path.name: path.read_bytes() for path in old_run.iterdir() if path.is_file()}
    render([old_run])
    after = {path.name: path.read_bytes() for path in old_run.iterdir() if path.is_file()}
    assert after == before


def test_the_current_format_is_left_as_it_is(build_run: Build) -> None:
    """An old name in a folder of format 2 is some other field, and not translated."""
    path = build_run(channels=("null",))
    environment = json.loads((path / "environment.json").read_text())
    environment |= {"format": 2, "overhead": {"enough": 1.0}}
    (path / "environment.json").write_text(json.dumps(environment))
    assert load_run(path).environment == environment


@pytest.mark.parametrize("format_", [99, 3, 0, -1, "2", None, [2]])
def test_an_unknown_format_is_refused(old_run: Path, format_: object) -> None:
    environment = json.loads((old_run / "environment.json").read_text()) | {"format": format_}
    (old_run / "environment.json").write_text(json.dumps(environment))
    with pytest.raises(DamagedRun) as caught:
        load_run(old_run)
    message = str(caught.value)
    assert "environment.json" in message
    assert f"format {format_!r}" in message
    assert "\n" not in message
    assert message.endswith(".")
