"""X-rays from a recorded session of a booted kernel, and from sessions that go wrong."""

from __future__ import annotations

import copy
import json
import lzma
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.errors import KernelPanic, NeverCameUp
from bench.explore import cost_classes, xray
from bench.explore.xray import CALIBRATION, Xray, Xrays
from bench.plan.cells import Cell
from tests.fake_target import LISTING, FakeSession, FakeTarget

PROCFS = Cell("procfs", "pread", "pull", 8)
IOCTL = Cell("ioctl", "direct", "notify", 8)
SYSFS = Cell("sysfs", "notify", "notify", 0)
CELLS = (PROCFS, IOCTL, SYSFS)

Answer = dict[str, Any]


@cache
def recorded() -> list[Answer]:
    """The answers of a boot of Debian's 6.1 that was asked ``requests(CELLS)``."""
    text = lzma.decompress(Path(__file__).with_name("recorded_xray.json.xz").read_bytes())
    answers: list[Answer] = json.loads(text)
    for answer in answers:
        if "pages" in answer:
            answer["samples"] = np.frombuffer(bytes.fromhex(answer.pop("pages")), dtype="<u8")
    return answers


class Replay(FakeSession):
    """Tells what was recorded, changed as the test wants it."""

    told: Sequence[Answer | BaseException] = ()

    def __enter__(self) -> Replay:
        return self

    def answers(self) -> Iterator[Answer]:
        for answer in self.told:
            if isinstance(answer, BaseException):
                raise answer
            yield answer


class ReplayTarget(FakeTarget):
    def __init__(self, told: Sequence[Answer | BaseException]) -> None:
        super().__init__()
        self.told = told

    def start(self, requests: Sequence[Answer], *, seed: int) -> Replay:
        session = Replay(requests, {})
        session.told = self.told
        return session


def take(told: Sequence[Answer | BaseException]) -> Xrays:
    return xray.take(ReplayTarget(told), CELLS, "instructions")


def changed(number: int, traced: bool, **fields: Any) -> list[Answer]:
    """The recording with one answer changed."""
    answers = [copy.copy(answer) for answer in recorded()]
    (one,) = (
        a for a in answers if a["re"] == "xray" and (a["id"], a["traced"]) == (number, traced)
    )
    one |= fields
    return answers


@pytest.fixture(scope="module")
def xrays() -> Xrays:
    return take(recorded())


def of(xrays: Xrays, cell: Cell) -> Xray:
    return next(one for one in xrays.operations if one.cell == cell)


# ---- what the recording shows ---------------------------------------------------


def test_trees_add_up_to_the_untraced_cost(xrays: Xrays) -> None:
    assert [one.status for one in xrays.operations] == ["ok"] * 3
    assert [one.unmatched for one in xrays.operations] == [0] * 3
    assert of(xrays, PROCFS).error == pytest.approx(0, abs=0.01)
    assert of(xrays, IOCTL).error == pytest.approx(0, abs=0.03)


def test_a_tree_that_went_another_way_says_so(xrays: Xrays) -> None:
    """Reader and worker were woken together; without the tracer the reader ran first."""
    assert not of(xrays, SYSFS).agrees
    assert [one["agrees"] for one in xrays.to_json()["operations"]] == [True, True, False]


def test_the_tracers_cost_is_what_it_was_by_hand(xrays: Xrays) -> None:
    """About 670 instructions before and behind each call, says METHOD; here a little less."""
    tracer = xrays.tracer
    assert tracer is not None
    assert 1200 < tracer.call < 1340
    assert 100 < tracer.page < 300
    assert all(100 < cost < 670 for name, cost in vars(tracer).items() if name != "page")


def test_the_path_of_a_pull(xrays: Xrays) -> None:
    tree = of(xrays, PROCFS).tree
    assert tree is not None
    assert tree.name == "operation"
    handler = tree.find("x64_sys_call", "vfs_read", "proc_reg_read", "rcx_file_pull")
    assert handler is not None
    assert handler.module == "ringcross_core"
    assert all(node.own > -15 for node in tree.walk()), "the correction takes off no more than is"


def test_an_event_shows_both_sides(xrays: Xrays) -> None:
    """The interrupt on the idle task that raises it, and the reader's way back."""
    tree = of(xrays, IOCTL).tree
    assert tree is not None
    assert [task.name for task in tree.children] == ["task:idle", "task:process"]
    idle, process = tree.children
    assert idle.find("handle_softirqs", "ioctl_emit", "try_to_wake_up") is not None
    assert idle.find("schedule_idle") is not None
    assert process.find("__x64_sys_ioctl", "rcx_reader_next", "finish_task_switch.isra.0")
    assert process.find("exit_to_user_mode_prepare") is not None


def test_a_worker_in_between_has_its_name(xrays: Xrays) -> None:
    tree = of(xrays, SYSFS).tree
    assert tree is not None
    names = [task.name for task in tree.children]
    assert names == ["task:idle", "task:kworker/0:1", "task:process"]
    assert tree.find("task:kworker/0:1", "kernfs_notify_workfn") is not None


def test_no_dear_function_is_without_a_class(xrays: Xrays) -> None:
    for one in xrays.operations:
        assert one.tree is not None
        for node in one.tree.walk():
            assert node.own <= 0.05 * one.corrected or cost_classes.named(node), node.name


def test_what_is_kept(xrays: Xrays) -> None:
    kept = json.loads(json.dumps(xrays.to_json()))
    assert (kept["version"], kept["clock"], kept["unit"]) == (1, "instructions", "instructions")
    assert list(kept["classes"]) == list(cost_classes.TITLES)
    for one in kept["operations"]:
        tree = one["tree"]
        assert tree["total"] == one["corrected"]
        assert sum(one["classes"].values()) == pytest.approx(one["corrected"], abs=1)
        stack = [tree]
        while stack:
            node = stack.pop()
            below = node.get("children", [])
            parts = node["self"] + sum(child["total"] for child in below)
            assert node["total"] == pytest.approx(parts, abs=0.1 * (1 + len(below)))
            stack += below


def test_functions_by_their_own_cost(xrays: Xrays) -> None:
    one = of(xrays, PROCFS)
    assert one.tree is not None
    rows = xray.by_own_cost(one.tree)
    assert sum(row.own for row in rows) == pytest.approx(one.corrected)
    assert [row.own for row in rows] == sorted((row.own for row in rows), reverse=True)
    assert rows[0].name == "operation"
    assert len({(row.name, row.module) for row in rows}) == len(rows)
    assert sum(row.calls for row in rows) == one.calls + 1, "and the operation itself"


def test_by_a_clock_that_varies_the_tracer_is_fitted() -> None:
    told = [a | {"clock": "time"} if a["re"] == "setup" else a for a in recorded()]
    found = take(told)
    assert found.fitted
    assert of(found, PROCFS).error == pytest.approx(0, abs=1e-3)
    assert all(abs(one.error) < 0.15 for one in found.operations), (
        "the tracer's own probes left out"
    )
    assert not take(recorded()).fitted


# ---- what may go wrong ----------------------------------------------------------


def reason(xrays: Xrays, cell: Cell = PROCFS) -> str:
    one = of(xrays, cell)
    assert one.status != "ok"
    assert one.tree is None
    return one.reason


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"dropped": 3}, "too small: it lost 3 events"),
        ({"names": "vfs_read\n"}, "named 1 of them"),
        ({"samples": np.zeros(100, "<u8")}, "no whole pages"),
        ({"samples": np.zeros(0, "<u8"), "names": ""}, "recorded nothing"),
        ({"start": 1 << 60, "end": 1 << 61}, "recorded nothing"),
        ({"status": "fail", "reason": "It broke."}, "It broke."),
        ({"log": ["BUG: it oopsed"]}, "The kernel logged: BUG: it oopsed"),
    ],
)
def test_a_trace_that_is_not_whole_fails_its_operation_alone(
    fields: dict[str, Any], why: str
) -> None:
    found = take(changed(1, traced=True, **fields))
    assert why in reason(found)
    assert [one.status for one in found.operations[1:]] == ["ok", "ok"]


def test_a_page_that_lost_events() -> None:
    pages = np.array(next(a for a in recorded() if a.get("id") == 1 and a.get("traced"))["samples"])
    pages[1] |= np.uint64(1 << 31)
    assert "lost events" in reason(take(changed(1, traced=True, samples=pages)))


def test_a_tree_of_less_than_nothing_fails() -> None:
    end = next(a for a in recorded() if a.get("id") == 1 and a.get("traced"))["start"] + 20_000
    found = take(changed(1, traced=True, end=end, overhead=5000.0))
    assert reason(found) == "The tracer's cost varies more than the operation costs."


def test_no_untraced_figure_no_tree() -> None:
    found = take(changed(1, traced=False, status="skip", reason="Not here."))
    assert of(found, PROCFS).status == "skip"
    assert reason(found) == "Not here."


def test_without_the_calibration_there_is_nothing() -> None:
    told = changed(0, traced=True, status="fail", reason="cannot start the tracer")
    found = take(told)
    assert {one.reason for one in found.operations} == {"cannot start the tracer"}
    assert found.to_json()["tracer"] is None


def test_a_kernel_without_formats() -> None:
    told = [a | {"files": {}} if a["re"] == "read" else a for a in recorded()]
    assert "does not say what its trace means" in reason(take(told))


def test_a_machine_that_dies_leaves_what_it_has_told() -> None:
    cut = next(n for n, a in enumerate(recorded()) if a.get("id") == 2 and a.get("traced"))
    found = take([*recorded()[:cut], KernelPanic("The kernel crashed in cell 2.")])
    assert of(found, PROCFS).status == "ok"
    assert reason(found, IOCTL) == "The kernel crashed in cell 2."


def test_a_machine_that_never_came_up() -> None:
    with pytest.raises(NeverCameUp):
        take([NeverCameUp("It did not come up.")])


def test_an_agent_that_passes_over_a_request() -> None:
    told = [a for a in recorded() if not (a["re"] == "xray" and a["id"] == 2 and a["traced"])]
    assert "without an answer" in reason(take(told), IOCTL)
    told.insert(3, {"re": "error", "reason": "what?"})
    assert "refused a request: what?" in reason(take(told), IOCTL)


# ---- what is asked for ----------------------------------------------------------


def names(cells: list[Cell]) -> list[str]:
    return [cell.name for cell in cells]


def test_all_operations_but_streams_at_the_smallest_size() -> None:
    cells = xray.choose(LISTING["channels"])
    assert names(cells) == [
        *("null-ioctl-push-0", "null-ioctl-pull-0", "null-ioctl-call-0"),
        *("netlink-unicast-push-8", "netlink-unicast-call-8"),
        *("netlink-unicast-notify-8", "netlink-multicast-notify-8"),
        "signal-realtime-notify-4",
    ]


def test_choices() -> None:
    channels = LISTING["channels"]
    assert names(xray.choose(channels, operations=["call"], size=65536)) == [
        "null-ioctl-call-0",
        "netlink-unicast-call-32768",
    ]
    assert names(xray.choose(channels, mode="multicast")) == ["netlink-multicast-notify-8"]
    assert xray.choose(channels, operations=["stream"]) == []


def test_the_untraced_come_first_and_the_calibration_before_each() -> None:
    asked = [one for one in xray.requests([PROCFS, IOCTL]) if one["do"] == "xray"]
    assert [(one["id"], one["traced"]) for one in asked] == [
        *((0, False), (1, False), (2, False)),
        *((0, True), (1, True), (2, True)),
    ]
    assert [one["channel"] for one in asked[:3]] == [CALIBRATION.channel, "procfs", "ioctl"]
    assert asked[0]["repeat"] > 1
    assert asked[1]["repeat"] == 1
