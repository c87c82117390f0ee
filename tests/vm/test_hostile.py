# SPDX-License-Identifier: GPL-2.0-only
"""Hostile input from user space to every kernel half, on a booted kernel.

The kernel is booted with debugging options: it checks small allocations for overruns and use
after free, and records which code allocated them.  It also preempts threads inside system calls,
so that races occur even on one CPU.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bench.errors import RingcrossError
from bench.kernels import build
from bench.paths import ROOT
from bench.targets.base import Deadlines
from bench.targets.kernel_log import complaints
from bench.targets.vm import VmTarget
from tests.vm import machine
from tests.vm.machine import Answer
from tests.vm.several_cpus import SeveralCpus

pytestmark = pytest.mark.vm

DEBUGGING = ("preempt=full", "slub_debug=FZPU,kmalloc-*")
HARMLESS = re.compile(
    r"loading out-of-tree module taints kernel|module verification failed"
    # Loads with wrong parameters.
    r"|ringcross_modparam: .* (?:invalid|too large) for parameter|boot: string doesn't fit"
    r"|ringcross_modparam: unknown parameter"
    # Expected in floods of events.
    r"|hrtimer: interrupt took"
    # Netlink logs this for attributes that do not fill their message.
    r"|netlink: \d+ bytes leftover after parsing attributes"
    r"|__nla_validate_parse: \d+ callbacks suppressed"
    # From the case that requests an uncached mapping of /dev/mem beside a cached one.
    r"|x86/PAT: .* map pfn expected mapping type uncached-minus .* got write-back"
)
HALVES = [
    # The skeleton is not measured, but meant to be copied.
    *(() if machine.are_chosen() else ("core", "skeleton")),
    *(channel["name"] for channel in machine.channels() if channel["module"]),
]


@dataclass(frozen=True)
class Attack:
    """The outcome of one boot.

    Attributes:
        answers: answers to hostile requests, by channel.
        error: why the session ended early; empty if it did not.
    """

    answers: dict[str, Answer]
    error: str


def attack(target: VmTarget, halves: Sequence[str] = HALVES) -> Attack:
    """Run the hostile cases of *halves*, in one boot."""
    answers: dict[str, Answer] = {}
    requests = [
        {"do": "setup", "clock": target.clock},
        *({"do": "hostile", "channel": half} for half in halves),
    ]
    target = replace(target, append=(*target.append, *DEBUGGING), deadlines=Deadlines(silence=120))
    try:
        with target.start(requests, seed=1) as session:
            for answer in session.answers():
                if answer["re"] == "hostile":
                    answers[answer["channel"]] = answer
    except RingcrossError as error:
        return Attack(answers, str(error))
    return Attack(answers, "")


@pytest.fixture(scope="module")
def one_cpu() -> Attack:
    """One CPU under icount: each boot has the same outcome, so a failure can be repeated."""
    return attack(machine.machine())


@pytest.fixture(scope="module")
def two_cpus() -> Attack:
    return attack(SeveralCpus.of(machine.machine("tcg"), 2))


def check(attacked: Attack, half: str) -> None:
    assert half in attacked.answers, attacked.error
    answer = attacked.answers[half]
    failed = [case for case in answer["cases"] if not case["ok"]]
    assert not failed
    assert answer["status"] == "ok", answer["reason"]
    assert len(answer["cases"]) > 20
    assert not complaints(answer["log"])
    assert [line for line in answer["log"] if not HARMLESS.search(line)] == []


@pytest.mark.contract
@pytest.mark.parametrize("half", HALVES)
def test_kernel_half_takes_nothing_on_trust(one_cpu: Attack, half: str) -> None:
    """Each has a hostile.c, all of its cases pass, and the kernel log has no complaint."""
    check(one_cpu, half)


@pytest.mark.contract
@pytest.mark.parametrize("half", HALVES)
def test_cases_tell_what_was_tried(one_cpu: Attack, half: str) -> None:
    """Ordinary use is validated before and after the hostile cases; then the module is unloaded."""
    names = [case["name"] for case in one_cpu.answers[half]["cases"]]
    assert names[0].startswith("before: ")
    assert names[-1].startswith("afterwards: unload ringcross_")
    validated = [name.removeprefix("before: ") for name in names if name.startswith("before: ")]
    assert {f"afterwards: {name}" for name in validated} <= set(names)
    assert "afterwards: pieces of memory still held" in names


@pytest.mark.contract
@pytest.mark.slow
@pytest.mark.parametrize("half", HALVES)
def test_nor_does_it_with_two_cpus(two_cpus: Attack, half: str) -> None:
    check(two_cpus, half)


@pytest.mark.slow
def test_nor_does_relay_with_four_cpus() -> None:
    """relay has a buffer for each CPU, and one reader for all buffers."""
    check(attack(SeveralCpus.of(machine.machine("tcg"), 4), ["relay"]), "relay")


WAKING = ("ring", "mmap", "chardev", "procfs", "debugfs")
"""Kernel halves that leave out the wake-up of a reader that is awake."""


@pytest.mark.slow
def test_no_wakeup_is_lost_with_four_cpus() -> None:
    """The reader and the producer run at the same time, and neither waits for the other."""
    attacked = attack(SeveralCpus.of(machine.machine("tcg"), 4), WAKING)
    for half in WAKING:
        check(attacked, half)


BROKEN = {
    "core": (
        "core/kernel.c",
        " || spec.burst > RCX_BURST_MAX",
        "",
        "emit: a burst of 4 billion",
    ),
    "procfs": (
        "procfs/kernel.c",
        "\trcx_events_release(inode, file);\n\tmodule_put(THIS_MODULE);",
        "\trcx_events_release(inode, file);",
        "afterwards: unload ringcross_procfs",
    ),
    "sysfs": (
        "sysfs/kernel.c",
        "off != binary->got || ",
        "",
        "message_bin: a gap",
    ),
    "debugfs": (
        "core/file.c",
        "\trcx_file_free(&events->file);\n",
        "",
        "afterwards: pieces of memory still held",
    ),
    "modparam": (
        "modparam/kernel.c",
        "len > RCX_MODPARAM_GET_MAX",
        "false",
        "transaction: a byte too long",
    ),
    "sysctl": (
        "sysctl/kernel.c",
        "\t\treturn -EINVAL;\n\t*lenp = 0;",
        "\t\treturn 0;\n\t*lenp = 0;",
        "message: write further on",
    ),
    "netlink": (
        "netlink/kernel.c",
        "!netlink_capable(skb, CAP_NET_ADMIN)",
        "false",
        "another user: join",
    ),
    # The first events still wake, so that the channel seems to work.
    "mmap": (
        "mmap/kernel.c",
        "(state)->tail) == before)",
        "(state)->tail) == before && before < 64)",
        "ring to the user, 8 slots: events that woke nobody, process, 1 every 20000 ns",
    ),
    "ring": (
        "ring/kernel.c",
        "return wake_at - before < state->out - before;",
        "return wake_at - before < state->out - before && before < 64;",
        "poll, 8 slots, batches of 4: events that woke nobody, process, 1 every 20000 ns",
    ),
    "chardev": (
        "core/readers.c",
        "queued + 1 == batch || event->last",
        "(queued + 1 == batch && reader->head < 64) || event->last",
        "chardev/events: events that woke nobody, process, 1 every 20000 ns",
    ),
}
"""By folder: a file, a check in it, its replacement, and the case that must fail then."""


@pytest.mark.slow
def test_checks_that_are_taken_out_are_missed(tmp_path: Path) -> None:
    """A case must fail if the check that it tests is removed."""
    source = ROOT / "modules"
    tree = shutil.copytree(source, tmp_path / "modules")
    for path, check, replacement, _ in BROKEN.values():
        text = (tree / path).read_text()
        assert text.count(check) == 1, (path, check)
        (tree / path).write_text(text.replace(check, replacement))
    kernel = machine.stock()
    modules = build.build_modules(kernel, tree, tmp_path / "build")
    broken = attack(replace(machine.machine(kernel=kernel), modules=modules), list(BROKEN))
    for half, (*_, case) in BROKEN.items():
        assert half in broken.answers, broken.error
        failed = [c["name"] for c in broken.answers[half]["cases"] if not c["ok"]]
        assert case in failed, half
