# SPDX-License-Identifier: GPL-2.0-only
"""Cost classes: the table is consistent, and unknown functions have their caller's class."""

from __future__ import annotations

from collections import Counter

import pytest

from bench.explore import cost_classes
from bench.explore.call_tree import Node


def node(name: str, own: float = 1.0, *children: Node, module: str = "") -> Node:
    return Node(name, module, own, 1, children)


@pytest.mark.parametrize(
    ("name", "module", "title"),
    [
        ("operation", "", "entry"),
        ("task:process", "", "entry"),
        ("task:idle", "", "schedule"),
        ("task:kworker/0:1", "", "schedule"),
        ("vfs_read", "", "vfs"),
        ("security_file_permission", "", "vfs"),
        ("copy_fpstate_to_sigframe", "", "signal"),
        ("_copy_to_iter", "", "copy"),
        ("__check_object_size", "", "copy"),
        ("link_path_walk.part.0.constprop.0", "", "vfs"),
        ("kmem_cache_alloc_node", "", "memory"),
        ("__rcu_read_lock", "", "lock"),
        ("finish_task_switch.isra.0", "", "schedule"),
        ("netlink_sendmsg", "", "network"),
        ("input_event", "", "input"),
        ("evdev_read", "evdev", "input"),
        ("netlink_input", "ringcross_netlink", "channel"),
        ("rcx_readers_emit", "ringcross_core", "channel"),
        ("fuse_dev_read", "fuse", ""),
        ("never_heard_of", "", ""),
    ],
)
def test_names(name: str, module: str, title: str) -> None:
    assert cost_classes.own_class(node(name, module=module)) == title


def test_the_table_is_sound() -> None:
    assert set(cost_classes.TABLE) <= set(cost_classes.TITLES)
    names = Counter(name for names in cost_classes.TABLE.values() for name in names.split())
    assert [name for name, times in names.items() if times > 1] == []
    assert all("*" not in name[:-1] for name in names)


def test_the_longer_name_wins() -> None:
    assert cost_classes.own_class(node("copy_page_to_iter")) == "copy"
    assert cost_classes.own_class(node("copy_fpstate_to_sigframe")) == "signal"
    assert cost_classes.own_class(node("skb_copy_datagram_iter")) == "copy"
    assert cost_classes.own_class(node("skb_release_data")) == "network"


def test_who_has_no_name_counts_with_the_caller() -> None:
    tree = node(
        "operation",
        100.0,
        node("vfs_read", 10.0, node("unheard_of", 5.0, node("memcpy", 2.0, node("deeper", 1.0)))),
        node("unheard_of", 7.0),
    )
    assert cost_classes.sums(tree) == {"entry": 107.0, "vfs": 15.0, "copy": 3.0}
    assert sum(cost_classes.sums(tree).values()) == tree.total


def test_sums_are_in_the_order_of_a_crossing() -> None:
    tree = node("operation", 1.0, node("kfree"), node("memcpy"), node("vfs_read"))
    assert list(cost_classes.sums(tree)) == ["entry", "vfs", "copy", "memory"]


def test_a_root_without_a_name_is_other() -> None:
    assert cost_classes.sums(node("unheard_of")) == {"other": 1.0}


OWN = cost_classes.OwnClasses.of(
    {
        "name": "eventfd",
        "classes": {
            "event counter": ["eventfd_*", "eventfd_signal_mask"],
            "vfs": ["eventfd_poll"],
            "copying": ["eventfd_copy*"],
        },
    }
)


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("eventfd_read", "own-event-counter"),
        ("eventfd_signal_mask.constprop.0", "own-event-counter"),
        ("eventfd_poll", "vfs"),
        ("eventfd_copy_count", "copy"),
        ("vfs_read", "vfs"),
        ("never_heard_of", ""),
    ],
)
def test_a_channel_names_its_own_classes(name: str, title: str) -> None:
    """A class with the key or title of one of the table adds names to it; the longer name wins."""
    assert cost_classes.own_class(node(name), OWN) == title
    assert OWN.titles == {"own-event-counter": "event counter"}


def test_sums_have_the_classes_of_the_channel() -> None:
    tree = node("operation", 1.0, node("vfs_read", 2.0, node("eventfd_read", 4.0)))
    assert cost_classes.sums(tree, OWN) == {"entry": 1.0, "vfs": 2.0, "own-event-counter": 4.0}
    assert cost_classes.sums(tree) == {"entry": 1.0, "vfs": 6.0}


def test_what_is_in_no_class_is_reported() -> None:
    """Each function once, the most expensive first, without those of the channel's classes."""
    tree = node(
        "operation",
        100.0,
        node("vfs_read", 10.0, node("unheard_of", 5.0), node("eventfd_read", 4.0)),
        node("unheard_of", 7.0, node("odd", 20.0)),
    )
    found = cost_classes.unclassified(tree, OWN)
    assert [(one.name, one.own) for one in found] == [("odd", 20.0), ("unheard_of", 12.0)]
    assert [one.name for one in cost_classes.unclassified(tree)][-1] == "eventfd_read"
    assert cost_classes.unclassified(node("operation")) == []
