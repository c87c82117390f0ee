# SPDX-License-Identifier: GPL-2.0-only
"""A new channel is one new folder: the whole contract passes, and the report has its page.

The channel is ``tests/channels/counter``, which carries only a count, added to a copy of the
repository.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from bench.kernels import build
from bench.paths import ROOT
from tests.tree import CHANNELS

pytestmark = [pytest.mark.vm, pytest.mark.slow]

LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "build", "runs", "__pycache__", ".*_cache")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with one more folder in ``modules/``."""
    build.build_agent()  # its object files are copied, so only the channel is compiled
    root = tmp_path_factory.mktemp("new") / "ringcross"
    shutil.copytree(ROOT, root, ignore=LEFT_OUT)
    shutil.copytree(ROOT / "build" / "agent", root / "build" / "agent")
    shutil.copytree(CHANNELS / "counter", root / "modules" / "counter")
    return root


def run(copy: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env: Mapping[str, str] = os.environ | {"PYTHONPATH": str(copy)}
    command = [sys.executable, "-m", *words]
    return subprocess.run(command, cwd=copy, env=env, capture_output=True, text=True)


def test_the_whole_contract_passes(copy: Path) -> None:
    done = run(copy, "pytest", "-q", "-m", "", "tests", "--channels=counter")
    assert done.returncode == 0, done.stdout[-5000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed
    assert int(passed[1]) > 30
    assert re.search(r"--channels=counter: \d{4} tests .* were deselected", done.stdout)


def test_a_run_has_its_page_and_its_cost_class(copy: Path) -> None:
    words = ("run", "--channels", "null,counter", "--clock", "instructions", "--accel", "tcg")
    done = run(copy, "bench", *words, "--run-dir", "run")
    assert done.returncode == 0, done.stderr
    page = (copy / "run/report/channel-counter.html").read_text()
    assert "It carries only a count." in page
    assert "event counter" in page
    assert "adds up" in page
    assert ",counter," not in (copy / "run/cells.csv").read_text().partition("fail")[2]
