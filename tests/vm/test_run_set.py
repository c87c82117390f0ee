# SPDX-License-Identifier: GPL-2.0-only
"""Two kernel command lines in one command: both machines boot, and one page compares them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.commands.cli import main

pytestmark = pytest.mark.vm


def test_a_setting_against_none(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    words = ["run", "--accel", "tcg", "--clock", "instructions", "--no-explore"]
    words += ["--channels", "null", "--operations", "push", "--run-dir", str(folder)]
    words += ["--append", "none | mitigations=off"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    lines = {}
    for run in ("1-stock", "2-stock-mitigations=off"):
        environment = json.loads((folder / run / "environment.json").read_text())
        lines[run] = environment["cmdline"].split()
        assert environment["finished"]
    assert "mitigations=off" not in lines["1-stock"]
    assert "mitigations=off" in lines["2-stock-mitigations=off"]
    page = (folder / "index.html").read_text()
    kernel = environment["kernel"]
    assert f"A is {kernel}, B is {kernel} mitigations=off." in page
