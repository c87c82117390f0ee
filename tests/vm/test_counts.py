# SPDX-License-Identifier: GPL-2.0-only
"""Channels that carry only a count: correct ones pass the contract, and faults in them are found.

The correct ones are the modes of ``tests/channels/counter``, which uses an eventfd.  The others are
copies of it with one fault each.  All are built into one agent and tried in one boot.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from bench.errors import KernelPanic
from bench.explore import properties
from bench.kernels import contract
from bench.run.stream_counts import violation
from bench.targets.kernel_log import complaints, verdict
from tests.tree import Tree, change
from tests.vm import machine
from tests.vm.machine import Answer, Operation

pytestmark = pytest.mark.vm

TICK = 4_000_000
"""Instructions from one timer tick to the next, at 250 Hz."""
MODES = ("count", "flag")
CONTEXTS = ("process", "softirq", "hardirq")
SIGNAL = "\t\tcounter_signal(state->context);\n"
TAKEN = "\treturn taken ? 0 : -ENOTCONN;\n"
NEVER = "\t\tif (event->seq == U64_MAX)\n\t"
REFUSED = "\treturn taken ? -ENOBUFS : -ENOTCONN;\n"
FAULTS = {
    "loser": [(SIGNAL, "\t\tif (event->seq % 4 != 3)\n\t" + SIGNAL)],
    "inventor": [(SIGNAL, SIGNAL + "\t\tif (event->seq % 4 == 3)\n\t" + SIGNAL)],
    "silent": [(SIGNAL, NEVER + SIGNAL)],
    "refuser": [(SIGNAL, NEVER + SIGNAL), (TAKEN, REFUSED)],
    "liar": [(TAKEN, REFUSED)],
    "crashing": [(TAKEN, "\tWRITE_ONCE(*(int *)event->seq, 0);\n" + TAKEN)],
    "misnamed": [('{ "flag", RCX_IN_ANY', '{ "bell", RCX_IN_ANY')],
}
"""By folder: lines of the kernel half, and the lines that replace them."""

LATE_MS = 700
"""Deadline of cells that never end; each takes this long on the guest's clock."""

Key = tuple[str, str, str, str]
"""Channel, mode, operation and the variant of the request."""


@dataclass(frozen=True)
class Trial:
    """The answers of one boot: of cells by :data:`Key`, of other requests by kind and channel."""

    cells: dict[Key, Answer]
    others: dict[tuple[str, str, str], Answer]


def requests() -> Iterator[tuple[Key, dict[str, Any]]]:
    for mode in MODES:
        yield from ((("counter", mode, "notify", c), {"context": c}) for c in CONTEXTS)
        yield from ((("counter", mode, "notify", w), {"wait": w}) for w in ("block", "poll"))
        yield ("counter", mode, "stream", "fast"), {}
        slow = {"interval": 100_000, "context": "hardirq"}
        yield ("counter", mode, "stream", "slow"), slow
        yield ("counter", mode, "stream", "bursts"), slow | {"burst": 32}
        yield ("counter", mode, "stream", "search"), {"search": True, "sweep": True}
    for mode in MODES:
        for fault in ("loser", "inventor"):
            yield (fault, mode, "stream", "slow"), {"interval": 100_000, "context": "hardirq"}
    late = {"deadline_ms": LATE_MS}
    yield ("inventor", "count", "notify", ""), late
    yield ("liar", "count", "notify", ""), late
    for fault in ("loser", "silent", "refuser"):
        yield (fault, "count", "notify", ""), late
    yield ("misnamed", "flag", "notify", ""), late
    yield ("misnamed", "count", "notify", ""), {}
    # Last: the core cannot be used after its thread has crashed.
    yield ("crashing", "count", "notify", ""), late | {"context": "process"}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    tree = Tree.copy(tmp_path_factory.mktemp("counts"), [])
    tree.add("counter")
    for name, changes in FAULTS.items():
        kernel = tree.add("counter", name) / "kernel.c"
        for old, new in changes:
            change(kernel, old.replace("counter", name), new.replace("counter", name))
    return tree


@pytest.fixture(scope="module")
def trial(tree: Tree) -> Trial:
    keys, messages = [], [machine.SETUP]
    for (key, more), number in zip(requests(), count(), strict=False):
        channel, mode, operation, _ = key
        keys.append(key)
        wanted = Operation(channel, mode, operation, 0, 0)
        messages.append(machine.cell(wanted, 0, number, **more))
    channels = [c for c in tree.listing()["channels"] if c["name"] == "counter"]
    others = [
        {"do": "lifecycle", "channel": "counter"},
        *properties.requests(channels),
        {"do": "hostile", "channel": "counter"},
    ]
    answers = machine.boot(tree.machine(machine.stock()), [*messages[:-1], *others, messages[-1]])
    by_id = {answer["id"]: answer for answer in answers if answer["re"] == "cell"}
    named = {
        (answer["re"], answer["channel"], answer.get("mode", "")): answer
        for answer in answers
        if answer["re"] in ("lifecycle", "probe", "hostile")
    }
    return Trial({key: by_id[number] for number, key in enumerate(keys)}, named)


@pytest.mark.parametrize("mode", MODES)
def test_each_cell_is_measured(trial: Trial, mode: str) -> None:
    cells = {key: cell for key, cell in trial.cells.items() if key[:2] == ("counter", mode)}
    assert len(cells) == 9
    for key, cell in cells.items():
        assert cell["status"] == "ok", f"{key}: {cell['reason']}"
        assert cell["validation"]["messages"] > 0
        assert not complaints(cell["log"])


def test_counts_that_add_up_lose_nothing(trial: Trial) -> None:
    """A burst of 32 comes from one interrupt, so it arrives as one notice."""
    cell = trial.cells["counter", "count", "stream", "bursts"]
    assert cell["delivered"] == cell["emitted"]
    assert sum(cell["lost"]) == 0


def test_what_was_coalesced_is_lost(trial: Trial) -> None:
    """A reader that ignores the number of events receives one of each burst."""
    cell = trial.cells["counter", "flag", "stream", "bursts"]
    bursts = [emitted // 32 for emitted in cell["emitted"]]
    assert cell["delivered"] == bursts
    assert sum(trial.cells["counter", "flag", "stream", "slow"]["lost"]) == 0


@pytest.mark.parametrize("mode", MODES)
def test_a_rate_is_found(trial: Trial, mode: str) -> None:
    """Each trial accounts for its events, and latencies count from events that were emitted."""
    cell = trial.cells["counter", mode, "stream", "search"]
    assert cell["bound"] in {"lost", "behind", "late"}
    assert sum(cell["lost"]) == 0
    trials = [
        dict(zip(cell["trials"], row, strict=True))
        for row in zip(*cell["trials"].values(), strict=True)
    ]
    assert not [text for trial in trials if (text := violation(trial))]
    slow = [trial for trial in trials if trial["interval"] >= 2 * cell["interval"]]
    assert slow
    for tried in slow:
        lost = tried["emitted"] - tried["refused"] - tried["delivered"]
        # A timer tick holds the reader up, and "flag" then takes two events for one.
        ticks = tried["emitted"] * tried["interval"] / TICK + 1
        assert lost <= (ticks if mode == "flag" else 0), tried
        assert tried["verdict"] == ("lost" if lost else "clean"), tried
    assert all(0 < trial["p50"] < trial["interval"] for trial in slow)


@pytest.mark.parametrize("mode", MODES)
def test_probes_confirm_the_claims(trial: Trial, tree: Tree, mode: str) -> None:
    answer = trial.others["probe", "counter", mode]
    found = answer["properties"]
    assert not {name: one["detail"] for name, one in found.items() if one["how"] == "failed"}
    assert found["queue_full"]["value"] == {"count": "adds up", "flag": "coalesces"}[mode]
    assert found["ordering"]["how"] == found["boundaries"]["how"] == "none"
    assert found["size_limit"]["value"] == {"notify": 0, "stream": 0}
    (channel,) = (c for c in tree.listing()["channels"] if c["name"] == "counter")
    only = [{**channel, "modes": [m for m in channel["modes"] if m["name"] == mode]}]
    assert not properties.contradictions(only, list(properties.of_answer(answer)))


def test_hostile_cases_and_lifecycle_pass(trial: Trial) -> None:
    hostile = trial.others["hostile", "counter", ""]
    assert hostile["status"] == "ok", hostile["reason"]
    assert len(hostile["cases"]) > 20
    assert trial.others["lifecycle", "counter", ""]["status"] == "ok"


def reason(trial: Trial, *key: str) -> str:
    channel, mode, operation, variant = key
    cell = trial.cells[channel, mode, operation, variant]
    assert cell["status"] == "fail", cell
    return str(cell["reason"])


def test_a_lost_event_is_no_coalesced_one(trial: Trial) -> None:
    """Every fourth event is lost, also the last one of the first stream."""
    assert "3 events of the 4" in reason(trial, "loser", "count", "stream", "slow")
    assert "no notice arrived after the newest event" in reason(
        trial, "loser", "flag", "stream", "slow"
    )


def test_an_invented_event_is_found(trial: Trial) -> None:
    assert "counted" in reason(trial, "inventor", "count", "stream", "slow")
    assert reason(trial, "inventor", "count", "notify", "") == "a count of 2 arrived for one event"


def test_an_event_that_was_refused_must_not_arrive(trial: Trial) -> None:
    assert reason(trial, "liar", "count", "notify", "").endswith(
        "events were refused (No buffer space available), but all of them arrived"
    )


def test_a_late_cell_says_what_was_emitted_refused_and_received(trial: Trial) -> None:
    late = f"did not end within {LATE_MS} ms: in the validation pass, the kernel half emitted"
    assert reason(trial, "silent", "count", "notify", "") == (
        f"{late} 1 events, none was refused, and the user half received 0"
    )
    assert reason(trial, "refuser", "count", "notify", "") == (
        f"{late} 1 events, of which the channel refused 1 (ENOBUFS), and the user half received 0"
    )
    assert reason(trial, "loser", "count", "notify", "") == (
        f"{late} 4 events, none was refused, and the user half received 3"
    )


def test_a_misnamed_emitter_is_no_skip(trial: Trial, tree: Tree) -> None:
    """It fails its cells on any kernel, and before that the check of the sources finds it."""
    assert reason(trial, "misnamed", "flag", "notify", "").startswith(
        'modules/misnamed/kernel.c has no emitter "flag"'
    )
    assert trial.cells["misnamed", "count", "notify", ""]["status"] == "ok"
    found = contract.mistakes(tree.modules, tree.listing()["channels"])
    assert {mistake.partition(":")[0] for mistake in found} == {
        'modules/misnamed/kernel.c has no emitter for the mode "flag", which has notify, stream or '
        "upcall",
        'modules/misnamed/kernel.c has the emitter "bell", but no mode with notify, stream or '
        "upcall has that name",
    }


def test_a_crash_names_its_function(trial: Trial) -> None:
    """The thread that emits dies, so the cell does not end, and the log says why."""
    cell = trial.cells["crashing", "count", "notify", ""]
    assert cell["status"] == "fail"
    sentence = verdict(cell["log"])
    assert sentence.startswith("The kernel logged: BUG: ")
    assert ", at crashing_emit+0x" in sentence
    assert sentence.endswith(" [ringcross_crashing]")


def test_a_crash_in_an_interrupt_names_its_function(tree: Tree, tmp_path: Path) -> None:
    """The machine panics, and the error of the lost machine says where."""
    wanted = Operation("crashing", "count", "notify", 0, 0)
    with pytest.raises(KernelPanic, match=r", at crashing_emit\+0x\w+ \[ringcross_crashing\]"):
        machine.boot(
            tree.machine(machine.stock()),
            [machine.SETUP, machine.cell(wanted, 0, 0, context="hardirq")],
        )
