# SPDX-License-Identifier: GPL-2.0-only
"""X-rays in the report: sums of bars, positions of boxes, reasons for missing x-rays."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reports.data import call_trees
from reports.data.run import DamagedRun, Run, load_run
from reports.pages import render, xray
from tests.reports.pages.test_render import check

Build = Callable[..., Path]
Json = dict[str, Any]

KINDS = {"entry": "entry and exit", "vfs": "VFS and security", "channel": "its own code"}


def node(name: str, kind: str, own: float, *below: Json, module: str = "", calls: int = 1) -> Json:
    total = own + sum(one["total"] for one in below)
    fields = {"name": name, "module": module, "class": kind, "calls": calls}
    return fields | {"total": total, "self": own, "children": list(below)}


def tree(scale: float = 1.0, task: str = "operation") -> Json:
    handler = node("<handler>", "channel", 300 * scale, module="ringcross_ioctl")
    lock = node("mutex_lock", "vfs", 2 * scale)
    vfs = node("vfs_read", "vfs", 500 * scale, handler, lock, calls=2)
    return node(task, "entry", 198 * scale, vfs)


def operation(channel: str, mode: str, name: str, of: Json, **fields: Any) -> Json:
    sums = dict.fromkeys(KINDS, 0.0)
    stack = [of]
    while stack:
        one = stack.pop()
        sums[one["class"]] += one["self"]
        stack += one["children"]
    return {
        **{"channel": channel, "mode": mode, "operation": name, "size": 8},
        **{"status": "ok", "reason": "", "untraced": 990.0, "traced": 9000.0, "calls": 4},
        **{"corrected": of["total"], "agrees": True, "unmatched": 0, "classes": sums, "tree": of},
    } | fields


def event() -> Json:
    sides = (tree(task="task:idle"), tree(task="task:kworker/0:1"), tree(task="task:process"))
    return node("operation", "entry", 0.0, *sides)


FAILED = {
    **{"channel": "signal", "mode": "realtime", "operation": "notify", "size": 4},
    **{"status": "fail", "reason": "The tracer's buffer was too small"},
}
OPERATIONS = (
    operation("ioctl", "direct", "push", tree()),
    operation("ioctl", "indirect", "push", tree(2), untraced=1500.0, agrees=False),
    operation("ioctl", "direct", "notify", event(), untraced=2990.0),
    operation("null", "plain", "push", tree(0.5), untraced=500.0),
    FAILED,
)


def record(path: Path, *operations: Json, **fields: Any) -> Path:
    document = {
        "version": 1,
        "classes": KINDS,
        "tracer": {"call": 1270.4},
        "operations": operations,
    }
    (path / "xray.json").write_text(json.dumps(document | fields))
    return path


@pytest.fixture
def run(build_run: Build) -> Run:
    return load_run(record(build_run(channels=("null", "ioctl", "signal")), *OPERATIONS))


@pytest.fixture
def xrays(run: Run) -> call_trees.Xrays:
    loaded = call_trees.load(run)
    assert loaded is not None
    return loaded


@pytest.fixture
def report(run: Run) -> Path:
    return render.render([run.path]).parent


# ---- the figure on the first page ------------------------------------------------


def test_a_bar_for_each_channel_in_the_mode_of_the_heat_map(
    run: Run, xrays: call_trees.Xrays
) -> None:
    stacks = xray.stacks(run, xrays)
    shown = {stack.operation: [(bar.name, bar.mode) for bar in stack.bars] for stack in stacks}
    assert shown == {
        "push": [("null", "plain"), ("ioctl", "direct")],
        "notify": [("ioctl", "direct")],
    }


def test_bars_of_one_operation_share_a_scale(run: Run, xrays: call_trees.Xrays) -> None:
    push = xray.stacks(run, xrays)[0]
    null, ioctl = push.bars
    assert sum(part.width for part in ioctl.parts) == pytest.approx(100, abs=0.1)
    assert sum(part.width for part in null.parts) == pytest.approx(50, abs=0.1)
    assert (null.total, ioctl.total) == ("500", "1,000")
    assert ioctl.parts[0].title == "entry and exit: 198 instructions, 19.8 %"
    assert ioctl.link == "channel-ioctl.html#xray"


def test_the_figure_says_how_to_read_it(report: Path) -> None:
    text = (report / "index.html").read_text()
    section = re.search(r'<section id="xray">.*?</section>', text, re.DOTALL)
    assert section
    assert "How to read this" in section[0]
    assert "copy_to_user() counts as part of the function that contains it" in section[0]
    for title in KINDS.values():
        assert title in section[0]


# ---- a channel's page ------------------------------------------------------------


def test_boxes_lie_in_their_callers(xrays: call_trees.Xrays) -> None:
    for one in xrays.operations:
        if not one.tree:
            continue
        boxes = list(xray._boxes(one.tree, one.corrected))
        assert (boxes[0].x, boxes[0].y, boxes[0].width) == (0, 0, xray.WIDTH)
        for box in boxes[1:]:
            above = [b for b in boxes if b.y == box.y - xray.ROW]
            assert any(
                b.x - 0.2 <= box.x and box.x + box.width <= b.x + b.width + 0.2 for b in above
            ), box
            assert len(box.label) * xray.LETTER <= box.width


def test_callees_of_more_than_their_caller_stay_in_it() -> None:
    """Rounding and the correction can produce such callees."""
    below = (
        call_trees.Call("b", "", "vfs", 1, 70, 70, ()),
        call_trees.Call("c", "", "vfs", 1, 50, 50, ()),
    )
    boxes = list(xray._boxes(call_trees.Call("a", "", "vfs", 1, 100, 0, below), 100))
    assert max(box.x + box.width for box in boxes) <= xray.WIDTH + 0.1
    assert boxes[2].x == pytest.approx(boxes[1].width, abs=0.1)


def test_boxes_too_thin_to_see_are_left_out(xrays: call_trees.Xrays) -> None:
    tree = xrays.operations[0].tree
    assert tree
    titles = [box.title for box in xray._boxes(tree, tree.total)]
    assert not any("mutex_lock" in title for title in titles)
    assert any("<handler> [ringcross_ioctl]: 300, 30.0 %" in title for title in titles)
    assert any("vfs_read: 802 (500 own) in 2 calls, 80.2 %" in title for title in titles)


def test_the_tree_sums_up_what_is_small(run: Run, xrays: call_trees.Xrays) -> None:
    sheet = xray.sheet(run, "ioctl", xrays)
    assert sheet
    root = sheet.shown[0].tree
    assert (root.name, root.share, root.open) == ("the operation", "100.0 %", True)
    (vfs,) = root.below
    assert [below.name for below in vfs.below] == ["<handler>"]
    assert vfs.rest == "1 more: 2"


def test_tasks_are_spoken_of(run: Run, xrays: call_trees.Xrays) -> None:
    sheet = xray.sheet(run, "ioctl", xrays)
    assert sheet
    notify = next(one for one in sheet.shown if one.operation == "notify")
    assert [below.name for below in notify.tree.below] == [
        "the interrupted idle CPU",
        "kernel thread kworker/0:1",
        "the woken process",
    ]


def test_a_channels_page(report: Path) -> None:
    pages = check(report)
    text = (report / "channel-ioctl.html").read_text()
    shown = " ".join("".join(pages[(report / "channel-ioctl.html").resolve()].text).split())
    assert text.count('<svg class="icicle"') == 3
    assert "&lt;handler&gt;" in text
    assert "990 instructions for 8 B; the 4 traced calls add up to 1,000 (+1.0 %)" in shown
    assert "add up to 2,000 (+33.3 %)" in shown
    assert shown.count("took another one while it was traced") == 1
    assert "The cost of the tracer, 1,270 instructions per call" in shown
    assert "A notify starts at the kernel's timestamp" in shown
    assert len(re.findall(r'<details class="xray" open>', text)) == 1
    null = (report / "channel-null.html").read_text()
    assert "A notify starts" not in null


def test_rough_shares_are_called_rough(build_run: Build) -> None:
    path = record(build_run(channels=("null",), clock="time"), OPERATIONS[3], fitted=True)
    text = (render.render([path]).parent / "channel-null.html").read_text()
    assert "the shares are approximate" in text
    assert "was measured in the same boot" not in text


def test_what_has_no_x_ray_says_why(report: Path) -> None:
    text = (report / "channel-signal.html").read_text()
    assert "No x-ray of notify, realtime: The tracer&#39;s buffer was too small." in text
    assert "How to read this.</strong> Each box" not in text


def test_a_run_without_x_ray(build_run: Build) -> None:
    report = render.render([build_run(channels=("null", "ioctl"))]).parent
    check(report)
    for page in report.glob("*.html"):
        assert 'id="xray"' not in page.read_text()


def test_a_tracer_that_was_never_calibrated(build_run: Build) -> None:
    path = record(build_run(channels=("signal",)), FAILED, tracer=None)
    assert (
        "No x-ray of notify" in (render.render([path]).parent / "channel-signal.html").read_text()
    )


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"classes": {}, "tracer": null, "operations": [{}]}',
        json.dumps({"classes": KINDS, "tracer": None, "operations": [OPERATIONS[0] | {"tree": 1}]}),
        json.dumps(
            {"classes": KINDS, "tracer": None, "operations": [OPERATIONS[0] | {"corrected": 0}]}
        ),
        '{"classes": {}, "tracer": null, "operations": ' + "[" * 100_000,
    ],
)
def test_a_damaged_file(build_run: Build, text: str) -> None:
    path = build_run(channels=("null",))
    (path / "xray.json").write_text(text)
    with pytest.raises(DamagedRun, match=r"xray\.json cannot be parsed"):
        render.render([path])


def test_many_x_rays_are_not_much_to_load(build_run: Build) -> None:
    """Ten operations with 400 calls each, as the most expensive channel has."""

    def grow(depth: int) -> Json:
        below = [grow(depth - 1) for _ in range(3)] if depth else []
        return node(f"a_function_of_depth_{depth}", "vfs", 10, *below)

    many = [operation("ioctl", f"mode{n}", "push", grow(5)) for n in range(10)]
    bare = build_run(channels=("ioctl",), name="bare")
    full = record(build_run(channels=("ioctl",), name="full"), *many)
    sizes = [
        sum(page.stat().st_size for page in render.render([path]).parent.iterdir())
        for path in (bare, full)
    ]
    assert sizes[1] - sizes[0] < 700_000


def test_one_dear_operation_does_not_hide_the_others() -> None:
    assert xray._longest([100.0, 120.0, 400.0]) == 400
    assert xray._longest([100.0, 120.0, 90.0, 9000.0]) == 120


def test_what_is_in_no_class_says_so(build_run: Build, report: Path) -> None:
    """The share and the largest functions; older files do not have this field."""
    found = {"units": 100.0, "functions": {"odd_one": 70.0, "rest": 30.0}}
    whole = operation("ioctl", "direct", "push", tree(), unclassified=found)
    run = record(build_run(name="newer", channels=("null", "ioctl")), whole)
    page = (render.render([run]).parent / "channel-ioctl.html").read_text()
    total = whole["corrected"]
    assert f"Unclassified, and counted with their callers: {10000 / total:.1f} %." in page
    assert f"odd_one {7000 / total:.0f} %" in page
    assert "Unclassified" not in (report / "channel-ioctl.html").read_text()
