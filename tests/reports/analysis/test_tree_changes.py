# SPDX-License-Identifier: GPL-2.0-only
"""Differences of call trees: functions that came, went, changed or only moved."""

from __future__ import annotations

import pytest

from reports.analysis.tree_changes import common_changes, tree_change
from reports.data.call_trees import Call, Operation, Xrays

KINDS = {"entry": "entry and exit", "vfs": "VFS"}


def call(name: str, own: float, *below: Call, kind: str = "vfs") -> Call:
    return Call(name, "", kind, 1, own + sum(one.total for one in below), own, below)


def xrays(*trees: Call, agrees: bool = True) -> Xrays:
    operations = tuple(
        Operation(
            channel=f"c{number}",
            mode="m",
            operation="push",
            size=8,
            reason="",
            untraced=tree.total,
            corrected=tree.total,
            agrees=agrees,
            calls=1,
            kinds={"entry": tree.own, "vfs": tree.total - tree.own},
            tree=tree,
        )
        for number, tree in enumerate(trees)
    )
    return Xrays(KINDS, 1000.0, False, operations)


def change(before: Call, after: Call) -> dict[str, tuple[str, float]]:
    found = tree_change(xrays(before), xrays(after), "c0", "m", "push")
    assert found
    return {one.name: (one.what, one.change) for one in found.functions}


def test_new_gone_and_changed_functions() -> None:
    before = call("op", 100, call("read", 50), call("old", 30))
    after = call("op", 100, call("read", 60), call("check", 20))
    assert change(before, after) == {
        "old": ("gone", -30),
        "check": ("new", 20),
        "read": ("changed", 10),
    }


def test_a_function_with_another_caller_is_no_change() -> None:
    before = call("op", 100, call("read", 50, call("copy", 7)))
    after = call("op", 100, call("read", 50), call("copy", 7))
    assert change(before, after) == {}


def test_calls_of_one_function_are_summed() -> None:
    before = call("op", 100, call("lock", 5))
    after = call("op", 100, call("lock", 5), call("lock", 6))
    assert change(before, after) == {"lock": ("changed", 6)}


def test_the_changes_of_functions_and_kinds_add_up_to_that_of_the_operation() -> None:
    before = call("op", 100, call("read", 50), kind="entry")
    after = call("op", 130, call("read", 40), call("check", 25), kind="entry")
    found = tree_change(xrays(before), xrays(after), "c0", "m", "push")
    assert found
    assert found.after - found.before == pytest.approx(sum(one.change for one in found.functions))
    assert {kind.title: kind.change for kind in found.kinds} == {"entry and exit": 30, "VFS": 15}


def test_without_a_tree_there_is_no_answer() -> None:
    tree = call("op", 100)
    assert tree_change(None, xrays(tree), "c0", "m", "push") is None
    assert tree_change(xrays(tree), xrays(tree), "c1", "m", "push") is None


def test_a_tree_that_does_not_add_up_is_told() -> None:
    tree = call("op", 100)
    found = tree_change(xrays(tree), xrays(tree, agrees=False), "c0", "m", "push")
    assert found
    assert not found.exact


def test_common_changes_have_the_function_of_most_operations_first() -> None:
    before = xrays(call("op", 100), call("op", 100), call("op", 100))
    after = xrays(
        call("op", 100, call("entry", 20), call("rare", 90)),
        call("op", 100, call("entry", 24)),
        call("op", 103, call("entry", 22), call("alone", 5)),
    )
    compared, common = common_changes(before, after)
    assert compared == 3
    assert [(one.name, one.operations, one.change) for one in common] == [("entry", 3, 22)]
