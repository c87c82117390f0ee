# SPDX-License-Identifier: GPL-2.0-only
"""X-rays as text for a terminal."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from bench.commands import xray_text
from bench.explore.call_tree import Node, Tracer
from bench.explore.xray import Xray, Xrays
from bench.plan.cells import Cell

TREE = Node(
    "operation",
    "",
    200.0,
    1,
    (
        Node("vfs_read", "", 300.0, 2, (Node("null_read", "ringcross_null", 495.0, 1),)),
        Node("mutex_lock", "", 3.0, 1),
        Node("mutex_unlock", "", 2.0, 1),
    ),
)
CELL = Cell("null", "handler", "pull", 8)


def printed(xray: Xray, **options: Any) -> str:
    out = Console(file=io.StringIO(), width=100)
    tracer = Tracer(1, 2, 3, 4, 5)
    for page in xray_text.pages(Xrays("instructions", "6.1", tracer, (xray,)), **options):
        out.print(page)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def test_a_tree() -> None:
    text = printed(Xray(CELL, "ok", untraced=990, traced=5000, calls=5, tree=TREE))
    assert "null handler pull, 8 B" in text
    assert "990 instructions untraced; the tree adds up to 1,000 (+1.0 %)." in text
    assert "the tracer's 10 instructions for each of 5 calls" in text
    assert "79.5 % vfs_read ×2  795 (own cost 300)" in text
    assert "49.5 % null_read [ringcross_null]  495\n" in text
    assert "2 more: 5" in text
    assert "mutex_lock" not in text
    assert "the channel's own code" in text
    assert "differ" not in text


def test_all_of_it() -> None:
    text = printed(Xray(CELL, "ok", untraced=990, tree=TREE), smallest=0)
    assert "mutex_unlock" in text
    assert "more:" not in text


def test_functions_by_their_own_cost() -> None:
    text = printed(Xray(CELL, "ok", untraced=990, tree=TREE), flat=True)
    rows = [line.split() for line in text.splitlines() if "%" in line]
    assert ["49.5", "%", "495", "1", "null_read", "[ringcross_null]"] in rows
    assert "mutex_unlock" not in text


def test_a_tree_that_does_not_add_up_says_so() -> None:
    assert "The two differ" in printed(Xray(CELL, "ok", untraced=500, tree=TREE))


def test_a_rough_tree_says_so() -> None:
    out = Console(file=io.StringIO(), width=100)
    xray = Xray(CELL, "ok", untraced=1000, tree=TREE)
    for page in xray_text.pages(Xrays("time", "6.1", None, (xray,))):
        out.print(page)
    assert isinstance(out.file, io.StringIO)
    assert "Approximate:" in out.file.getvalue()
    assert "1,000 ns untraced" in out.file.getvalue()


def test_no_tree() -> None:
    assert "No x-ray: It broke." in printed(Xray(CELL, "fail", "It broke."))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("task:idle", "the idle CPU, interrupted"),
        ("task:kworker/0:1", "kernel thread kworker/0:1"),
        ("vfs_read", "vfs_read"),
    ],
)
def test_tasks_are_spoken_of(name: str, text: str) -> None:
    assert xray_text.display_name(Node(name, "", 0, 1)) == text


def test_what_is_in_no_class_says_so() -> None:
    tree = Node(
        "operation", "", 900.0, 1, (Node("odd_one", "", 60.0, 1), Node("rest", "", 40.0, 1))
    )
    text = printed(Xray(CELL, "ok", untraced=990, tree=tree))
    words = " ".join(text.split())
    assert "Unclassified, and counted with their callers: 10.0 %." in words
    assert "Largest: odd_one 6.0 %, rest 4.0 %." in words
    assert ".classes of the channel's user.c" in words
    assert "Unclassified" not in printed(Xray(CELL, "ok", untraced=990, tree=TREE))
