# SPDX-License-Identifier: GPL-2.0-only
"""The runner, against a fake target."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import AgentDied, KernelPanic, NeverCameUp, TargetError
from bench.plan.cells import CellResult
from bench.plan.plans import PLANS, make_cells
from bench.run.run_folder import Header, Recorder
from bench.run.runner import MAX_CRASHES, Runner, Settings, is_complete
from bench.targets.kernel_log import complaints, verdict
from tests.fake_target import LISTING, FakeTarget, cost


def setup(
    folder: Path, target: FakeTarget, boots: int = 1, loads: int = 1
) -> tuple[Runner, Recorder]:
    cells = make_cells(LISTING, PLANS["quick"])
    recorder = Recorder.create(folder / "run", Header({}, "instructions", tuple(cells)))
    settings = Settings(PLANS["quick"], "instructions", seed=5, boots=boots, loads=loads)
    return Runner(target, recorder, settings), recorder


def by_status(results: list[CellResult]) -> dict[str, set[str]]:
    names: dict[str, set[str]] = {"ok": set(), "skip": set(), "fail": set()}
    for result in results:
        names[result.status].add(f"{result.cell.channel}-{result.cell.operation}")
    return names


def test_everything_is_measured_once_in_one_boot(tmp_path: Path) -> None:
    target = FakeTarget()
    runner, recorder = setup(tmp_path, target)
    results = list(runner.results())
    assert [result.cell for result in results[-5:]] != sorted(r.cell for r in results[-5:])
    assert {result.cell for result in results} == set(recorder.header.cells)
    assert len(results) == len(recorder.header.cells)
    assert target.seeds == [5]
    assert is_complete(recorder, 1)
    assert not is_complete(recorder, 2)
    assert runner.session_info.overhead == {"read": 2.0, "loop": 3.0}
    assert runner.session_info.floors["8"] == 1.0


def test_a_clock_that_can_tell_no_round_has_no_enough(tmp_path: Path) -> None:
    setup_answer = {"re": "setup", "clock": "time", "read": 20, "loop": 0.3}
    for min_round, expected in ((None, False), (10_000, True)):
        runner, _ = setup(
            tmp_path / str(min_round),
            FakeTarget({"setup": setup_answer | {"min_round": min_round}}),
        )
        list(runner.results())
        assert ("min_round" in runner.session_info.overhead) == expected


def test_requests_are_known_before_the_boot_and_equal_for_equal_seeds(tmp_path: Path) -> None:
    first, second = FakeTarget(), FakeTarget()
    list(setup(tmp_path / "a", first)[0].results())
    list(setup(tmp_path / "b", second)[0].results())
    assert first.sessions[0].requests == second.sessions[0].requests
    assert [r["do"] for r in first.sessions[0].requests[:3]] == ["setup", "read", "floors"]


def test_skips_never_touch_the_target(tmp_path: Path) -> None:
    target = FakeTarget()
    runner, _ = setup(tmp_path, target)
    skips = [r for r in runner.results() if r.status == "skip"]
    assert {"A socket has no pull.", "One skb."} <= {r.reason for r in skips}
    requests = [r for r in target.sessions[0].requests if r["do"] == "cell"]
    assert not any(r["size"] == 2048 and r["operation"] == "call" for r in requests)


def test_each_boot_has_its_seed_and_order(tmp_path: Path) -> None:
    target = FakeTarget()
    runner, recorder = setup(tmp_path, target, boots=3)
    list(runner.results())
    assert target.seeds == [5, 6, 7]
    orders = [[r["id"] for r in s.requests if r["do"] == "cell"] for s in target.sessions]
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])
    assert is_complete(recorder, 3)


def test_each_load_of_a_boot_is_a_request_of_its_own(tmp_path: Path) -> None:
    target = FakeTarget()
    runner, recorder = setup(tmp_path, target, boots=2, loads=3)
    list(runner.results())
    for session in target.sessions:
        ids = [r["id"] for r in session.requests if r["do"] == "cell"]
        assert len(ids) == len(set(ids)) == 3 * 11
    for cell, results in recorder.results.items():
        places = sorted((r.boot, r.load) for r in results)
        assert places == ([(0, 0)] if cell.skip else [(b, n) for b in range(2) for n in range(3)])
    assert is_complete(recorder, 6)


def test_a_cell_that_failed_in_one_load_is_not_counted_again(tmp_path: Path) -> None:
    deed = {"status": "fail", "reason": "It broke."}
    runner, recorder = setup(tmp_path, FakeTarget({"signal-notify": deed}), loads=3)
    list(runner.results())
    signal = [
        r for cell, r in recorder.results.items() if cell.channel == "signal" and not cell.skip
    ]
    assert [[(r.load, r.status) for r in results] for results in signal] == [[(0, "fail")]]


def test_a_machine_that_dies_in_a_later_load_fails_that_cell(tmp_path: Path) -> None:
    target = FakeTarget()
    runner, recorder = setup(tmp_path, target, loads=2)
    last = runner.requests(runner.remaining(0))[-1]["id"]
    target.deeds = [{f"id {last}": KernelPanic("The kernel crashed: BUG")}]
    list(runner.results())
    cell = recorder.header.cells[last % len(recorder.header.cells)]
    assert [(r.load, r.status) for r in recorder.results[cell]] == [(0, "ok"), (1, "fail")]


def test_a_panic_fails_its_cell_and_the_rest_goes_on(tmp_path: Path) -> None:
    target = FakeTarget([{"signal-notify": KernelPanic("The kernel crashed: BUG", cell_id=0)}])
    runner, recorder = setup(tmp_path, target)
    results = list(runner.results())
    assert by_status(results)["fail"] == {"signal-notify"}
    assert [r.reason for r in results if r.status == "fail"] == ["The kernel crashed: BUG"]
    assert len(target.sessions) == 2
    assert all(session.closed for session in target.sessions)
    channels = {r.get("channel") for r in target.sessions[1].requests}
    assert "signal" not in channels
    assert is_complete(recorder, 1)


def test_too_many_crashes_in_a_row_give_up(tmp_path: Path) -> None:
    dead = {f"{c}-{o}": AgentDied("died") for c in ("null", "netlink", "signal")
            for o in ("push", "pull", "call", "notify", "stream")}  # fmt: skip
    runner, recorder = setup(tmp_path, FakeTarget(dead))
    with pytest.raises(TargetError, match=f"died {MAX_CRASHES} times in a row"):
        list(runner.results())
    failed = [c for c, r in recorder.results.items() if r[0].status == "fail"]
    assert len(failed) == MAX_CRASHES


@pytest.mark.parametrize("error", [NeverCameUp("It did not come up."), AgentDied("gone")])
def test_a_machine_that_never_measures_is_a_target_error(tmp_path: Path, error: Exception) -> None:
    target = FakeTarget({"boot": error})
    runner, _ = setup(tmp_path, target)
    with pytest.raises(TargetError):
        list(runner.results())
    assert len(target.sessions) == 1


def test_what_the_agent_passes_over_fails_with_its_reason(tmp_path: Path) -> None:
    runner, _ = setup(tmp_path, FakeTarget({"netlink-push": "ignore"}))
    failed = [r for r in runner.results() if r.status == "fail"]
    assert {r.reason for r in failed} == {"The agent refused a request: what?"}


def test_a_bad_kernel_log_fails_the_cell(tmp_path: Path) -> None:
    log = ["<4>[ 1.0] WARNING: CPU: 0 PID: 1 at foo.c:3"]
    runner, _ = setup(tmp_path, FakeTarget({"netlink-push": {"log": log}}))
    failed = [r for r in runner.results() if r.status == "fail"]
    assert {r.cell.operation for r in failed} == {"push"}
    assert failed[0].reason == "The kernel logged: WARNING: CPU: 0 PID: 1 at foo.c:3"
    assert failed[0].log == tuple(log)


def test_agents_own_skip_is_kept_and_not_tried_again(tmp_path: Path) -> None:
    deed = {"status": "skip", "reason": "no configfs here"}
    target = FakeTarget({"signal-notify": deed})
    runner, recorder = setup(tmp_path, target, boots=2)
    list(runner.results())
    signal = [r for c, r in recorder.results.items() if c.channel == "signal" and not c.skip]
    assert [(len(r), r[0].status, r[0].reason) for r in signal] == [(1, "skip", "no configfs here")]


def test_a_stream_whose_messages_are_unaccounted_for_fails(tmp_path: Path) -> None:
    deed = {"delivered": [0] * 11}
    runner, _ = setup(tmp_path, FakeTarget({"netlink-stream": deed}))
    assert "netlink-stream" in by_status(list(runner.results()))["fail"]


def test_a_stream_that_loses_everything_has_no_cost_and_says_so(tmp_path: Path) -> None:
    """On a busy machine with two CPUs a queue that empties itself may lose each round."""
    deed = {"delivered": [0] * 11, "emitted": [32] * 11, "lost": [32] * 11}
    runner, _ = setup(tmp_path, FakeTarget({"netlink-stream": deed}))
    results = [r for r in runner.results() if r.cell.operation == "stream"]
    results = [r for r in results if r.cell.channel == "netlink" and not r.cell.skip]
    assert {r.status for r in results} == {"skip"}
    assert results[0].reason.startswith("The channel lost all 352 messages of 11 timed rounds")


def test_figures_are_those_of_the_fake_world(tmp_path: Path) -> None:
    target = FakeTarget()
    runner, recorder = setup(tmp_path, target)
    list(runner.results())
    from bench.run.estimates import summarise

    for request in target.sessions[0].requests[3:]:
        cell = recorder.header.cells[request["id"]]
        summary = summarise(recorder.results[cell], "instructions")
        assert summary.min == pytest.approx(cost(request))
        assert summary.median == pytest.approx(cost(request) + 1)


@pytest.mark.parametrize(
    "line",
    [
        "<4>[    1.5] WARNING: CPU: 0 PID: 1 at kernel/foo.c:12 bar+0x1/0x2",
        "<1>[    1.5] BUG: kernel NULL pointer dereference, address: 0000000000000008",
        "[    1.5] Oops: 0000 [#1] PREEMPT SMP",
        "watchdog: BUG: soft lockup - CPU#0 stuck for 22s!",
        "INFO: task ringcross_agent:1 blocked for more than 120 seconds.",
        "<4>[ 2.0] Call Trace:",
        "BUG kmalloc-64 (Tainted: G           OE     ): Right Redzone overwritten",
        "kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
        "Kernel panic - not syncing: Attempted to kill init!",
    ],
)
def test_bad_lines_are_found(line: str) -> None:
    assert len(complaints([line])) == 1
    assert verdict(["fine", line]).startswith("The kernel logged: ")
    assert "<" not in verdict([line])[:22]


@pytest.mark.parametrize(
    "line",
    [
        "<6>[    1.5] ringcross_netlink: loaded",
        "ringcross_core: loading out-of-tree module taints kernel.",
        "ringcross_core: module verification failed: signature and/or required key missing",
        "MDS: Vulnerable: Clear CPU buffers attempted, no microcode",
        "debugging is off",
        "Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on",
    ],
)
def test_harmless_lines_are_not(line: str) -> None:
    assert complaints([line]) == []
    assert verdict([line]) == ""
