# SPDX-License-Identifier: GPL-2.0-only
"""The table of the machine: which CPUs the measured kernel had."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reports.data.run import load_run
from reports.pages import view


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (
            {"session": {"cpus": 4, "topology": "sockets=1,cores=4,threads=1"}},
            "4, which the guest sees as sockets 1, cores 4, threads 1. They are threads of QEMU, "
            "which the host's scheduler places.",
        ),
        ({"session": {"cpus": 1, "topology": ""}, "cpus": "0"}, "0"),
        ({"target": "local", "cpus": "0-15"}, "0-15"),
        ({}, "not recorded"),
    ],
)
def test_cpus_of_a_timed_run(build_run: Any, values: dict[str, Any], text: str) -> None:
    path: Path = build_run(clock="time", samples=False, channels=("ioctl",))
    file = path / "environment.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))
    facts = {fact.name: fact.value for fact in view.machine(load_run(path))}
    assert facts["CPUs"] == text


def test_counted_runs_have_one(build_run: Any) -> None:
    path: Path = build_run(clock="instructions", samples=False, channels=("ioctl",))
    assert "CPUs" not in {fact.name for fact in view.machine(load_run(path))}
