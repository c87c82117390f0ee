# SPDX-License-Identifier: GPL-2.0-only
"""A run in an environment that nobody cleaned: all at once, in a checkout with a blank in its path.

Each of these settings made a run fail, or changed what it measured.
"""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.kernels import places
from bench.paths import ROOT
from tests.vm import machine

pytestmark = pytest.mark.vm

CHANNELS = ("ioctl", "null", "stock", "syscall")
"""The channels of the checkout; fewer are built more quickly."""

EXPORTED = {
    # of other projects' builds
    "ARCH": "arm64",
    "CC": "/no/such/cc",
    "CFLAGS": "-no-such-flag",
    "CPPFLAGS": "-no-such-flag",
    "CROSS_COMPILE": "no-such-",
    "KBUILD_OUTPUT": "/no/such/folder",
    "KCFLAGS": "-no-such-flag",
    "LDFLAGS": "-no-such-flag",
    "LLVM": "1",
    "MAKEFLAGS": "--no-such-option",
    # of Python, pip and pytest
    "PIP_USER": "1",
    "PYTEST_ADDOPTS": "-k nothing",
    "PYTEST_PLUGINS": "no_such_plugin",
    "PYTHONOPTIMIZE": "2",
    "PYTHONWARNINGS": "error",
    # of the terminal and the language
    "COLUMNS": "20",
    "LC_ALL": "C",
    "PYTHONCOERCECLOCALE": "0",
    "PYTHONUTF8": "0",
    "TERM": "dumb",
    # of make bench
    "PLAN": "no such plan",
    "SEED": "7",
    "TARGET": "x86_64-linux-gnu",
}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A checkout of ringcross with a few channels, whose builds go to the user's cache."""
    checkout = tmp_path / "ring cross, größer"
    for name in ("bench", "reports"):
        ignored = shutil.ignore_patterns("__pycache__", "runs")
        shutil.copytree(ROOT / name, checkout / name, ignore=ignored)
    for name in ("core", "include", *CHANNELS):
        if (ROOT / "modules" / name).exists():
            shutil.copytree(ROOT / "modules" / name, checkout / "modules" / name)
    for path in (ROOT / "modules").iterdir():
        if path.is_file():
            shutil.copy(path, checkout / "modules")
    for name in ("conftest.py", "pyproject.toml", "packages.txt", "ringcross.py"):
        shutil.copy(ROOT / name, checkout)
    yield checkout
    with monkeypatch.context() as patched:
        patched.setattr(places, "ROOT", checkout)
        builds = places.build_folder()
    assert (builds / "agent/ringcross_agent").exists(), "make cannot build in the checkout"
    shutil.rmtree(builds)


def test_a_run_in_a_hostile_environment(checkout: Path, tmp_path: Path) -> None:
    machine.stock()  # the kernel is in the cache
    temporary = tmp_path / "tmp,dir with a blank"
    temporary.mkdir()
    (tmp_path / "python/bench").mkdir(parents=True)
    (tmp_path / "python/bench/__init__.py").write_text("raise SystemExit('The wrong bench.')\n")
    script = "import sys; sys.path.insert(0, sys.argv.pop(1)); from ringcross import main; main()"
    words = "run --channels ioctl --operations push --sizes 8 --clock instructions --no-explore"
    env = os.environ | EXPORTED
    env |= {"TMPDIR": str(temporary), "PYTHONPATH": str(tmp_path / "python")}
    kernel = ["--kernel", env.pop("RINGCROSS_TEST_KERNEL", "stock")]
    limited = ["bash", "-c", 'ulimit -n 64; umask 077; exec "$@"', "bash"]
    done = subprocess.run(
        [*limited, sys.executable, "-c", script, str(checkout), *words.split(), *kernel],
        cwd=checkout,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="ascii",
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    (run,) = (checkout / "reports/runs").iterdir()
    with (run / "cells.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["status"] for row in rows} == {"ok"}
    assert {row["channel"] for row in rows} == {"ioctl", "syscall"}
    assert (run / "report/index.html").exists()
    assert not list(temporary.iterdir()), "nothing is left behind"
