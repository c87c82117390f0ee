# SPDX-License-Identifier: GPL-2.0-only
"""The agent on this machine, with sanitizers: it measures, refuses nonsense, and goes on.

Only stock system calls are measured, so nothing is loaded into this kernel. The
requests that hang or crash a machine are never sent.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bench.plan.cells import OPERATIONS
from bench.targets.local import recorded
from bench.targets.protocol import Answer, Decoder

ROOT = Path(__file__).parents[2]
TIMEOUT = 120

Request = dict[str, Any] | bytes

SETUP: Request = {"do": "setup", "clock": "time"}
PIPE = {
    "do": "cell",
    "id": 1,
    "channel": "syscall",
    "mode": "pipe",
    "operation": "call",
    "size": 64,
    "rounds": 3,
    "round_units": 20_000,
    "samples": 5,
    "context": "default",
    "burst": 1,
    "interval": 0,
    "deadline_ms": 20_000,
}


@dataclass
class Talk:
    """What one run of the agent said.

    Attributes:
        answers: all of them.
        errors: its standard error.
        status: how it exited.
        between: the answers without the first and the last.
    """

    answers: list[Answer]
    errors: str
    status: int
    between: list[Answer] = field(init=False)

    def __post_init__(self) -> None:
        self.between = self.answers[1:-1]

    def cells(self) -> list[Answer]:
        return [answer for answer in self.answers if answer["re"] == "cell"]


def run(agent: Path, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([agent, *arguments], input=given, capture_output=True, timeout=TIMEOUT)


def line_of(request: Request) -> bytes:
    return request if isinstance(request, bytes) else json.dumps(request).encode()


def talk(agent: Path, *requests: Request) -> Talk:
    """Send the requests, a line each, and check that the agent came to its end unharmed."""
    given = b"".join(line_of(request) + b"\n" for request in requests)
    return listen(run(agent, "--modules", "/nonexistent", given=given))


def listen(done: subprocess.CompletedProcess[bytes]) -> Talk:
    decoder = Decoder()
    answers = list(decoder.feed(done.stdout))
    decoder.finish()
    told = Talk(answers, done.stderr.decode(errors="replace"), done.returncode)
    assert told.status == 0, told.errors
    assert "anitizer" not in told.errors
    assert "runtime error" not in told.errors
    assert answers[0]["re"] == "hello"
    assert answers[-1] == {"re": "end"}
    return told


def sane(number: int) -> Request:
    return {**PIPE, "id": number}


# ---- what it says of itself --------------------------------------------------


def test_list_names_channels_whose_registrations_are_right(agent: Path) -> None:
    done = run(agent, "--list")
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""
    listing = json.loads(done.stdout)
    assert listing["protocol"] == 2
    names = [channel["name"] for channel in listing["channels"]]
    assert len(set(names)) == len(names)
    assert {"null", "syscall", "ioctl"} <= set(names)
    assert "skeleton" not in names, "it is a model, and not measured"


def test_every_channel_does_each_operation_or_says_why_not(agent: Path) -> None:
    for channel in json.loads(run(agent, "--list").stdout)["channels"]:
        done = {name for mode in channel["modes"] for name in mode["operations"]}
        assert not done & set(channel["unsupported_reason"]), channel["name"]
        assert done | set(channel["unsupported_reason"]) == set(OPERATIONS)
        for sentence in channel["unsupported_reason"].values():
            assert sentence.endswith("."), sentence
            assert sentence[0].isupper(), sentence


def test_a_mode_has_operations_or_says_why_it_happens_once(agent: Path) -> None:
    for channel in json.loads(run(agent, "--list").stdout)["channels"]:
        for mode in channel["modes"]:
            assert bool(mode["operations"]) != ("one_shot_reason" in mode), (
                channel["name"],
                mode["name"],
            )
            if "one_shot_reason" in mode:
                assert any(word.startswith(f"{channel['module']}.") for word in channel["boot"])


def test_usage(agent: Path) -> None:
    assert b"--list" in run(agent, "--help").stdout
    assert run(agent, "--help").returncode == 0
    assert run(agent, "--wrong", "x").returncode == 2
    assert run(agent, "--in").returncode == 2
    missing = run(agent, "--in", "/nonexistent/requests")
    assert missing.returncode == 1
    assert b"/nonexistent/requests" in missing.stderr


def test_requests_and_answers_may_be_files(agent: Path, tmp_path: Path) -> None:
    asked, told = tmp_path / "requests", tmp_path / "answers"
    asked.write_bytes(line_of(SETUP) + b"\n" + line_of(PIPE) + b"\n")
    done = run(agent, "--in", str(asked), "--out", str(told))
    assert done.stdout == b""
    done.stdout = told.read_bytes()
    assert [a["re"] for a in listen(done).between] == ["setup", "begin", "cell"]


def test_the_record_of_loaded_modules_is_a_file_of_free_slots(agent: Path, tmp_path: Path) -> None:
    """Nothing is loaded here: what a load writes is seen in a guest, by tests/vm."""
    if Path("/sys/module/ringcross_core").exists():
        pytest.skip("ringcross_core is loaded into this kernel")
    record, cell = tmp_path / "loaded", {**PIPE, "channel": "null", "mode": "handler", "size": 0}
    record.write_text("of a former run")
    asked = b"\n".join(map(line_of, (SETUP, cell))) + b"\n"
    options = ("--modules", str(tmp_path), "--loaded", str(record))
    failed = listen(run(agent, *options, given=asked)).cells()[0]
    assert failed["reason"] == "cannot load ringcross_core: No such file or directory"
    assert record.read_bytes() == bytes(4096)
    assert recorded(record) == []


def test_a_record_that_cannot_be_kept_is_an_error(agent: Path) -> None:
    done = run(agent, "--loaded", "/nonexistent/loaded")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"/nonexistent/loaded" in done.stderr


# ---- what it measures --------------------------------------------------------


@pytest.mark.parametrize("clock", ["time", "instructions"])
def test_setup_knows_its_own_cost(agent: Path, clock: str) -> None:
    (setup,) = talk(agent, {"do": "setup", "clock": clock}).between
    assert setup["clock"] == clock
    assert 0 < setup["read"] < 10_000
    assert 0 <= setup["loop"] <= 5


def test_a_round_is_long_enough_for_the_clock(agent: Path) -> None:
    """However short a round is asked for, it is one whose length the clock can tell."""
    short = {**PIPE, "mode": "getppid", "size": 0, "round_units": 1000, "samples": 0}
    setup, _, cell = talk(agent, SETUP, short).between
    enough = setup["min_round"]
    if enough is None:  # a machine so loud that no length is
        return
    assert enough >= 10_000
    assert statistics.median(cell["rounds"]) > enough / 3
    (counted,) = talk(agent, {"do": "setup", "clock": "instructions"}).between
    assert counted["min_round"] == 0, "each instruction is counted"


@pytest.mark.parametrize(("size", "control_size"), [(0, 8), (64, 64), (1 << 20, 65536)])
def test_a_control_stands_before_each_round_and_after_the_last(
    agent: Path, size: int, control_size: int
) -> None:
    mode = {"mode": "getppid"} if size == 0 else {}
    asked = {**PIPE, **mode, "size": size, "rounds": 4}
    beside, alone = talk(agent, SETUP, {**asked, "control_units": 50_000}, asked).cells()
    assert beside["status"] == "ok", beside["reason"]
    assert len(beside["controls"]) == len(beside["rounds"]) + 1
    assert beside["control_size"] == control_size
    assert statistics.median(beside["controls"]) > 50_000 / 3
    assert 0 < beside["control_overhead"] < 50_000 / 3
    assert not [field for field in alone if "control" in field]


def test_controls_use_no_processor_time_of_the_cell(agent: Path) -> None:
    asked = {**PIPE, "rounds": 3, "round_units": 20_000, "control_units": 5_000_000}
    (cell,) = talk(agent, SETUP, asked).cells()
    least = len(cell["controls"]) * 5_000_000 / 2  # their length is an estimate
    assert sum(cell["controls"]) > least
    assert cell["cpu"]["user"] < least, "the rounds take a hundredth of it"


def syscall_cells(agent: Path) -> Iterator[dict[str, Any]]:
    listing = json.loads(run(agent, "--list").stdout)
    (channel,) = (c for c in listing["channels"] if c["name"] == "syscall")
    for mode in channel["modes"]:
        for operation, limits in mode["operations"].items():
            sizes = {limits["min"], min(8, limits["max"]), min(5000, limits["max"]), limits["max"]}
            for size in sorted(sizes):
                yield {**PIPE, "mode": mode["name"], "operation": operation, "size": size}


@pytest.mark.parametrize("clock", ["time", "instructions"])
def test_system_calls_at_all_sizes(agent: Path, clock: str) -> None:
    asked = [{**cell, "id": number} for number, cell in enumerate(syscall_cells(agent))]
    assert len(asked) >= 19
    told = talk(agent, {"do": "setup", "clock": clock}, *asked)
    cost: dict[tuple[str, str, int], float] = {}
    for request, answer in zip(asked, told.cells(), strict=True):
        assert answer["status"] == "ok", (request, answer["reason"])
        assert answer["id"] == request["id"]
        assert len(answer["rounds"]) == 3
        assert len(answer["samples"]) == 5
        assert answer["validation"]["bad"] == 0
        total = statistics.median(answer["rounds"]) - answer["round_overhead"]
        each = total / answer["n"]
        assert 5 < each < 100e6, request
        cost[request["mode"], request["operation"], request["size"]] = each
    assert cost["memfd", "pull", 1 << 20] > 5 * cost["memfd", "pull", 8]
    assert cost["pipe", "call", 1 << 20] > 5 * cost["pipe", "call", 8]


def test_begin_stands_before_each_cell(agent: Path) -> None:
    told = talk(agent, SETUP, sane(5), sane(1 << 60)).between
    assert [(a["re"], a.get("id")) for a in told] == [
        ("setup", None),
        ("begin", 5),
        ("cell", 5),
        ("begin", 1 << 60),
        ("cell", 1 << 60),
    ]


@pytest.mark.parametrize("samples", [0, 1, 29, 31])
def test_no_more_samples_than_asked_for(agent: Path, samples: int) -> None:
    costly = {**PIPE, "size": 1 << 20, "round_units": 1000, "samples": samples}
    (cell,) = talk(agent, SETUP, costly).cells()
    assert cell["status"] == "ok", cell["reason"]
    assert len(cell["samples"]) == min(samples, 30), "30 are the least where one costs a lot"


def test_floors_grow_with_the_size(agent: Path) -> None:
    sizes = [0, 8, 4096, 1 << 20]
    floors = talk(agent, SETUP, {"do": "floors", "sizes": sizes}).between[1]
    assert list(floors["copy"]) == [str(size) for size in sizes]
    assert floors["copy"]["1048576"] > floors["copy"]["4096"] >= 0


def test_read_gives_text_or_null(agent: Path, tmp_path: Path) -> None:
    """Also of what is no text, would block, or is larger than what is kept."""
    binary, fifo, large = tmp_path / "binary", tmp_path / "fifo", tmp_path / "large"
    binary.write_bytes(bytes(range(256)))
    os.mkfifo(fifo)
    large.write_bytes("ü".encode() * 100_000)
    paths = [str(path) for path in (binary, fifo, large, tmp_path, tmp_path / "none")]
    (answer,) = talk(agent, {"do": "read", "paths": paths}).between
    files = answer["files"]
    assert files[paths[0]].startswith("".join(map(chr, range(128))) + "?")
    assert files[paths[1]] == ""
    assert set(files[paths[2]]) <= {"ü", "?"}
    assert len(files[paths[2]]) < 100_000
    assert files[paths[3]] is None
    assert files[paths[4]] is None


def test_lifecycle_of_a_channel_without_a_module(agent: Path) -> None:
    asked = ({"do": "lifecycle", "channel": name} for name in ("syscall", "nobody"))
    one, other = talk(agent, *asked).between
    assert (one["status"], one["reason"]) == ("ok", "")
    assert (other["status"], other["reason"]) == ("fail", "there is no such channel")


@pytest.mark.parametrize("name", ["syscall", "nobody", ""])
def test_nothing_is_hostile_where_there_is_nothing_to_be_hostile_to(agent: Path, name: str) -> None:
    (answer,) = talk(agent, {"do": "hostile", "channel": name}).between
    assert (answer["re"], answer["channel"], answer["status"]) == ("hostile", name, "fail")
    assert answer["reason"] == "it has no hostile.c"
    assert answer["cases"] == []


def test_nothing_is_hostile_without_the_module(agent: Path) -> None:
    if Path("/sys/module/ringcross_core").exists():
        pytest.skip("ringcross_core is loaded into this kernel")
    (answer,) = talk(agent, {"do": "hostile", "channel": "procfs"}).between
    assert answer["status"] == "fail"
    assert answer["reason"].startswith("cannot load ringcross_")
    assert answer["cases"] == []


XRAY = {key: PIPE[key] for key in ("channel", "mode", "operation", "size")} | {"do": "xray"}


def test_an_operation_without_the_tracer(agent: Path) -> None:
    told = talk(agent, SETUP, {**XRAY, "id": 7, "traced": False, "repeat": 3})
    begin, answer = told.between[1:]
    assert begin == {"re": "begin", "id": 7}
    assert (answer["re"], answer["id"], answer["status"]) == ("xray", 7, "ok"), answer
    assert answer["units"] > answer["overhead"] > 0
    assert "samples" not in answer


def test_the_tracer_of_a_machine_that_is_not_ours_is_left_alone(agent: Path) -> None:
    answer = talk(agent, SETUP, {**XRAY, "traced": True}).between[-1]
    assert (answer["re"], answer["status"]) == ("xray", "skip")
    assert "this one is shared" in answer["reason"]


@pytest.mark.parametrize("wrong", [{"repeat": 0}, {"repeat": "3"}, {"id": -1}])
def test_an_xray_asked_for_wrongly_is_an_error(agent: Path, wrong: dict[str, Any]) -> None:
    assert talk(agent, SETUP, XRAY | wrong).between[-1]["re"] == "error"


def test_an_xray_of_nothing_is_a_skip(agent: Path) -> None:
    answer = talk(agent, SETUP, {**XRAY, "channel": "nothing"}).between[-1]
    assert (answer["re"], answer["status"]) == ("xray", "skip")


def test_a_module_that_is_not_there_fails_its_cell(agent: Path) -> None:
    cell = {**PIPE, "channel": "ioctl", "mode": "direct"}
    if Path("/sys/module/ringcross_ioctl").exists():
        pytest.skip("ringcross_ioctl is loaded into this kernel")
    told = talk(agent, SETUP, cell, sane(2)).cells()
    assert told[0]["status"] == "fail"
    assert told[0]["reason"].startswith("cannot load ringcross_")
    assert told[1]["status"] == "ok"


# ---- what it refuses ---------------------------------------------------------

NO_REQUEST = {
    "not JSON": b"measure everything, please",
    "half": b'{"do": "setup", "clock": "ti',
    "trailing": b'{"do": "setup", "clock": "time"} and more',
    "two": b'{"do": "setup", "clock": "time"}{"do": "setup", "clock": "time"}',
    "array": b'["do", "setup"]',
    "number": b"5",
    "null": b"null",
    "nothing to do": b"{}",
    "do is a number": b'{"do": 1}',
    "do is an object": b'{"do": {"do": "setup"}}',
    "unknown": b'{"do": "dance"}',
    "NUL within": b'{"do": "setup", "clock": "time"}\0',
    "NUL in a name": b'{"do": "setup\\u0000", "clock": "time"}',
    "only NUL": b"\0\0\0",
    "no UTF-8": b'{"do": "\xff\xfe\x80"}',
    "very deep": b"[" * 5000,
    "very long": b'{"do": "' + b"x" * (1 << 20) + b'"}',
    "long nonsense": b"x" * (1 << 20),
    "no clock": b'{"do": "setup"}',
    "wrong clock": b'{"do": "setup", "clock": "sundial"}',
    "clock of wrong type": b'{"do": "setup", "clock": ["time"]}',
    "no paths": b'{"do": "read"}',
    "paths of wrong type": b'{"do": "read", "paths": "/proc/version"}',
    "path of wrong type": b'{"do": "read", "paths": ["/proc/version", 1]}',
    "no sizes": b'{"do": "floors"}',
    "size too large": b'{"do": "floors", "sizes": [8, 1048577]}',
    "size negative": b'{"do": "floors", "sizes": [-1]}',
    "size of wrong type": b'{"do": "floors", "sizes": ["8"]}',
    "size with a fraction": b'{"do": "floors", "sizes": [8.5]}',
    "id of wrong type": line_of({**PIPE, "id": "one"}),
    "id negative": line_of({**PIPE, "id": -1}),
}


@pytest.mark.parametrize("line", NO_REQUEST.values(), ids=NO_REQUEST.keys())
def test_nonsense_is_an_error_and_the_next_request_is_served(agent: Path, line: bytes) -> None:
    setup, error, begin, cell = talk(agent, SETUP, line, sane(2)).between
    assert setup["re"] == "setup"
    assert error["re"] == "error"
    assert error["reason"]
    assert (begin["re"], cell["re"], cell["status"]) == ("begin", "cell", "ok")


REFUSED: dict[str, tuple[list[Any], str]] = {
    "size": ([-1, 1.5, "8", None, True, [8], {}], "fail"),
    "rounds": ([0, -1, 1025, 1 << 40, 1 << 70, "3"], "fail"),
    "samples": ([-1, 65537, "5"], "fail"),
    "round_units": ([0, 999, 1_000_000_001, [1]], "fail"),
    "deadline_ms": ([0, -5, 3_600_001, 1 << 63], "fail"),
    "burst": ([0, 4097, "1"], "fail"),
    "interval": ([-1, 1_000_000_001], "fail"),
    "context": (["dream", 7, None, ""], "fail"),
    "wait": (["dream", 7, None, ["poll"]], "fail"),
    "threads": ([0, 65, "2", None], "fail"),
    "queue": ([-1, 1 << 31, "8"], "fail"),
    "records": ([-1, 65537, 1 << 40, "8", None], "fail"),
    "search": ([1, "yes", None], "fail"),
    "sweep": ([1, "yes", None], "fail"),
    "channel": (["nobody", "", None, 5, "x" * 5000, "é" * 300], "skip"),
    "mode": (["nobody", "", None, [], "null"], "skip"),
    "operation": (["juggle", "push", "stream", None, 0], "skip"),
}


@pytest.mark.parametrize("key", REFUSED)
def test_a_cell_asked_for_wrongly_has_a_reason_and_no_number(agent: Path, key: str) -> None:
    """Nothing is bent into range: the number would stand under a wrong name."""
    values, status = REFUSED[key]
    cells = talk(agent, SETUP, *({**PIPE, key: value} for value in values), sane(2)).cells()
    for value, cell in zip(values, cells[:-1], strict=True):
        assert cell["status"] == status, (value, cell)
        assert cell["reason"], value
        assert "rounds" not in cell
    assert cells[-1]["status"] == "ok"


@pytest.mark.parametrize(
    ("factor", "reason"),
    [
        ({"wait": "poll"}, "Its user half does not support this wait."),
        ({"queue": 8}, "The length of its queue cannot be set."),
        ({"search": True}, "Only the rate of a stream can be searched or swept."),
        ({"sweep": True, "interval": 1000}, "Only the rate of a stream can be searched or swept."),
        ({"mode": "sigself", "size": 0, "threads": 2}, "A signal's handler belongs to the whole "
         "process."),
    ],
)  # fmt: skip
def test_a_factor_that_an_operation_has_not_is_a_skip(
    agent: Path, factor: dict[str, Any], reason: str
) -> None:
    (cell,) = talk(agent, SETUP, PIPE | factor).cells()
    assert (cell["status"], cell["reason"]) == ("skip", reason)


def test_threads_do_it_at_once(agent: Path) -> None:
    """The operations of all count; single ones are not sampled."""
    one, three = talk(agent, SETUP, PIPE, PIPE | {"threads": 3, "size": 512}).cells()
    assert (one["status"], three["status"]) == ("ok", "ok"), three["reason"]
    assert three["validation"]["messages"] == 3 * one["validation"]["messages"]
    assert three["n"] % 3 == 0
    assert all(total > three["round_overhead"] > one["round_overhead"] for total in three["rounds"])
    assert three["samples"].size == 0


@pytest.mark.parametrize("size", [(1 << 20) + 1, 1 << 32, 1 << 62])
def test_a_size_beyond_the_limit_is_a_skip(agent: Path, size: int) -> None:
    large, small = talk(agent, SETUP, {**PIPE, "size": size}, {**PIPE, "size": 0}).cells()
    assert (large["status"], large["reason"]) == ("skip", "The limit of ringcross is 1 MiB.")
    assert (small["status"], small["reason"]) == ("skip", "The smallest size here is 1.")


def test_nothing_is_measured_before_the_clock_is_chosen(agent: Path) -> None:
    told = talk(agent, PIPE, {"do": "floors", "sizes": [8]}, SETUP, PIPE).between
    assert [a["re"] for a in told] == ["error", "error", "setup", "begin", "cell"]
    assert "setup" in told[0]["reason"]


def test_bytes_that_are_no_text_do_not_spoil_an_answer(agent: Path) -> None:
    line = line_of({**PIPE, "channel": "NAME"}).replace(b"NAME", b"a\xff\xed\xa0\x80\xc0\xaf\xf5b")
    (cell,) = talk(agent, SETUP, line).cells()
    assert cell["reason"] == 'there is no channel "a???????b"'


def test_blank_lines_are_nothing(agent: Path) -> None:
    assert [a["re"] for a in talk(agent, b"", b" \t\r", SETUP, b"").between] == ["setup"]


# ---- how it ends -------------------------------------------------------------


def test_a_cell_ends_at_its_deadline(agent: Path) -> None:
    endless = {**PIPE, "round_units": 1_000_000_000, "rounds": 1000, "deadline_ms": 30}
    late, good = talk(agent, SETUP, endless, sane(2)).cells()
    assert (late["status"], late["reason"]) == ("fail", "did not end within 30 ms")
    assert "rounds" not in late
    assert good["status"] == "ok"


def test_the_end_of_the_input_is_the_end(agent: Path) -> None:
    assert talk(agent).between == []


def test_the_last_line_needs_no_end(agent: Path) -> None:
    done = run(agent, given=line_of(SETUP))
    assert [a["re"] for a in listen(done).between] == ["setup"]


def test_input_that_stops_within_a_request(agent: Path) -> None:
    done = run(agent, given=line_of(SETUP) + b'\n{"do": "cell", "id": 1, "chan')
    assert [a["re"] for a in listen(done).between] == ["setup", "error"]


def test_when_nobody_listens_any_more_it_ends(agent: Path) -> None:
    endless = line_of({"do": "read", "paths": ["/proc/version"]}) + b"\n"
    with subprocess.Popen(
        [agent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["re"] == "hello"
        process.stdout.close()
        try:
            process.stdin.write(endless * 1000)
            process.stdin.close()
        except BrokenPipeError:
            pass  # it was faster
        assert process.wait(TIMEOUT) == 1
        assert b"anitizer" not in process.stderr.read()


# ---- whatever comes ----------------------------------------------------------

SEEDLINGS: tuple[dict[str, Any], ...] = (
    {"do": "setup", "clock": "instructions"},
    {"do": "read", "paths": ["/proc/version", "/nonexistent"]},
    {"do": "floors", "sizes": [8, 512]},
    {"do": "lifecycle", "channel": "syscall"},
    {**PIPE, "rounds": 2, "round_units": 1000, "deadline_ms": 300},
    {**XRAY, "repeat": 2, "traced": False},
    {**PIPE, "mode": "memfd", "operation": "pull", "rounds": 1, "round_units": 1000},
)
ODD: tuple[Any, ...] = (
    *(None, True, -1, 0, 1 << 31, 1 << 63, 1 << 64, 1e308, -0.0),
    *("", "0", "x" * 5000, "é" * 200, "\0", "\ud800"),
    *([], {}, [[[]]], {"do": {"do": 1}}),
)
NEVER = (b"hang", b"panic", b"die")


def harmless(line: bytes) -> bool:
    """Not one of the requests that end the agent, or the machine, on purpose."""
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        request = None
    wanted = request.get("do") if isinstance(request, dict) else None
    return wanted not in ("hang", "panic", "die") and not any(word in line for word in NEVER)


def mutated(rng: random.Random) -> bytes:
    """A request with one to three things wrong with it."""
    request = dict(rng.choice(SEEDLINGS))
    for _ in range(rng.randrange(3)):
        key = rng.choice(list(request) or ["do"])
        if rng.random() < 0.3:
            request.pop(key, None)
        else:
            request[key] = rng.choice(ODD)
    line = bytearray(json.dumps(request).encode())
    for _ in range(rng.randrange(3)):
        at = rng.randrange(len(line) + 1)
        span = slice(at, at + rng.randrange(8))
        line[span] = rng.choice(
            (
                b"",
                bytes(line[span]) * 2,
                rng.randbytes(rng.randrange(1, 6)),
                rng.choice((b"{", b"}", b"[", b'"', b"\\", b"\0", b",", b"-", b"e", b"\\u12")),
            )
        )
    return bytes(line).replace(b"\n", b" ")


@pytest.mark.parametrize("seed", range(3))
def test_no_mutated_request_harms_it(agent: Path, seed: int) -> None:
    rng = random.Random(seed)
    lines = [line for _ in range(250) if harmless(line := mutated(rng)) and line.strip()]
    assert len(lines) > 200
    told = talk(agent, SETUP, *lines, SETUP, sane(424242))
    replies = [a for a in told.between if a["re"] != "begin"]
    assert len(replies) == len(lines) + 3, "one answer for each request"
    assert (replies[-1]["id"], replies[-1]["status"]) == (424242, "ok")
    assert {a["re"] for a in replies} >= {"setup", "read", "error", "cell"}


def test_the_filter_of_dangerous_requests_filters() -> None:
    assert not any(harmless(json.dumps({"do": verb}).encode()) for verb in ("hang", "panic", "die"))
    assert not harmless(b'{"do": "\\u0070anic"}')
    assert harmless(b'{"do": "cell"}')


# ---- properties --------------------------------------------------------------


def test_probes_come_to_an_answer_each(agent: Path) -> None:
    """In processes of their own, one watched by ptrace and one without privileges."""
    (one,) = (
        a
        for a in talk(agent, SETUP, {"do": "probe", "channel": "syscall", "mode": "pipe"}).between
        if a["re"] == "probe"
    )
    found = one["properties"]
    assert not [p for p in found.values() if p["how"] == "failed"]
    assert found["syscalls"]["value"] == {"call": 2}
    assert (found["kernel_initiated"]["value"], found["kernel_initiated"]["how"]) == (
        False,
        "documented",
    )
    assert found["size_limit"]["value"] == {"call": 1 << 20}
    assert found["permissions"]["value"] == ("anybody" if os.geteuid() == 0 else None)


def test_a_probe_of_what_is_not_there_is_an_error(agent: Path) -> None:
    told = talk(agent, SETUP, {"do": "probe", "channel": "syscall", "mode": "telepathy"})
    assert [a["re"] for a in told.between] == ["setup", "error"]
