# SPDX-License-Identifier: GPL-2.0-only
"""Results that are known before the boot: cells whose kernel half was not built."""

from __future__ import annotations

from pathlib import Path

from bench.kernels.build import CORE, ModuleBuild
from bench.plan.factors import Factors
from bench.plan.plans import find_plan, make_cells
from bench.targets import decided
from tests.fake_target import LISTING

CELLS = make_cells(LISTING, find_plan("quick"))
CHANNELS = LISTING["channels"]


def built(**failures: str) -> ModuleBuild:
    return ModuleBuild(Path("ko"), failures)


def test_cells_of_one_module_are_skipped_with_its_error() -> None:
    failures = built(ringcross_netlink="netlink/kernel.c:1:2: error: x")
    results = decided.not_built(CELLS, CHANNELS, failures, "7.9")
    assert set(results) == {c for c in CELLS if c.channel == "netlink" and not c.skip}
    assert {(r.status, r.reason) for r in results.values()} == {
        (
            "skip",
            "ringcross_netlink does not build for kernel 7.9: netlink/kernel.c:1:2: error: x",
        )
    }
    (note,) = decided.notes(results.values())
    assert note.startswith(f"{len(results)} cells of netlink are not measured. ringcross_netlink ")


def test_without_the_core_all_cells_of_modules_fail() -> None:
    results = decided.not_built(
        CELLS, CHANNELS, built(**{CORE: "core/file.c:1:2: error: y"}), "7.9"
    )
    assert set(results) == {cell for cell in CELLS if not cell.skip}
    assert {(r.status, r.reason) for r in results.values()} == {
        ("fail", "ringcross_core does not build for kernel 7.9: core/file.c:1:2: error: y")
    }
    assert decided.notes(results.values()) == ()


def test_a_cell_without_a_module_is_measured() -> None:
    plain = [{**channel, "module": None} for channel in CHANNELS]
    assert not decided.not_built(CELLS, plain, built(**{CORE: "error"}), "7.9")


RT = "CONFIG_PREEMPT_RT=y\nCONFIG_HZ=250\n"


def test_hard_interrupts_of_a_realtime_kernel_are_decided_without_a_boot() -> None:
    contexts = Factors(contexts=("process", "softirq", "hardirq"))
    cells = make_cells(LISTING, find_plan("quick"), factors=contexts, operations=("notify",))
    results = decided.barred_by_rt(cells, CHANNELS, RT)
    hard = {cell for cell in cells if cell.context == "hardirq" and not cell.skip}
    assert hard
    assert set(results) == hard
    assert {result.reason for result in results.values()} == {decided.BARRED_BY_RT}
    able = [{**channel, "rt_hardirq": channel["name"] == "netlink"} for channel in CHANNELS]
    others = {cell for cell in hard if cell.channel != "netlink"}
    assert set(decided.barred_by_rt(cells, able, RT)) == others
    assert not decided.barred_by_rt(cells, CHANNELS, "# CONFIG_PREEMPT_RT is not set\n")
    assert not decided.barred_by_rt(cells, CHANNELS, "")
