# SPDX-License-Identifier: GPL-2.0-only
"""Requests for dumps, without a kernel under test."""

from __future__ import annotations

import json
from pathlib import Path

from tests.agent.test_agent import PIPE, SETUP, run, talk


def test_every_dump_declares_its_table(agent: Path) -> None:
    for channel in json.loads(run(agent, "--list").stdout)["channels"]:
        for mode in channel["modes"]:
            for name, limits in mode["operations"].items():
                assert ("records" in limits) == (name == "dump"), mode["name"]
                if name == "dump":
                    assert (limits["min"], limits["max"]) == (64, 64)
                    assert 1 <= limits["records"] <= 65536
                    assert limits["limit"].endswith(".")


def test_only_a_dump_has_records(agent: Path) -> None:
    cells = talk(agent, SETUP, PIPE | {"records": 4}, PIPE | {"records": 0}).cells()
    assert (cells[0]["status"], cells[0]["reason"]) == ("skip", "Only a dump has records.")
    assert cells[1]["status"] == "ok"
