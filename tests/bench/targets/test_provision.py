# SPDX-License-Identifier: GPL-2.0-only
"""Options that exclude each other are reported before anything is built or booted."""

from __future__ import annotations

import pytest

from bench.errors import UsageError
from bench.plan.options import RunOptions
from bench.targets.provision import Provisioner
from tests.fake_target import LISTING


def test_this_kernel_has_been_booted_already() -> None:
    options = RunOptions(target="local", append=("mitigations=off",))
    with pytest.raises(UsageError, match="already booted: leave it out"):
        Provisioner().prepare(options, LISTING, [])


def test_the_local_target_counts_no_instructions() -> None:
    with pytest.raises(UsageError, match="has only the time clock"):
        Provisioner().prepare(RunOptions(target="local", clock="instructions"), LISTING, [])
