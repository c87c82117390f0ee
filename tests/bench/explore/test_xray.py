# SPDX-License-Identifier: GPL-2.0-only
"""X-rays from the recorded session of a booted kernel, and from failed sessions."""

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
from bench.explore.call_tree import by_own_cost
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
    """The answers of a boot of Debian's 6.1 to ``requests(CELLS)``."""
    text = lzma.decompress(Path(__file__).with_name("recorded_xray.json.xz").read_bytes())
    answers: list[Answer] = json.loads(text)
    for answer in answers:
        if "pages" in answer:
            answer["samples"] = np.frombuffer(bytes.fromhex(answer.pop("pages")), dtype="<u8")
    return answers


class Replay(FakeSession):
    """A session with recorded answers, changed by the test; an exception is raised."""

    recording: Sequence[Answer | BaseException] = ()

    def __enter__(self) -> Replay:
        return self

    def answers(self) -> Iterator[Answer]:
        for answer in self.recording:
            if isinstance(answer, BaseException):
                raise answer
            yield answer


class ReplayTarget(FakeTarget):
    def __init__(self, recording: Sequence[Answer | BaseException]) -> None:
        super().__init__()
        self.recording = recording

    def start(self, requests: Sequence[Answer], *, seed: int) -> Replay:
        session = Replay(requests, {})
        session.recording = self.recording
        return session


def take(recording: Sequence[Answer | BaseException]) -> Xrays:
    return xray.take(ReplayTarget(recording), CELLS, "instructions")


def changed(number: int, traced: bool, **fields: Any) -> list[Answer]:
    """The recording, with other ``fields`` in the answer to one request."""
    answers = [copy.copy(answer) for answer in recorded()]
    (answer,) = (
        a for a in answers if a["re"] == "xray" and (a["id"], a["traced"]) == (number, traced)
    )
    answer |= fields
    return answers


@pytest.fixture(scope="module")
def xrays() -> Xrays:
    return take(recorded())


def of(xrays: Xrays, cell: Cell) -> Xray:
    return next(one for one in xrays.operations if one.cell == cell)


# ---- the recording --------------------------------------------------------------


def test_trees_add_up_to_the_untraced_cost(xrays: Xrays) -> None:
    assert [one.status for one in xrays.operations] == ["ok"] * 3
    assert [one.unmatched for one in xrays.operations] == [0] * 3
    assert of(xrays, PROCFS).error == pytest.approx(0, abs=0.01)
    assert of(xrays, IOCTL).error == pytest.approx(0, abs=0.03)


def test_a_tree_that_went_another_way_says_so(xrays: Xrays) -> None:
    """Reader and worker were woken together; without the tracer, the reader ran first."""
    assert not of(xrays, SYSFS).agrees
    assert [one["agrees"] for one in xrays.to_json()["operations"]] == [True, True, False]


def test_the_tracers_cost_is_what_it_was_by_hand(xrays: Xrays) -> None:
    """METHOD gives about 670 instructions before and after each call; here it is a little less."""
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
    assert all(node.own > -15 for node in tree.walk()), (
        "the correction subtracts no more than was measured"
    )


def test_an_event_shows_both_sides(xrays: Xrays) -> None:
    """The interrupt on the idle task that emits the event, and the return path of the reader."""
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
            assert node.own <= 0.05 * one.corrected or cost_classes.own_class(node), node.name


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
    pull = of(xrays, PROCFS)
    assert pull.tree is not None
    rows = by_own_cost(pull.tree)
    assert sum(row.own for row in rows) == pytest.approx(pull.corrected)
    assert [row.own for row in rows] == sorted((row.own for row in rows), reverse=True)
    assert rows[0].name == "operation"
    assert len({(row.name, row.module) for row in rows}) == len(rows)
    assert sum(row.calls for row in rows) == pull.calls + 1, "the operation itself is one more"


def test_by_a_clock_that_varies_the_tracer_is_fitted() -> None:
    recording = [a | {"clock": "time"} if a["re"] == "setup" else a for a in recorded()]
    xrays = take(recording)
    assert xrays.fitted
    assert of(xrays, PROCFS).error == pytest.approx(0, abs=1e-3)
    assert all(abs(one.error) < 0.15 for one in xrays.operations), (
        "the functions that only run for the tracer are left out"
    )
    assert not take(recorded()).fitted


# ---- failures -------------------------------------------------------------------


def reason(xrays: Xrays, cell: Cell = PROCFS) -> str:
    failed = of(xrays, cell)
    assert failed.status != "ok"
    assert failed.tree is None
    return failed.reason


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"dropped": 3}, "lost 3 events because its buffer"),
        ({"names": "vfs_read\n"}, "but 1 names"),
        ({"samples": np.zeros(100, "<u8")}, "not a multiple of 4096"),
        ({"samples": np.zeros(0, "<u8"), "names": ""}, "recorded no event"),
        ({"start": 1 << 60, "end": 1 << 61}, "recorded no event"),
        ({"status": "fail", "reason": "It broke."}, "It broke."),
        ({"log": ["BUG: it oopsed"]}, "The kernel logged: BUG: it oopsed"),
    ],
)
def test_a_trace_that_is_not_whole_fails_its_operation_alone(
    fields: dict[str, Any], expected: str
) -> None:
    xrays = take(changed(1, traced=True, **fields))
    assert expected in reason(xrays)
    assert [one.status for one in xrays.operations[1:]] == ["ok", "ok"]


def test_a_page_that_lost_events() -> None:
    pages = np.array(next(a for a in recorded() if a.get("id") == 1 and a.get("traced"))["samples"])
    pages[1] |= np.uint64(1 << 31)
    assert "lost events" in reason(take(changed(1, traced=True, samples=pages)))


def test_a_tree_of_less_than_nothing_fails() -> None:
    end = next(a for a in recorded() if a.get("id") == 1 and a.get("traced"))["start"] + 20_000
    xrays = take(changed(1, traced=True, end=end, overhead=5000.0))
    assert reason(xrays) == "The cost of the tracer varies by more than the operation costs."


def test_no_untraced_figure_no_tree() -> None:
    xrays = take(changed(1, traced=False, status="skip", reason="Not here."))
    assert of(xrays, PROCFS).status == "skip"
    assert reason(xrays) == "Not here."


def test_without_the_calibration_there_is_nothing() -> None:
    recording = changed(0, traced=True, status="fail", reason="cannot start the tracer")
    xrays = take(recording)
    assert {one.reason for one in xrays.operations} == {"cannot start the tracer"}
    assert xrays.to_json()["tracer"] is None


def test_a_kernel_without_formats() -> None:
    recording = [a | {"files": {}} if a["re"] == "read" else a for a in recorded()]
    assert "The format of trace events cannot be read" in reason(take(recording))


def test_a_machine_that_dies_leaves_what_it_has_told() -> None:
    cut = next(n for n, a in enumerate(recorded()) if a.get("id") == 2 and a.get("traced"))
    xrays = take([*recorded()[:cut], KernelPanic("The kernel crashed in cell 2.")])
    assert of(xrays, PROCFS).status == "ok"
    assert reason(xrays, IOCTL) == "The kernel crashed in cell 2."


def test_a_machine_that_never_came_up() -> None:
    with pytest.raises(NeverCameUp):
        take([NeverCameUp("It did not come up.")])


def test_an_agent_that_passes_over_a_request() -> None:
    recording = [a for a in recorded() if not (a["re"] == "xray" and a["id"] == 2 and a["traced"])]
    assert "without an answer" in reason(take(recording), IOCTL)
    recording.insert(3, {"re": "error", "reason": "what?"})
    assert "refused a request: what?" in reason(take(recording), IOCTL)


# ---- requests -------------------------------------------------------------------


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
        "netlink-unicast-call-1024",
    ]
    assert names(xray.choose(channels, mode="multicast")) == ["netlink-multicast-notify-8"]
    assert xray.choose(channels, operations=["stream"]) == []


def test_the_untraced_come_first_and_the_calibration_before_each() -> None:
    requests = [r for r in xray.requests([PROCFS, IOCTL]) if r["do"] == "xray"]
    assert [(r["id"], r["traced"]) for r in requests] == [
        *((0, False), (1, False), (2, False)),
        *((0, True), (1, True), (2, True)),
    ]
    assert [r["channel"] for r in requests[:3]] == [CALIBRATION.channel, "procfs", "ioctl"]
    assert requests[0]["repeat"] > 1
    assert requests[1]["repeat"] == 1
