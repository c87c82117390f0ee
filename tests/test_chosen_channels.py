# SPDX-License-Identifier: GPL-2.0-only
"""``make test CHANNELS=…``: tests the contract of these channels and counts the rest."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.paths import ROOT

FILES = ("tests/vm/test_channels.py", "tests/vm/test_hostile.py", "tests/bench/plan/test_cells.py")


def collect(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-m", "", "--collect-only", *FILES, *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_only_tests_of_the_channel_are_selected() -> None:
    every, some = collect(), collect("--channels=ioctl")
    tests = [line for line in some.stdout.splitlines() if "::" in line]
    assert some.returncode == 0, some.stdout + some.stderr
    named = [re.search(r"\[(\w+)", test) for test in tests]
    assert {match[1] for match in named if match} == {"ioctl"}
    assert not [test for test in tests if "test_cells" in test]
    assert not [test for test in tests if "umh" in test or "test_what_makes_a_process" in test]
    assert len(tests) > 10
    assert "[netlink-unicast-push]" in every.stdout
    count = re.search(r"--channels=ioctl: (\d+) tests that are not about these", some.stdout)
    assert count
    assert f"({count[1]} deselected)" in some.stdout
    assert int(count[1]) > 5


def test_without_the_option_nothing_is_left_out() -> None:
    assert "deselected" not in collect("--channels=").stdout


def test_an_unknown_channel_is_an_error() -> None:
    done = collect("--channels=evntfd")
    assert done.returncode == 4
    assert "There is no channel 'evntfd'." in done.stderr


def test_the_count_comes_from_workers_too() -> None:
    """``make test`` runs on several processors, and there the workers collect the tests."""
    words = [sys.executable, "-m", "pytest", "-q", "-n", "1", "--channels=ioctl"]
    files = ("tests/test_repository.py", "tests/bench/plan/test_cells.py")
    done = subprocess.run([*words, *files], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"--channels=ioctl: [1-9]\d* tests that are not about these", done.stdout)


@pytest.mark.parametrize(
    ("variable", "channels"),
    [("", ""), ("CHANNELS=", ""), ("CHANNELS=ioctl,pipe", ' "--channels=ioctl,pipe"')],
)
def test_make_passes_the_channels_on(tmp_path: Path, variable: str, channels: str) -> None:
    """Without them, it is the whole suite."""
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / ".ready").touch()
    words = ["make", "-n", "test", f"VENV={venv}", *([variable] if variable else [])]
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    (line,) = (text for text in done.stdout.splitlines() if "pytest" in text)
    assert ' tests -m "" ' in line
    assert ("--channels" in line) == bool(channels)
    assert line.rstrip().endswith(channels)
