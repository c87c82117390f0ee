# SPDX-License-Identifier: GPL-2.0-only
"""Controls and counterparts: every run has them, each once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.plan.cells import Cell
from bench.plan.controls import CONTROLS, controls, counterparts, with_controls
from bench.plan.options import RunOptions
from bench.plan.plans import PLANS, make_cells
from bench.run.campaign import Campaign
from tests.fake_target import LISTING, FakeProvisioner

SYSCALL = {
    "name": "syscall",
    "summary": "stock calls",
    "module": None,
    "needs": [],
    "baseline": True,
    "unsupported_reason": dict.fromkeys(
        ("push", "notify", "stream"), "It contains no code of ours."
    ),
    "modes": [
        {
            "name": cell.mode,
            "summary": "a control",
            "operations": {cell.operation: {"min": cell.size, "max": cell.size, "limit": ""}},
        }
        for cell in CONTROLS
    ],
}
LISTING_WITH_CONTROLS = {**LISTING, "channels": [*LISTING["channels"], SYSCALL]}


class ControlsProvisioner(FakeProvisioner):
    def listing(self) -> dict[str, Any]:
        return LISTING_WITH_CONTROLS


def test_every_run_has_them_whatever_it_was_asked_for(tmp_path: Path) -> None:
    options = RunOptions(
        run_dir=tmp_path / "run", channels=("signal",), operations=("notify",), sizes=(64,)
    )
    with Campaign(options, provisioner=ControlsProvisioner()) as campaign:
        assert set(CONTROLS) < set(campaign.cells)
        campaign.run()
    assert all(campaign.results[cell][0].status == "ok" for cell in CONTROLS)
    assert '"syscall-getppid-call-0"' in (tmp_path / "run/environment.json").read_text()


def test_none_is_measured_twice() -> None:
    cells = with_controls(make_cells(LISTING_WITH_CONTROLS, PLANS["quick"]), LISTING_WITH_CONTROLS)
    assert len(cells) == len(set(cells))


def test_an_agent_without_them_has_none() -> None:
    assert controls(LISTING) == []
    assert with_controls([], LISTING) == []


def _mode(name: str, stock: str = "", **operations: tuple[int, int]) -> dict[str, Any]:
    limits = {
        operation: {"min": low, "max": high, "limit": ""}
        for operation, (low, high) in operations.items()
    }
    return {"name": name, "summary": "", "operations": limits} | (
        {"counterpart": stock} if stock else {}
    )


def test_the_kernels_own_stands_beside_what_names_it() -> None:
    attribute = _mode("attribute", "sysfs", push=(0, 4096), pull=(0, 4096))
    binary = _mode("binary", "binary", pull=(0, 1 << 20))
    group = _mode("group", "multicast", notify=(0, 65536), stream=(0, 65536))
    stock = [
        _mode("sysfs", pull=(0, 0)),
        _mode("binary", pull=(2, 1 << 20)),
        _mode("multicast", call=(0, 0)),
    ]
    listing: dict[str, Any] = {
        "channels": [
            {"name": "sysfs", "modes": [attribute, binary]},
            {"name": "netlink", "modes": [group]},
            {"name": "stock", "modes": stock},
        ]
    }
    cells = [
        Cell("sysfs", "attribute", "push", 8),
        Cell("sysfs", "attribute", "pull", 8),
        Cell("sysfs", "attribute", "pull", 64),
        Cell("sysfs", "binary", "pull", 1),
        Cell("sysfs", "binary", "pull", 4096),
        Cell("sysfs", "binary", "pull", 8, threads=4),
        Cell("netlink", "group", "notify", 8),
        Cell("netlink", "group", "stream", 8),
    ]
    assert counterparts(cells, listing) == [
        Cell("stock", "sysfs", "pull", 0),
        Cell("stock", "binary", "pull", 2),
        Cell("stock", "binary", "pull", 4096),
        Cell("stock", "multicast", "call", 0),
    ]
    assert len(with_controls(cells, listing)) == len(cells) + 4
