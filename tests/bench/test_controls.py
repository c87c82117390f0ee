"""Controls are in each run, once."""

from __future__ import annotations

from pathlib import Path

from bench.campaign import Campaign
from bench.controls import CONTROLS, controls, with_controls
from bench.options import RunOptions
from bench.plan import PLANS, make_cells
from tests.fake_target import LISTING, FakeWorkshop

SYSCALL = {
    "name": "syscall",
    "summary": "stock calls",
    "module": None,
    "needs": [],
    "baseline": True,
    "cannot": dict.fromkeys(("push", "notify", "stream"), "Nothing of ours is there."),
    "modes": [
        {
            "name": cell.mode,
            "summary": "a control",
            "operations": {cell.operation: {"min": cell.size, "max": cell.size, "limit": ""}},
        }
        for cell in CONTROLS
    ],
}
WITH = {**LISTING, "channels": [*LISTING["channels"], SYSCALL]}


class Controlled(FakeWorkshop):
    def listing(self) -> dict[str, object]:
        return WITH


def test_every_run_has_them_whatever_it_was_asked_for(tmp_path: Path) -> None:
    options = RunOptions(
        run_dir=tmp_path / "run", channels=("signal",), operations=("notify",), sizes=(64,)
    )
    with Campaign(options, workshop=Controlled()) as campaign:
        assert set(CONTROLS) < set(campaign.cells)
        campaign.run()
    assert all(campaign.results[cell][0].status == "ok" for cell in CONTROLS)
    assert '"syscall-getppid-call-0"' in (tmp_path / "run/environment.json").read_text()


def test_none_is_measured_twice() -> None:
    cells = with_controls(make_cells(WITH, PLANS["quick"]), WITH)
    assert len(cells) == len(set(cells))


def test_an_agent_without_them_has_none() -> None:
    assert controls(LISTING) == []
    assert with_controls([], LISTING) == []
