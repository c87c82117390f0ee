# SPDX-License-Identifier: GPL-2.0-only
"""The agent of this machine, for all tests of it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The agent, built so that any bad access or undefined operation ends it."""
    if not shutil.which("make") or not (shutil.which("cc") or shutil.which("gcc")):
        pytest.skip("make and a C compiler are needed")
    out = tmp_path_factory.mktemp("agent")
    command = ["make", "-s", "-C", str(ROOT / "bench" / "agent"), "sanitized", f"OUT={out}"]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return out / "sanitized" / "ringcross_agent"
