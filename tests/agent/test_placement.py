# SPDX-License-Identifier: GPL-2.0-only
"""Where the agent and its peers run on this machine, and the hardware events of the user side."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from bench.plan.factors import PLACEMENTS
from tests.agent.test_agent import PIPE, SETUP, line_of, listen, run, talk

CALL = PIPE | {"channel": "pipe", "mode": "pair"}
EVENTS = ("cycles_user", "cycles_kernel", "instructions_user", "instructions_kernel")
PARANOID = Path("/proc/sys/kernel/perf_event_paranoid")
NOBODY = 65534


def placements(agent: Path, *prefix: str) -> dict[str, list[int]]:
    """The placements of this machine, with the CPUs of both ends."""
    done = subprocess.run([*prefix, agent, "--placements"], capture_output=True, check=True)
    found: dict[str, list[int]] = json.loads(done.stdout)["placements"]
    return found


def cpus(path: str) -> set[int]:
    """A list of CPUs below /sys/devices/system/cpu, such as 0-3,8."""
    text = Path("/sys/devices/system/cpu", path).read_text().strip()
    ranges = [part.partition("-") for part in text.split(",") if part]
    return {cpu for a, _, b in ranges for cpu in range(int(a), int(b or a) + 1)}


def socket(cpu: int) -> str:
    return Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/physical_package_id").read_text()


# ---- placement -----------------------------------------------------------------------------


def test_the_placements_are_those_of_the_topology(agent: Path) -> None:
    found = placements(agent)
    usable = os.sched_getaffinity(0) | cpus("isolated")
    assert "same-cpu" in found
    assert set(found) <= set(PLACEMENTS)
    for name, (user, other) in found.items():
        assert {user, other} <= usable
        siblings = cpus(f"cpu{user}/topology/thread_siblings_list")
        assert (user == other) == (name == "same-cpu")
        assert (other in siblings - {user}) == (name == "smt-sibling")
        assert (socket(user) != socket(other)) == (name == "cross-socket")
    assert len(found) == 1 or len(usable) > 1
    assert len(found) > 1 or len(usable) == 1


def test_an_agent_that_may_use_one_cpu_has_one_placement(agent: Path) -> None:
    cpu = min(os.sched_getaffinity(0))
    if cpus("isolated"):
        pytest.skip("the agent uses isolated CPUs in addition to those of its start")
    assert placements(agent, "taskset", "-c", str(cpu)) == {"same-cpu": [cpu, cpu]}


def test_both_ends_run_where_they_are_placed(agent: Path) -> None:
    """Each placement is measured on its CPUs, or skipped with its reason."""
    available = placements(agent)
    requests = [CALL | {"id": n, "placement": name} for n, name in enumerate(PLACEMENTS)]
    cells = talk(agent, SETUP, *requests).cells()
    for name, answer in zip(PLACEMENTS, cells, strict=True):
        if name in available:
            assert answer["status"] == "ok", answer["reason"]
            assert [answer["user_cpu"], answer["other_cpu"]] == available[name]
            assert answer["placement"] == name
        else:
            assert answer["status"] == "skip"
            assert re.match(r"No two of the \d+ CPUs .*\.$|There is only one CPU", answer["reason"])


def test_the_usual_placement_is_the_same_cpu(agent: Path) -> None:
    (answer,) = talk(agent, SETUP, CALL).cells()
    assert answer["placement"] == "same-cpu"
    assert answer["user_cpu"] == answer["other_cpu"] == placements(agent)["same-cpu"][0]


def test_what_has_one_end_is_pinned_too(agent: Path) -> None:
    usual, placed = talk(agent, SETUP, PIPE, PIPE | {"placement": "same-llc"}).cells()
    assert (usual["placement"], usual["other_cpu"]) == ("", None)
    assert usual["user_cpu"] == placements(agent)["same-cpu"][0]
    assert placed["status"] == "skip"
    assert "no other end" in placed["reason"]


@pytest.mark.parametrize("value", ["near", 3, ["same-llc"], None])
def test_a_placement_that_is_none_fails(agent: Path, value: Any) -> None:
    (answer,) = talk(agent, SETUP, CALL | {"placement": value}).cells()
    assert answer["status"] == "fail"
    assert answer["reason"].startswith("there is no placement")


def test_counted_instructions_have_no_other_cpu(agent: Path) -> None:
    setup = {"do": "setup", "clock": "instructions"}
    plain, placed = talk(agent, setup, CALL, CALL | {"placement": "same-llc"}).cells()
    assert plain["status"] == "ok", plain["reason"]
    assert not {"placement", "user_cpu", "other_cpu", "events"} & set(plain)
    assert placed["status"] == "skip"
    assert placed["reason"] == "The machine that counts instructions has only one CPU."


def test_an_end_that_was_moved_fails_the_cell(agent: Path) -> None:
    available = placements(agent)
    others = os.sched_getaffinity(0) - set(available["same-cpu"])
    if not others:
        pytest.skip("there is only one CPU")
    long = CALL | {"rounds": 150, "round_units": 2_000_000, "deadline_ms": 90_000}
    process = subprocess.Popen([agent], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)  # fmt: skip
    assert process.stdin
    process.stdin.write(line_of(SETUP) + b"\n" + line_of(long) + b"\n")
    process.stdin.close()
    process.stdin = None
    os.sched_setaffinity(measuring_peer(process.pid), others)
    out, errors = process.communicate(timeout=120)
    done = subprocess.CompletedProcess([], process.returncode, out, errors)
    (answer,) = listen(done).cells()
    assert answer["status"] == "fail"
    assert re.match(r"the peer ran on CPU \d+ instead of CPU \d+", answer["reason"])


def measuring_peer(agent: int) -> int:
    """The peer of the rounds, once it has used processor time; the first one only validates."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                text = path.read_text()
            except OSError:  # it has just ended
                continue
            if "(rcx_peer)" in text and belongs_to(int(path.parent.name), agent):
                used = sum(map(int, text.rpartition(")")[2].split()[11:13]))
                if used >= 5:  # clock ticks of 10 ms
                    return int(path.parent.name)
        time.sleep(0.01)
    raise AssertionError("no peer")


def belongs_to(process: int, agent: int) -> bool:
    """Whether a process is a grandchild of the agent."""
    for _ in range(2):
        try:
            stat = Path(f"/proc/{process}/stat").read_text()
        except OSError:
            return False
        process = int(stat.rpartition(")")[2].split()[1])
    return process == agent


# ---- both ends of a stream ------------------------------------------------------------------


def test_what_a_reader_needs_is_unknown_while_it_spins(agent: Path) -> None:
    """Its processor time is then the length of the stream."""
    other = next((name for name in placements(agent) if name != "same-cpu"), "")
    if not other:
        pytest.skip("there is only one CPU")
    stream = CALL | {"operation": "stream", "placement": other}
    polls, spins = talk(agent, SETUP, *(stream | {"wait": w} for w in ("poll", "busy"))).cells()
    for answer in (polls, spins):
        assert answer["status"] == "ok", answer["reason"]
    assert all(value > 0 for value in polls["consumer"])
    assert set(spins["consumer"]) == {None}


# ---- hardware events ------------------------------------------------------------------------


def test_hardware_events_are_counted_or_have_a_reason(agent: Path) -> None:
    talked = talk(agent, SETUP, PIPE)
    (setup,) = (answer for answer in talked.answers if answer["re"] == "setup")
    (cell,) = talked.cells()
    assert set(cell["events"]) == set(EVENTS)
    if setup["events"]:
        assert setup["no_events"] == ""
        assert min(map(len, cell["events"].values())) == PIPE["rounds"]
        assert statistics.median(cell["events"]["instructions_kernel"]) > 100
    else:
        assert re.match(r"[A-Z].*\.$", setup["no_events"])
        assert not any(cell["events"].values())


def test_the_counters_are_read_per_operation(agent: Path) -> None:
    """With the thread's processor time in the place of each event, an event costs its time."""
    software = {"do": "setup", "clock": "time", "events": "software"}
    long = PIPE | {"rounds": 11, "round_units": 1_000_000}
    talked = talk(agent, software, long, long | {"threads": 2})
    (setup,) = (answer for answer in talked.answers if answer["re"] == "setup")
    if not setup["events"]:
        pytest.skip(f"this user may not count events: {setup['no_events']}")
    cell, threads = talked.cells()
    each = (statistics.median(cell["rounds"]) - cell["round_overhead"]) / cell["n"]
    for name in EVENTS:
        assert len(cell["events"][name]) == 11
        assert statistics.median(cell["events"][name]) == pytest.approx(each, rel=0.5)
    assert not any(threads.get("events", {}).values()), "they count one thread only"


def test_a_kernel_that_does_not_permit_it_says_how(agent: Path) -> None:
    if os.geteuid() != 0 or not PARANOID.exists() or int(PARANOID.read_text()) < 2:
        pytest.skip("a user without rights may count here, or cannot be tried")
    given = line_of({"do": "setup", "clock": "time", "events": "software"}) + b"\n"
    with Path(agent).open("rb") as program:  # in a folder that only root may enter
        done = subprocess.run([f"/proc/self/fd/{program.fileno()}"], input=given, user=NOBODY,
                              group=NOBODY, capture_output=True, pass_fds=(program.fileno(),),
                              timeout=60)  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    (setup,) = (answer for answer in answers if answer["re"] == "setup")
    assert not setup["events"]
    level = PARANOID.read_text().strip()
    assert f"kernel.perf_event_paranoid, which is {level}" in setup["no_events"]


def test_the_usage_names_the_option(agent: Path) -> None:
    assert b"--placements" in run(agent, "--help").stdout
