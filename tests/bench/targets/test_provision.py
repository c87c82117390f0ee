# SPDX-License-Identifier: GPL-2.0-only
"""Options that exclude each other are reported before anything is built or booted."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import TargetError, UsageError
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


def test_an_agent_on_a_file_system_without_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mounted noexec, every file there is like one without permission to run it."""
    agent = tmp_path / "ringcross_agent"
    agent.write_bytes(b"\x7fELF")
    agent.chmod(0o644)
    monkeypatch.setattr(Provisioner, "_agent", lambda _: agent)
    with pytest.raises(TargetError, match=r"cannot be run.*not mounted noexec"):
        Provisioner().listing()


def test_placements_of_this_machine_come_from_the_agent(tmp_path: Path) -> None:
    agent = tmp_path / "ringcross_agent"
    agent.write_text(
        '#!/bin/sh\necho \'{"placements": {"same-cpu": [1, 1], "smt-sibling": [1, 0]}}\'\n'
    )
    agent.chmod(0o755)
    provisioner = Provisioner(prebuilt=tmp_path)
    assert provisioner.placements(RunOptions(target="local")) == ("same-cpu", "smt-sibling")
    vm = RunOptions(target="vm", clock="instructions")
    assert provisioner.placements(vm) == ("same-cpu",)
    vm = RunOptions(target="vm", clock="time", cpus=2, force_time=True)
    assert provisioner.placements(vm) == ("same-cpu", "same-llc")
