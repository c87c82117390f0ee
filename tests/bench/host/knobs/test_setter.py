# SPDX-License-Identifier: GPL-2.0-only
"""Read, set and restore knobs, on trees of files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.host import knobs
from tests.bench.host.knobs.tree import CPU, GOOD, plant

GOVERNOR = f"{CPU}/cpu0/cpufreq/scaling_governor"
TURBO = f"{CPU}/intel_pstate/no_turbo"
POOR = {**GOOD, GOVERNOR: "powersave\n", TURBO: "0\n"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return plant(tmp_path / "root", POOR)


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    return tmp_path / "backup.json"


def text(root: Path, path: str) -> str:
    return (root / path.lstrip("/")).read_text().strip()


def test_all_that_knobs_look_at_is_read(root: Path) -> None:
    files = knobs.read(knobs.every(), root)
    assert {path: content for path, content in files.items() if content is not None} == {
        path: content for path, content in POOR.items() if path.startswith("/")
    }
    assert files["/sys/hypervisor/type"] is None
    assert files[knobs.CONFIG] is None


def test_this_machine_can_be_read() -> None:
    files = knobs.read(knobs.every())
    assert files["/proc/loadavg"]
    assert [knobs.show(knob, files, here=True).found for knob in knobs.every()]


def test_what_is_applied_is_undone(root: Path, backup: Path) -> None:
    applied = knobs.apply(knobs.every(), root, backup)
    assert applied.before == {GOVERNOR: "powersave", TURBO: "0"}
    assert not applied.refused
    assert (text(root, GOVERNOR), text(root, TURBO)) == ("performance", "1")
    assert f"echo powersave > {GOVERNOR}" in applied.undo_command()
    restored = knobs.undo(root, backup)
    assert restored.before == applied.before
    assert (text(root, GOVERNOR), text(root, TURBO)) == ("powersave", "0")
    assert not backup.exists()
    with pytest.raises(UsageError, match="nothing to undo"):
        knobs.undo(root, backup)


def test_the_first_state_is_what_undo_goes_back_to(root: Path, backup: Path) -> None:
    knobs.apply(knobs.every(), root, backup)
    (root / GOVERNOR.lstrip("/")).write_text("schedutil\n")
    knobs.apply(knobs.every(), root, backup)
    knobs.undo(root, backup)
    assert text(root, GOVERNOR) == "powersave"


def test_a_good_machine_is_left_alone(tmp_path: Path, backup: Path) -> None:
    root = plant(tmp_path / "root", GOOD)
    applied = knobs.apply(knobs.every(), root, backup)
    assert (applied.before, applied.refused) == ({}, {})
    assert not backup.exists()


def test_what_is_refused_is_told_and_not_undone(
    root: Path, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For example, some devices refuse to move their interrupt to other CPUs."""
    write_text = Path.write_text

    def write(path: Path, data: str) -> int:
        if path.name == "no_turbo":
            raise OSError(5, "Input/output error")
        return write_text(path, data)

    monkeypatch.setattr(Path, "write_text", write)
    applied = knobs.apply(knobs.every(), root, backup)
    assert applied.refused == {TURBO: "Input/output error"}
    assert applied.before == {GOVERNOR: "powersave"}
    assert json.loads(backup.read_text()) == applied.before


def test_nothing_is_changed_that_could_not_be_put_back(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing was changed"):
        knobs.apply(knobs.every(), root, tmp_path / "no" / "such" / "folder.json")
    assert text(root, GOVERNOR) == "powersave"
