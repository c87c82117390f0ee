# SPDX-License-Identifier: GPL-2.0-only
"""The Makefile passes on what its command line says, and nothing else, from any folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bench.paths import ROOT

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
Done = subprocess.CompletedProcess[str]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout in a folder with a blank and umlauts, whose Python records how it is called."""
    checkout = tmp_path / "ring cross ÄÖÜ"
    (checkout / "bench").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "packages.txt", "bench/errors.py"):
        shutil.copy(ROOT / name, checkout / name)
    shutil.copytree(ROOT / "scripts", checkout / "scripts")
    python = checkout / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\nfor word; do echo "$word"; done >words\nenv >environment\n')
    python.chmod(0o755)
    (checkout / ".venv/.ready").touch()
    return checkout


def make(checkout: Path, *words: str, **env: str) -> Done:
    clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        ["make", *words], cwd=checkout, env=clean | env, capture_output=True, text=True, timeout=60
    )


def options(checkout: Path) -> dict[str, str]:
    words = (checkout / "words").read_text().splitlines()
    assert words[:3] == ["-m", "bench", "run"]
    return dict(zip(words[3::2], words[4::2], strict=True))


def test_it_works_in_a_folder_with_a_blank(checkout: Path) -> None:
    done = make(checkout, "bench", "CHANNELS=netlink ioctl", "SIZES=8,4k")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    given = options(checkout)
    assert given["--channels"] == "netlink ioctl"
    assert given["--sizes"] == "8,4k"
    assert given["--target"] == "vm"


@pytest.mark.parametrize(
    ("word", "meant"), [("CHANNEL", "CHANNELS"), ("channels", "CHANNELS"), ("SIZE", "SIZES")]
)
def test_a_misspelt_variable_is_an_error_that_names_the_right_one(
    checkout: Path, word: str, meant: str
) -> None:
    done = make(checkout, "bench", f"{word}=x")
    assert done.returncode == 2
    assert f"There is no variable '{word}'. Did you mean {meant}?" in done.stderr
    assert not (checkout / "words").exists()


def test_it_is_an_error_without_python_too(checkout: Path) -> None:
    done = make(checkout, "bench", "CHANNEL=x", "PYTHON=/no/such/python")
    assert done.returncode == 2
    assert "There is no variable CHANNEL. Known: TARGET" in done.stderr


def test_every_variable_is_known() -> None:
    (known,) = re.findall(r"^VARIABLES := ((?:.*\\\n)*.*)$", MAKEFILE, re.MULTILINE)
    assigned = re.findall(r"^([A-Z]+) =", MAKEFILE, re.MULTILINE)
    assert set(known.replace("\\", " ").split()) <= set(assigned)
    helped = re.findall(r'^\t@echo "  ([A-Z]+) ', MAKEFILE, re.MULTILINE)
    assert len(helped) > 10
    assert set(helped) <= set(known.split())


def test_exported_variables_of_others_change_nothing(checkout: Path) -> None:
    exported = {
        "TARGET": "x86_64-linux-gnu",
        "SEED": "7",
        "PLAN": "b",
        "VENV": "/no",
        "APPEND": "x",
    }
    done = make(checkout, "bench", "SEED=3", **exported)
    assert done.returncode == 0, done.stderr
    given = options(checkout)
    assert (given["--target"], given["--seed"]) == ("vm", "3")
    assert (given["--plan"], given["--append"]) == ("quick", "")
    (note,) = done.stderr.splitlines()
    assert "Note: TARGET PLAN APPEND VENV of the environment is ignored" in note
    assert make(checkout, "report", **exported).stderr == "", "it has none of them"


def test_another_projects_python_and_flags_are_not_passed_on(checkout: Path) -> None:
    done = make(
        checkout, "bench", PYTHONPATH="/no/such", PYTHONHOME="/no/such", PYTHONSAFEPATH="1",
        MAKEFLAGS="-j8 --warn-undefined-variables", LLVM="1", ARCH="arm64",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    names = {line.partition("=")[0] for line in (checkout / "environment").read_text().splitlines()}
    assert not {name for name in names if name.startswith("PYTHON")}


def test_it_works_in_an_empty_environment(checkout: Path) -> None:
    """As cron starts it, or `env -i`."""
    done = subprocess.run(
        ["make", "bench"], cwd=checkout, env={}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert options(checkout)["--target"] == "vm"
