# SPDX-License-Identifier: GPL-2.0-only
"""Call trees match the calls that were run, without the cost of the tracer."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from bench.explore.call_tree import NO_TRACER, Node, Tracer, Window, build_trees, calibrate, fit
from bench.explore.trace_pages import Event, TraceError
from tests.bench.explore.tracing import TRACER, Call, Machine, call

READ = call(
    "vfs_read", 10, call("rw_verify_area", 4, call("aa_file_perm", 30), 1), 6, call("copy", 8)
)


def window_of(machine: Machine, start: int, end: int) -> Window:
    return Window(tuple(machine.events), start, end)


def run(*calls: Call, outside: int = 100, machine: Machine | None = None) -> Window:
    """The window of an operation: ``outside`` units in user space and entry code, then calls."""
    machine = machine or Machine()
    start = machine.spend(0)
    machine.spend(outside)
    for each in calls:
        machine.run(each)
    return window_of(machine, start, machine.spend(0))


def shape(node: Node) -> tuple[object, ...]:
    return (node.name, round(node.own), node.calls, *(shape(child) for child in node.children))


def test_a_tree_is_what_was_run() -> None:
    trees = build_trees(run(READ), TRACER)
    assert trees.calls == 4
    assert trees.unmatched == 0
    assert shape(trees.last) == (
        "task:1", 100, 1,
        ("vfs_read", 16, 1, ("rw_verify_area", 5, 1, ("aa_file_perm", 30, 1)), ("copy", 8, 1)),
    )  # fmt: skip
    assert trees.last.total == pytest.approx(159)


def test_without_correction_the_tracer_is_in_it() -> None:
    assert build_trees(run(READ), NO_TRACER).last.total == pytest.approx(159 + 4 * TRACER.call)


def test_equal_calls_from_one_place_are_one_node() -> None:
    tree = build_trees(run(READ, READ, READ), TRACER).last
    assert shape(tree.children[0])[:3] == ("vfs_read", 48, 3)
    assert len(tree.children) == 1


@pytest.mark.parametrize("seed", range(5))
def test_any_tree_is_recovered(seed: int) -> None:
    rng = random.Random(seed)

    def grow(depth: int) -> Call:
        body: list[int | Call] = [rng.randrange(50)]
        for _ in range(rng.randrange(4) if depth else 0):
            body += [grow(depth - 1), rng.randrange(50)]
        return call(f"f{rng.randrange(10**6)}", *body)

    tree = grow(6)
    window = run(tree, machine=Machine(page=rng.randrange(3, 60)))

    def same(node: Node, expected: Call) -> None:
        assert node.own == pytest.approx(sum(expected.own), abs=1e-6), expected.name
        for child, below in zip(node.children, expected.calls, strict=True):
            same(child, below)

    same(build_trees(window, TRACER).last.children[0], tree)


def test_what_came_before_the_window_does_not_count() -> None:
    machine = Machine()
    machine.run(READ)
    window = run(call("getppid", 7), machine=machine)
    machine.run(READ)
    assert shape(build_trees(window, TRACER).last) == ("task:1", 100, 1, ("getppid", 7, 1))


def test_calls_are_in_the_order_of_the_window() -> None:
    """Even if the same functions were called in another order before the window."""
    machine = Machine()
    machine.run(call("exit", 1))
    machine.run(call("read", 2))
    tree = build_trees(run(call("read", 3), call("exit", 4), machine=machine), TRACER).last
    assert [child.name for child in tree.children] == ["read", "exit"]


def test_a_function_under_way_counts_with_what_it_does_inside() -> None:
    """For example, a reader that sleeps when the event is emitted."""
    machine = Machine()
    machine.run(call("read", 50, call("schedule", 20, call("emit", 9), 30), 40))
    at = {(event.name, event.entry): event.at for event in machine.events}
    start = at["emit", True] + round(TRACER.after_entry)
    end = machine.spend(0)
    tree = build_trees(window_of(machine, start, end), TRACER).last
    assert shape(tree.children[0]) == (
        "read", 40, 1, ("schedule", 30, 1, ("emit", 9, 1))
    )  # fmt: skip


def test_an_interrupt_is_below_what_it_interrupts() -> None:
    tick = call("sysvec_apic_timer_interrupt", 3, call("hrtimer_interrupt", 200))
    tree = build_trees(run(call("vfs_read", 10, tick, 5)), TRACER).last
    interrupt = tree.find("vfs_read", "hrtimer_interrupt")
    assert interrupt is not None
    assert interrupt.total == pytest.approx(200)
    assert tree.total == pytest.approx(318)


def test_tasks_have_trees_of_their_own() -> None:
    """An interrupt on the idle task wakes the reader, which then runs."""
    machine = Machine()
    machine.run(call("ioctl", 1, call("schedule", 2, call("finish", 3), 4), 5))
    events = [replace(event, task=9) for event in machine.events]
    middle = Machine(now=events[2].at + 1000)
    middle.run(call("emit", 70, task=0))
    first, rest = events[:2], events[2:]
    shift = round(middle.now) + 500 - rest[0].at
    late = [replace(event, at=event.at + shift) for event in rest]
    woken = middle.events
    start = woken[0].at + round(TRACER.after_entry)
    end = late[-1].at + round(TRACER.after_exit)
    trees = build_trees(Window((*first, *woken, *late), start, end), TRACER, {9: "init"})
    assert [task.name for task in trees.tasks] == ["task:idle", "task:init"]
    assert trees.last.name == "task:init"
    assert trees.unmatched == 0
    below = trees.last.find("ioctl", "schedule", "finish")
    assert below is not None
    assert below.own == pytest.approx(3)


def test_an_exit_without_an_entry_is_counted_and_harmless() -> None:
    machine = Machine()
    machine.run(call("mutex_unlock", 5))
    del machine.events[0]
    machine.events.append(Event(round(machine.now), False, 1, 1, "stray"))
    window = run(READ, machine=machine)
    complete = Window(window.events, machine.events[0].at, window.end)
    trees = build_trees(complete, TRACER)
    assert trees.unmatched == 2
    assert trees.last.find("vfs_read", "copy") is not None


def test_a_task_that_slept_since_before_the_trace_leaves_the_scheduler() -> None:
    """As a second worker of the kernel does, while the first one is still busy."""
    machine = Machine()
    for tree in (
        call("schedule", 2, call("finish", 3), 4),
        call("work", 7),
        call("schedule", 2, call("finish", 3), 4),
    ):
        machine.run(tree)
    events = [event for event in machine.events if event.name != "schedule" or not event.entry]
    start, end = events[0].at, events[-1].at + 100
    trees = build_trees(Window(tuple(events), start, end), TRACER)
    assert trees.unmatched == 1, "the second exit of schedule is not the first one"
    first = [event for event in events if event.at <= events[4].at]
    assert build_trees(Window(tuple(first), start, first[-1].at + 100), TRACER).unmatched == 0


def test_an_exit_that_was_dropped_ends_with_its_caller() -> None:
    window = run(READ)
    kept = [e for e in window.events if e.entry or e.name != "aa_file_perm"]
    trees = build_trees(Window(tuple(kept), window.start, window.end), TRACER)
    assert trees.unmatched == 1
    assert [child.name for child in trees.last.children[0].children] == ["rw_verify_area", "copy"]


def test_the_tracers_own_probes_are_left_out() -> None:
    probe = call("__traceiter_sched_switch", 250, call("trace_save_cmdline", 80))
    tree = build_trees(run(call("schedule", 10, probe, 20)), TRACER).last
    assert tree.find("__traceiter_sched_switch") is None
    assert tree.total == pytest.approx(130)


def test_nothing_recorded() -> None:
    with pytest.raises(TraceError, match="recorded no event"):
        build_trees(Window((), 1, 2), TRACER)
    machine = Machine()
    machine.run(READ)
    with pytest.raises(TraceError, match="recorded no event"):
        build_trees(window_of(machine, machine.spend(10), machine.spend(10)), TRACER)


# ---- the tracer's own cost ----------------------------------------------------

EMPTY = call("vfs_read", 40, call("rw_verify_area", 9), 5, call("read_null", 3), 2)
EXIT = call("exit_to_user_mode_prepare", 12, call("fpregs", 9), 2)
TURN = 90  # user space, entry and exit code; half before the calls, half after them


def reads(count: int, machine: Machine) -> tuple[Window, int]:
    """The window of ``count`` reads with an empty handler, and their untraced cost."""
    start = machine.spend(0)
    for _ in range(count):
        machine.spend(TURN // 2)
        machine.run(EMPTY)
        machine.run(EXIT)
        machine.spend(TURN // 2)
    return window_of(machine, start, machine.spend(0)), count * (TURN + 59 + 23)


def close(actual: Tracer, expected: Tracer) -> bool:
    return all(abs(vars(actual)[name] - vars(expected)[name]) < 1 for name in vars(expected))


@pytest.mark.parametrize("page", [7, 56])
def test_the_tracer_is_found_out(page: int) -> None:
    window, untraced = reads(40, Machine(page=page))
    assert close(calibrate(window, untraced, "instructions"), TRACER)


def test_an_interrupt_in_the_calibration_does_not_matter_much() -> None:
    machine = Machine()
    window, untraced = reads(40, machine)
    tick = 5000
    at = window.events[100].at
    late = tuple(replace(e, at=e.at + tick) if e.at > at else e for e in window.events)
    tracer = calibrate(Window(late, window.start, window.end + tick), untraced, "instructions")
    assert tracer.call == pytest.approx(TRACER.call, rel=0.02)


def test_a_calibration_that_shows_something_else() -> None:
    with pytest.raises(TraceError, match="shows no reads of /dev/null"):
        calibrate(run(READ), 100, "instructions")
    with pytest.raises(TraceError, match="shows no reads"):
        calibrate(Window((), 0, 1), 100, "instructions")


def test_a_tracer_that_varies_is_fitted() -> None:
    """A tracer that costs 1.5 times as much as calibrated: the sum is still right."""
    window = run(READ, READ, machine=Machine(TRACER.scaled(1.5)))
    assert build_trees(window, TRACER).last.total > 4000
    fitted = fit(TRACER, window, 218)
    assert close(fitted, TRACER.scaled(1.5))
    assert build_trees(window, fitted).last.total == pytest.approx(218)


def test_a_window_shorter_than_the_untraced_cost_has_no_tracer_in_it() -> None:
    window = run(READ, machine=Machine(NO_TRACER))
    assert fit(TRACER, window, 1000).call == 0
    assert fit(NO_TRACER, window, 1) == NO_TRACER
