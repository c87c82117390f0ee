# SPDX-License-Identifier: GPL-2.0-only
"""Both ends of a conversation run on the CPUs that the placement says, on a booted kernel."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import Any

import pytest

from bench.plan.factors import PLACEMENTS
from tests.vm import machine
from tests.vm.machine import Answer, Operation
from tests.vm.several_cpus import SeveralCpus

pytestmark = pytest.mark.vm

# CPU 0 and 1 are threads of one core, 0 to 3 are in one socket and share its cache.  QEMU's own
# CPU model reports no threads.
CPUS = 8
TOPOLOGY = ("8,sockets=2,cores=2,threads=2", "vendor=GenuineIntel")
EXPECTED = {"same-cpu": (1, 1), "smt-sibling": (1, 0), "same-llc": (1, 2), "cross-socket": (1, 4)}
"""CPU 0 is the last one to be tried, so it is the sibling of the home."""
CONTEXTS = ("process", "softirq", "hardirq")
INTERRUPTS = "/proc/interrupts"

Key = tuple[str, str, str]


@dataclass(frozen=True)
class Placed:
    """The answers of the boot.

    Attributes:
        cells: by operation, context and placement.
        ticks: local timer interrupts of each CPU during a cell, by the same keys.
    """

    cells: dict[Key, Answer]
    ticks: dict[Key, list[int]]


def operation(name: str) -> Operation:
    (found,) = (op for op in machine.operations() if op.name == name)
    return found


def variants() -> dict[Key, dict[str, Any]]:
    found: dict[Key, dict[str, Any]] = {}
    for placement in PLACEMENTS:
        for context in CONTEXTS:
            more = {"context": context, "placement": placement}
            found["netlink-unicast-notify", context, placement] = more
            found["netlink-unicast-stream", context, placement] = more | {"interval": 500_000}
        found["pipe-pair-call", "default", placement] = {"placement": placement}
        found["pipe-pair-notify", "process", placement] = {"placement": placement}
    found["netlink-unicast-push", "default", "same-llc"] = {"placement": "same-llc"}
    found["netlink-unicast-push", "default", ""] = {}
    found["netlink-unicast-push", "threads", ""] = {"threads": 4}
    busy = {"context": "process", "wait": "busy", "interval": 500_000}
    found["netlink-unicast-stream", "busy", "same-cpu"] = busy
    found["netlink-unicast-stream", "busy", "same-llc"] = busy | {"placement": "same-llc"}
    return found


@pytest.fixture(scope="module")
def placed() -> Placed:
    """All :func:`variants`, in one boot."""
    requested = variants()
    read = {"do": "read", "paths": [INTERRUPTS]}
    requests: list[dict[str, Any]] = [machine.SETUP | {"clock": "time"}, read]
    for number, ((name, _, _), more) in enumerate(requested.items()):
        op = operation(name)
        requests += [machine.cell(op, max(8, op.min), number, rounds=3, samples=0, **more), read]
    target = SeveralCpus.of(machine.machine("tcg"), *TOPOLOGY)
    answers = machine.boot(target, requests)
    cells = {answer["id"]: answer for answer in answers if answer["re"] == "cell"}
    counts = [ticks(a["files"][INTERRUPTS]) for a in answers if a["re"] == "read"]
    changes = [
        [b - a for a, b in zip(before, after, strict=True)]
        for before, after in itertools.pairwise(counts)
    ]
    return Placed(
        {key: cells[number] for number, key in enumerate(requested)},
        dict(zip(requested, changes, strict=True)),
    )


def ticks(text: str) -> list[int]:
    """Local timer interrupts of each CPU so far."""
    (line,) = re.findall(r"^ *LOC:((?: +\d+)+)", text, re.MULTILINE)
    return [int(word) for word in line.split()]


@pytest.mark.parametrize("placement", EXPECTED)
def test_both_ends_run_where_the_placement_says(placed: Placed, placement: str) -> None:
    """The agent reads the CPU of both ends after the rounds, for each kind of producer."""
    found = {key: answer for key, answer in placed.cells.items() if key[2] == placement}
    assert len(found) > 2 * len(CONTEXTS)
    for key, answer in found.items():
        if "push" in key[0] or key[1] == "busy":
            continue
        assert answer["status"] == "ok", (key, answer["reason"])
        assert answer["placement"] == placement
        assert (answer["user_cpu"], answer["other_cpu"]) == EXPECTED[placement], key


@pytest.mark.parametrize("placement", EXPECTED)
@pytest.mark.parametrize("context", CONTEXTS)
def test_the_producers_timer_interrupts_its_cpu(
    placed: Placed, context: str, placement: str
) -> None:
    """The kernel's own count of timer interrupts agrees: each burst has interrupted the CPU."""
    key = ("netlink-unicast-stream", context, placement)
    emitted = sum(placed.cells[key]["emitted"])
    assert emitted > 20
    assert placed.ticks[key][EXPECTED[placement][1]] >= emitted


def test_a_placement_that_the_machine_does_not_have_is_a_skip(placed: Placed) -> None:
    for key, answer in placed.cells.items():
        if key[2] == "same-socket":
            assert answer["status"] == "skip", key
            assert answer["reason"] == (
                f"No two of the {CPUS} CPUs that the agent may use are on two cores of one socket "
                "that share no last-level cache."
            )


def test_an_operation_with_one_end_has_no_placement(placed: Placed) -> None:
    """Its CPU is recorded, as it is always pinned."""
    requested = placed.cells["netlink-unicast-push", "default", "same-llc"]
    assert requested["status"] == "skip"
    assert "no other end to place" in requested["reason"]
    for kind in ("default", "threads"):
        usual = placed.cells["netlink-unicast-push", kind, ""]
        assert usual["status"] == "ok", usual["reason"]
        assert (usual["placement"], usual["user_cpu"], usual["other_cpu"]) == ("", 1, None)


def test_a_thread_emits_while_another_one_spins_on_another_cpu(placed: Placed) -> None:
    refused = placed.cells["netlink-unicast-stream", "busy", "same-cpu"]
    assert refused["status"] == "skip"
    assert refused["reason"].endswith("on the same CPU: choose another placement.")
    spinning = placed.cells["netlink-unicast-stream", "busy", "same-llc"]
    assert spinning["status"] == "ok", spinning["reason"]
