# SPDX-License-Identifier: GPL-2.0-only
"""The time limit of a machine, without a machine."""

from __future__ import annotations

import subprocess

import pytest

from tests.vm import limited


def test_a_program_that_ends_in_time() -> None:
    limited.run(["true"], seconds=60)
    with pytest.raises(subprocess.CalledProcessError):
        limited.run(["false"], seconds=60)


def test_a_program_that_does_not() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        limited.run(["sleep", "600"], seconds=1)
