# SPDX-License-Identifier: GPL-2.0-only
"""Channels to another process, on this machine: they need no module, and no root.

The peer plays the part of rcx_core. What it counts must be right, what it finds wrong must
be told, and it must not live a moment longer than the cell that it is for.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bench.targets.protocol import Answer, Decoder
from tests.agent.test_agent import PIPE, SETUP, TIMEOUT, Request, line_of, run, talk

PUSH = {**PIPE, "channel": "pipe", "mode": "pair", "operation": "push"}
LONG = {"rounds": 1000, "round_units": 1_000_000_000, "deadline_ms": 60_000}
PATIENCE = 60.0  # seconds, for what takes none on a quiet machine
EACH = [
    ("pipe", "batch"),
    ("pipe", "pair"),
    ("pipe", "splice"),
    ("pipe", "vmsplice"),
    ("posixmq", "queue"),
    ("shm", "futex"),
    ("shm", "yield"),
    ("unixsock", "batch"),
    ("unixsock", "seqpacket"),
    ("unixsock", "splice"),
    ("unixsock", "stream"),
    ("unixsock", "trunc"),
]


@pytest.fixture(scope="module")
def listed(agent: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """The modes of all references."""
    return {
        (channel["name"], mode["name"]): mode
        for channel in json.loads(run(agent, "--list").stdout)["channels"]
        if channel["reference"]
        for mode in channel["modes"]
    }


def have(cell: Answer) -> Answer:
    """The cell, unless this kernel or this user cannot have it."""
    if cell["status"] == "skip":
        pytest.skip(cell["reason"])
    assert cell["status"] == "ok", cell["reason"]
    return cell


# ---- what they measure --------------------------------------------------------


def test_these_are_all(listed: dict[tuple[str, str], dict[str, Any]]) -> None:
    assert sorted(listed) == EACH


@pytest.mark.parametrize("name", EACH, ids="-".join)
@pytest.mark.parametrize("size", [0, 8, 5000, 100_000])
def test_the_peer_counts_what_was_sent(
    agent: Path, listed: dict[tuple[str, str], dict[str, Any]], name: tuple[str, str], size: int
) -> None:
    """Each message is proved whole first; events and losses add up."""
    operations = listed[name]["operations"]
    asked = [
        {**PUSH, "channel": name[0], "mode": name[1], "operation": op, "size": size}
        for op in operations
    ]
    for operation, cell in zip(operations, talk(agent, SETUP, *asked).cells(), strict=True):
        proof = have(cell)["validation"]
        assert (proof["bad"], proof["made"]) == (0, 0)
        assert proof["messages"] > 0
        sent = proof["messages"] if operation in ("push", "call") else 0
        assert proof["consumed"] == sent
        if operation == "stream":
            rounds = zip(cell["emitted"], cell["delivered"], cell["lost"], strict=True)
            assert all(emitted == arrived + lost for emitted, arrived, lost in rounds)
            assert cell["refused"] == cell["lost"]


@pytest.mark.parametrize("name", EACH, ids="-".join)
def test_an_event_takes_a_plausible_time(
    agent: Path, listed: dict[tuple[str, str], dict[str, Any]], name: tuple[str, str]
) -> None:
    """From the peer's stamp, just before it writes, to the event in the reader's hand."""
    waits = listed[name]["operations"].get("notify", {}).get("waits", [])
    asked = [
        {**PUSH, "channel": name[0], "mode": name[1], "operation": "notify", "wait": wait}
        for wait in waits
        if wait != "busy" or len(os.sched_getaffinity(0)) > 1
    ]
    for cell in talk(agent, SETUP, *asked).cells():
        assert have(cell)["context"] == "process"
        assert 50 < min(cell["samples"]) < 5e6
        assert 50 < statistics.median(cell["rounds"]) / cell["n"] < 1e9


def test_events_come_at_their_rate(agent: Path) -> None:
    """A burst of four each two milliseconds; latencies are counted from when it was due."""
    paced = {"operation": "stream", "interval": 2_000_000, "burst": 4, "round_units": 20_000_000}
    cell = have(*talk(agent, SETUP, PUSH | paced).cells())
    assert cell["interval"] == 2_000_000
    for emitted, span in zip(cell["emitted"], cell["span"], strict=True):
        assert emitted % 4 == 0
        assert span >= (emitted // 4 - 1) * 2_000_000 - 10_000
    assert len(cell["samples"]) > 0
    assert min(cell["samples"]) < 50e6


def test_a_queue_that_is_full_refuses(agent: Path) -> None:
    stream = {"operation": "stream", "queue": 4096, "size": 2000, "round_units": 3_000_000}
    cell = have(*talk(agent, SETUP, PUSH | stream).cells())
    assert sum(cell["emitted"]) == sum(cell["delivered"]) + sum(cell["refused"])


@pytest.mark.parametrize("name", EACH, ids="-".join)
@pytest.mark.parametrize("operation", ["push", "call"])
def test_each_thread_has_a_peer_of_its_own(
    agent: Path, listed: dict[tuple[str, str], dict[str, Any]], name: tuple[str, str],
    operation: str,
) -> None:  # fmt: skip
    if operation not in listed[name]["operations"]:
        pytest.skip("This mode has not got it.")
    asked = {**PUSH, "channel": name[0], "mode": name[1], "operation": operation}
    (cell,) = map(have, talk(agent, SETUP, asked | {"threads": 3}).cells())
    # 16 by each, or 4 where the first ones took as long as what makes a process.
    assert cell["validation"]["messages"] in (3 * 16, 3 * 4)
    assert cell["validation"]["consumed"] == cell["validation"]["messages"]


@pytest.mark.parametrize("context", ["softirq", "hardirq"])
def test_a_process_is_no_interrupt(agent: Path, context: str) -> None:
    (cell,) = talk(agent, SETUP, PUSH | {"operation": "notify", "context": context}).cells()
    assert cell["status"] == "skip"
    assert cell["reason"] == f"the peer cannot emit from {context} context"


def test_probes_find_what_a_pipe_is(agent: Path) -> None:
    asked = {"do": "probe", "channel": "pipe", "mode": "pair"}
    (one,) = (a for a in talk(agent, SETUP, asked).between if a["re"] == "probe")
    found = one["properties"]
    assert not [p for p in found.values() if p["how"] == "failed"]
    assert found["boundaries"]["value"] == "not kept"
    assert found["queue_full"]["value"] == "refuses newest"
    assert found["readers"]["value"] == "share"
    assert found["syscalls"]["value"]["push"] == 1
    assert "another process" in found["kernel_initiated"]["detail"]


# ---- how a peer ends ------------------------------------------------------------


@dataclass(frozen=True)
class Process:
    """A line of /proc/PID/stat, as far as it is of use here."""

    pid: int
    name: str
    state: str = field(compare=False)
    parent: int


def processes() -> Iterator[Process]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            before, _, after = path.read_text().rpartition(")")
        except OSError:
            continue
        pid, _, name = before.partition(" (")
        state, parent = after.split()[:2]
        yield Process(int(pid), name, state, int(parent))


def soon(look: Callable[[], Any]) -> Any:
    """What ``look`` finds, as soon as it finds something."""
    end = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < end, "in vain"
        time.sleep(0.005)
    return found


def peer_of(agent: int) -> Process | None:
    """The peer of the cell that is running: grandchild of the agent."""
    found = list(processes())
    cells = {process.pid for process in found if process.parent == agent}
    peers = (p for p in found if p.name == "rcx_peer" and p.parent in cells and p.state != "Z")
    return next(peers, None)


def settled(agent: int, seconds: float = 0.05) -> Process | None:
    """The same, when it is not just about to end with the proof or the cell."""
    peer = peer_of(agent)
    time.sleep(seconds)
    return peer if peer == peer_of(agent) else None


def lives(pid: int) -> bool:
    return any(process.pid == pid and process.state != "Z" for process in processes())


@contextmanager
def running(agent: Path, *requests: Request) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [agent, "--modules", "/nonexistent"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(b"".join(line_of(request) + b"\n" for request in requests))
        process.stdin.flush()
        try:
            yield process
        finally:
            process.kill()


def answers_of(process: subprocess.Popen[bytes]) -> list[Answer]:
    """The cells, once the agent has come to its end."""
    out, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, errors.decode()
    assert b"anitizer" not in errors
    return [answer for answer in Decoder().feed(out) if answer["re"] == "cell"]


@pytest.mark.parametrize("name", EACH, ids="-".join)
@pytest.mark.parametrize("operation", ["push", "call", "notify", "stream"])
def test_a_peer_that_is_killed_fails_the_cell(
    agent: Path, listed: dict[tuple[str, str], dict[str, Any]], name: tuple[str, str],
    operation: str,
) -> None:  # fmt: skip
    """At once and in one sentence, wherever the user half waits; the next cell is fine."""
    if operation not in listed[name]["operations"]:
        pytest.skip("This mode has not got it.")
    asked = {**PUSH, **LONG, "channel": name[0], "mode": name[1], "operation": operation}
    # A stream has one more peer before, which shows what the producer itself costs.
    seconds = 0.5 if operation == "stream" else 0.05
    with running(agent, SETUP, asked, PUSH) as process:
        peer = soon(lambda: settled(process.pid, seconds))
        os.kill(peer.pid, signal.SIGKILL)
        failed, good = answers_of(process)
    assert failed["status"] == "fail"
    assert failed["reason"] == "the peer was killed by signal 9 (Killed)"
    assert good["status"] == "ok"


def test_what_the_peer_finds_wrong_is_the_reason(agent: Path) -> None:
    """Somebody else writes into the pipe: the peer notices, and says so."""
    with running(agent, SETUP, {**PUSH, **LONG, "size": 2000}, PUSH) as process:
        peer = soon(lambda: settled(process.pid))
        ends = (
            path
            for path in Path(f"/proc/{peer.parent}/fd").iterdir()
            if int(path.name) > 2 and str(path.readlink()).startswith("pipe:")
        )
        with next(ends).open("wb", buffering=0) as pipe:
            pipe.write(b"x" * 2024)
        failed, good = answers_of(process)
    assert failed["status"] == "fail"
    assert failed["reason"].startswith("the peer has ended: message ")
    assert failed["reason"].endswith("arrived broken, with 2024 bytes")
    assert good["status"] == "ok"


@pytest.mark.parametrize("end", ["deadline", "agent", "cell"])
def test_no_peer_outlives_its_cell(agent: Path, end: str) -> None:
    """It ends with the cell's process, whatever that ends of."""
    asked = {**PUSH, **LONG, "deadline_ms": 1000 if end == "deadline" else 60_000}
    with running(agent, SETUP, asked) as process:
        peer = soon(lambda: settled(process.pid))
        if end == "agent":
            process.kill()
        if end == "cell":
            os.kill(peer.parent, signal.SIGKILL)
        soon(lambda: not lives(peer.pid))


def program_of(pid: int) -> Path | None:
    """The file that a process runs; None if the process has ended."""
    try:
        return Path(f"/proc/{pid}/exe").readlink()
    except OSError:
        return None


def peers_of_any_cell(agent: Path) -> set[int]:
    """The peers that run this very build of the agent: another test session has its own."""
    return {
        process.pid
        for process in processes()
        if process.name == "rcx_peer" and program_of(process.pid) == agent
    }


def test_after_a_good_cell_nobody_is_left(agent: Path) -> None:
    before = peers_of_any_cell(agent)
    (cell,) = talk(agent, SETUP, PUSH | {"threads": 3}).cells()
    assert cell["status"] == "ok", cell["reason"]
    assert not peers_of_any_cell(agent) - before
