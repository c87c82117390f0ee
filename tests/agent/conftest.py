# SPDX-License-Identifier: GPL-2.0-only
"""The agent of this machine, for all tests of it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from bench.kernels import places

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def agent() -> Path:
    """The agent, built so that any bad access or undefined operation ends it.

    All workers of pytest-xdist use one build; the first of them makes it, and the others wait.
    """
    if not shutil.which("make") or not (shutil.which("cc") or shutil.which("gcc")):
        pytest.skip("make and a C compiler are needed")
    out = places.build_folder() / "agent-for-tests"
    out.mkdir(parents=True, exist_ok=True)
    command = ["make", "-s", "-C", str(ROOT / "bench" / "agent"), "sanitized", f"OUT={out}"]
    with places.locked(out):
        places.discard_future(out)
        built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return out / "sanitized" / "ringcross_agent"
