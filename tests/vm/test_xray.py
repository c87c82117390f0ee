# SPDX-License-Identifier: GPL-2.0-only
"""X-rays of a booted kernel: known paths, correct sums, and equal trees in two boots."""

from __future__ import annotations

import pytest

from bench.explore import cost_classes, xray
from bench.explore.call_tree import Node
from bench.explore.xray import Xray, Xrays
from bench.plan.cells import Cell
from tests.vm import machine

pytestmark = pytest.mark.vm

CELLS = xray.choose(machine.channels())


CALIBRATION = 0.002
"""By this share the tracer's own cost, which is subtracted, may differ from the calibrated one.

Two trees of seven calls each, of ``vvar`` and ``devmem``, had 12,460 and 12,472 instructions of it.
"""


def lacks(cell: Cell) -> str:
    """The exact reason with which this x-ray must be skipped; empty if it must be there."""
    if (cell.channel, cell.mode, cell.operation) == ("mmap", "table", "dump"):
        return xray.NOT_ENTERED
    return machine.lacks(cell.channel, cell.mode)


def take() -> Xrays:
    return xray.take(machine.machine(), CELLS, "instructions", seed=3, channels=machine.channels())


@pytest.fixture(scope="module")
def xrays() -> Xrays:
    return take()


def of(xrays: Xrays, channel: str, mode: str, operation: str) -> Xray:
    (found,) = (
        one
        for one in xrays.operations
        if (one.cell.channel, one.cell.mode, one.cell.operation) == (channel, mode, operation)
    )
    return found


def tree(one: Xray) -> Node:
    assert one.status == "ok", one.reason
    assert one.tree is not None
    return one.tree


def averaging(root: Node) -> float:
    """Units in the functions that update the scheduler's averages of the load."""
    return sum(node.own for node in root.walk() if node.name.startswith("__update_load_avg_"))


def asleep(root: Node) -> float:
    """Units in the function in which the idle CPU waits for an interrupt."""
    idle = (task for task in root.children if task.name == "task:idle")
    return max((node.own for task in idle for node in task.walk()), default=0.0)


def threads(root: Node) -> list[str]:
    """The threads that ran, without the idle one."""
    names = [node.name for node in root.children if node.name.startswith("task:")]
    return [name for name in names if name != "task:idle"]


@pytest.mark.contract
@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_the_tree_adds_up_to_the_untraced_cost(xrays: Xrays, cell: Cell) -> None:
    """Within the tolerance that the reports state; most trees are within 2 %."""
    one = next(one for one in xrays.operations if one.cell == cell)
    if reason := lacks(cell):
        assert (one.status, one.reason) == ("skip", reason)
        pytest.skip(reason)
    assert one.unmatched == 0
    if any(task.name.startswith("task:k") for task in tree(one).children):
        pytest.skip("A kernel thread and the reader are woken together: either may run first.")
    if any(task.name == "task:rcx_peer" for task in tree(one).children):
        pytest.skip(
            "The tracer changes how long each process runs, and so which of the two runs next."
        )
    if asleep(tree(one)) > one.untraced / 2:
        pytest.skip(
            "The reader sleeps until the next timer tick, and the tracer does not delay it."
        )
    if (
        len(threads(tree(one))) > 1
        and not one.agrees
        and machine.series(machine.stock()) >= machine.DELAYED_DEQUEUE
    ):
        pytest.skip("The tracer changes which thread is still in the run queue when it is woken.")
    if cell.name == "input-event-push-4":
        pytest.skip("Each event goes to the random pool, which mixes several events at once.")
    excess = tree(one).total - one.untraced
    # Trees with little work, the second with two threads: only in these is a new period more than
    # the tolerance.
    least = cell.name in ("null-wake-notify-0", "sockets-pipe-notify-8")
    if least and not one.agrees and 0 < excess < averaging(tree(one)):
        pytest.skip(
            "The traced reader sleeps longer, and a new period of the load's averages costs more."
        )
    # The cheapest event of all, which only calls what the timer's interrupt calls.
    tracer = one.traced - one.untraced
    if cell.name == "vvar-seqcount-notify-8" and abs(excess) < CALIBRATION * tracer:
        pytest.skip("The tracer's own cost, 97 % of the whole, differs by more than the tolerance.")
    assert tree(one).total == pytest.approx(one.untraced, rel=xray.TOLERANCE)


@pytest.mark.contract
def test_no_dear_function_is_without_a_class(xrays: Xrays) -> None:
    unnamed = {
        node.name
        for one in xrays.operations
        if not lacks(one.cell)
        for node in tree(one).walk()
        if node.own > 0.05 * one.corrected and not cost_classes.own_class(node, xrays.own(one))
    }
    assert not unnamed


def test_the_path_of_a_proc_file(xrays: Xrays) -> None:
    handler = tree(of(xrays, "procfs", "pread", "pull")).find(
        "vfs_read", "proc_reg_read", "rcx_file_pull"
    )
    assert handler is not None
    assert handler.module == "ringcross_core"


def test_the_path_of_a_netlink_request(xrays: Xrays) -> None:
    ours = tree(of(xrays, "netlink", "unicast", "call")).find("netlink_sendmsg", "netlink_input")
    assert ours is not None
    assert ours.module == "ringcross_netlink"


def test_a_call_to_another_process_is_the_work_of_both(xrays: Xrays) -> None:
    user, peer = tree(of(xrays, "pipe", "pair", "call")).children
    assert (user.name, peer.name) == ("task:process", "task:rcx_peer")
    for task in (user, peer):
        assert task.find("vfs_write", "pipe_write") is not None
        assert task.find("vfs_read", "pipe_read") is not None


def test_an_event_comes_from_an_interrupt_and_wakes_its_reader(xrays: Xrays) -> None:
    idle, process = tree(of(xrays, "null", "wake", "notify")).children
    assert (idle.name, process.name) == ("task:idle", "task:process")
    assert idle.find("hrtimer_run_softirq", "null_emit", "try_to_wake_up") is not None
    assert process.find("__x64_sys_ioctl", "schedule") is not None


@pytest.mark.contract
def test_a_system_call_pays_for_nothing_of_ours(xrays: Xrays) -> None:
    """A process that may use an I/O port would pay at each return to user space."""
    for one in xrays.operations:
        if lacks(one.cell):
            continue
        assert tree(one).find("native_tss_update_io_bitmap") is None, one.cell


@pytest.mark.contract
def test_two_boots_give_equal_trees(xrays: Xrays) -> None:
    assert take().to_json() == xrays.to_json()
