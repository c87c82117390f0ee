# SPDX-License-Identifier: GPL-2.0-only
"""Compares runs of a real kernel: only what changed between two runs is reported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.vm

SHORT = (
    *("run", "--clock", "instructions", "--accel", "tcg", "--no-report"),
    *("--channels", "netlink,ioctl", "--operations", "push,call", "--sizes", "8"),
)

RUNS = {
    "first": ("--seed", "1"),
    "again": ("--seed", "2"),
    "checked": ("--seed", "1", "--append", "slub_debug=FZPU"),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of three short runs, measured in parallel with the command line."""
    folder = tmp_path_factory.mktemp("runs")
    started = {
        name: subprocess.Popen(
            [sys.executable, "-m", "bench", *SHORT, "--run-dir", name, *words],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name, words in RUNS.items()
    }
    for name, process in started.items():
        _, errors = process.communicate()
        assert process.returncode == 0, f"{name}: {errors}"
    return folder


def compared(runs: Path, *words: str) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "bench", "compare", "--json", *words]
    done = subprocess.run(command, cwd=runs, capture_output=True, text=True)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_a_run_compared_with_its_like_finds_nothing(runs: Path) -> None:
    """The runs differ in the seed: memory layout and order of cells, but not the kernel."""
    code, comparison = compared(runs, "first", "again", "--fail-above", "0%")
    assert code == 0
    assert len(comparison["rows"]) >= 9
    assert {row["verdict"] for row in comparison["rows"]} == {"same"}
    assert [mark["what"] for mark in comparison["marks"]] == ["seed"]
    assert all(abs(mean["ratio"] - 1) < 0.005 for mean in comparison["means"])


def test_a_kernel_that_checks_its_allocations_is_found_out(runs: Path) -> None:
    """Operations that allocate are slower, and the others are the same."""
    code, comparison = compared(runs, "first", "checked", "--fail-above", "10%")
    rows = {(row["channel"], row["mode"], row["operation"]): row for row in comparison["rows"]}
    assert code == 1
    assert rows["netlink", "unicast", "push"]["verdict"] == "slower"
    assert rows["netlink", "unicast", "call"]["ratio"] > 2
    assert rows["ioctl", "direct", "call"]["verdict"] == "same"
    assert rows["syscall", "getppid", "call"]["verdict"] == "same"
    assert [mark["what"] for mark in comparison["marks"]] == ["cmdline"]
    assert "slub_debug=FZPU" in comparison["marks"][0]["b"]
