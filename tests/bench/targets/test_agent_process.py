# SPDX-License-Identifier: GPL-2.0-only
"""A session reports why it ended, and leaves no process behind.

Small Python programs take the place of the machine.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from bench.errors import (
    AgentDied,
    CellStalled,
    KernelPanic,
    LinkError,
    NeverCameUp,
    SessionLost,
    TargetError,
    TargetLost,
)
from bench.targets.agent_process import AgentProcess, read_console
from bench.targets.base import Deadlines

HELLO = 'say({"re": "hello"}); '
CELL = HELLO + 'say({"re": "begin", "id": 3}); '
PANIC = "[  1.2] Kernel panic - not syncing: Fatal exception"
OOPS = "[  1.1] BUG: unable to handle page fault for address: 0"
INIT_DIED = "[  1.2] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000300"


def start(folder: Path, program: str, **options: Any) -> AgentProcess:
    """Start a session of a Python *program*, which can ``say`` answers and ``log`` lines."""
    read, write = os.pipe()
    console = folder / "console"
    head = f"""
        import json, os, signal, subprocess, sys, time
        def say(answer): os.write({write}, json.dumps(answer).encode() + b"\\n")
        def log(line): open({str(console)!r}, "a").write(line + "\\r\\n")
    """
    return AgentProcess(
        [sys.executable, "-c", textwrap.dedent(head) + program],
        **{
            "stream": read,
            "log": lambda: read_console(console),
            "stderr": folder / "stderr",
            "description": {"target": "test"},
            "deadlines": Deadlines(boot=20, silence=20),
            "keep": (write,),
            **options,
        },
    )


def has_ended(pid: int, seconds: float = 5) -> bool:
    """Return whether process *pid* ends within *seconds*."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        stat = Path(f"/proc/{pid}/stat")
        try:
            if stat.read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def session_error(session: AgentProcess) -> SessionLost | NeverCameUp:
    """Read *session* until it fails, and return the error."""
    with pytest.raises((SessionLost, NeverCameUp)) as caught, session:
        list(session.answers())
    assert has_ended(session.pid)
    assert isinstance(caught.value, SessionLost | NeverCameUp)
    return caught.value


def test_to_the_end(tmp_path: Path) -> None:
    closed: list[bool] = []
    program = CELL + 'log("fine"); say({"re": "cell", "id": 3}); say({"re": "end"}); time.sleep(60)'
    with start(tmp_path, program, cleanup=lambda: closed.append(True)) as session:
        answers = [answer["re"] for answer in session.answers()]
        assert not closed
    assert answers == ["hello", "begin", "cell", "end"]
    assert session.kernel_log() == "fine\n"
    assert session.describe() == {"target": "test"}
    session.close()
    assert closed == [True]
    assert has_ended(session.pid)


def test_stalled_cell(tmp_path: Path) -> None:
    deadlines = Deadlines(boot=20, silence=1)
    error = session_error(start(tmp_path, CELL + "time.sleep(60)", deadlines=deadlines))
    assert isinstance(error, CellStalled)
    assert (error.cell_id, error.exit_code) == (3, 1)
    assert "sent nothing for 1 s in cell 3" in str(error)


def test_a_slow_reader_is_no_stall(tmp_path: Path) -> None:
    deadlines = Deadlines(boot=20, silence=1)
    program = HELLO + 'time.sleep(1.8); say({"re": "end"})'
    with start(tmp_path, program, deadlines=deadlines) as session:
        answers = session.answers()
        next(answers)
        time.sleep(1.1)
        assert next(answers) == {"re": "end"}


def test_never_came_up(tmp_path: Path) -> None:
    deadlines = Deadlines(boot=1, silence=20)
    program = 'log("Waiting for root device"); time.sleep(60)'
    error = session_error(start(tmp_path, program, deadlines=deadlines))
    assert isinstance(error, NeverCameUp)
    assert error.exit_code == 3
    assert "did not come up within 1 s (last log line: Waiting for root device)" in str(error)


@pytest.mark.parametrize("end", ["time.sleep(60)", "sys.exit(0)"])
def test_panic(tmp_path: Path, end: str) -> None:
    error = session_error(start(tmp_path, f"{CELL}log({OOPS!r}); log({PANIC!r}); {end}"))
    assert isinstance(error, KernelPanic)
    assert (error.cell_id, error.line, error.exit_code) == (3, OOPS, 1)
    assert "crashed in cell 3: [  1.1] BUG: unable to handle" in str(error)


def test_panic_before_the_agent_was_up(tmp_path: Path) -> None:
    error = session_error(start(tmp_path, f"log({PANIC!r})"))
    assert isinstance(error, KernelPanic)
    assert (error.cell_id, error.line, error.exit_code) == (None, PANIC, 3)
    assert "before the first answer" in str(error)


def test_an_oops_alone_does_not_end_a_session(tmp_path: Path) -> None:
    program = f'{HELLO}log({OOPS!r}); time.sleep(1.5); say({{"re": "end"}})'
    with start(tmp_path, program) as session:
        assert [a["re"] for a in session.answers()] == ["hello", "end"]


def test_an_oops_explains_silence(tmp_path: Path) -> None:
    deadlines = Deadlines(boot=20, silence=1)
    program = f"{CELL}log({OOPS!r}); time.sleep(60)"
    error = session_error(start(tmp_path, program, deadlines=deadlines))
    assert isinstance(error, KernelPanic)
    assert error.line == OOPS


def test_agent_died_as_process_1(tmp_path: Path) -> None:
    error = session_error(start(tmp_path, f"{CELL}log({INIT_DIED!r})"))
    assert isinstance(error, AgentDied)
    assert (error.cell_id, error.exit_code) == (3, 1)


def test_agent_left_early(tmp_path: Path) -> None:
    error = session_error(start(tmp_path, CELL + 'say({"re": "cell", "id": 3}); sys.exit(0)'))
    assert isinstance(error, AgentDied)
    assert error.cell_id is None


def test_agent_died_as_a_child(tmp_path: Path) -> None:
    error = session_error(start(tmp_path, CELL + 'sys.exit("out of memory")', machine=False))
    assert isinstance(error, AgentDied)
    assert "without finishing in cell 3 (out of memory)" in str(error)


def test_machine_was_killed(tmp_path: Path) -> None:
    error = session_error(start(tmp_path, CELL + "os.kill(os.getpid(), 9)"))
    assert isinstance(error, TargetLost)
    assert error.cell_id == 3
    assert "signal 9" in str(error)


def test_machine_did_not_start(tmp_path: Path) -> None:
    error = session_error(start(tmp_path, 'sys.exit("no such machine type")'))
    assert isinstance(error, NeverCameUp)
    assert "could not be started (no such machine type)" in str(error)


def test_garbage(tmp_path: Path) -> None:
    error = session_error(start(tmp_path, CELL + "say('x')"))
    assert isinstance(error, LinkError)
    assert error.cell_id == 3


def test_truncated_block(tmp_path: Path) -> None:
    error = session_error(
        start(tmp_path, CELL + 'say({"re": "cell", "id": 3, "samples": 1, "bytes": 8})')
    )
    assert isinstance(error, AgentDied)
    assert isinstance(error.__cause__, LinkError)


def test_leaving_early_ends_children_too(tmp_path: Path) -> None:
    program = HELLO + (
        'child = subprocess.Popen(["sleep", "60"]); say({"re": "child", "pid": child.pid}); '
        "signal.signal(15, signal.SIG_IGN); time.sleep(60)"
    )
    session = start(tmp_path, program)
    answers = session.answers()
    next(answers)
    child = next(answers)["pid"]
    assert not has_ended(child, 0.1)
    with pytest.raises(KeyboardInterrupt), session:
        raise KeyboardInterrupt
    assert has_ended(session.pid)
    assert has_ended(child)


def test_missing_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[bool] = []
    monkeypatch.setattr("bench.child.search_path", lambda: str(tmp_path))
    with pytest.raises(TargetError, match="setpriv is missing: install the package util-linux"):
        start(tmp_path, "", cleanup=lambda: closed.append(True))
    assert closed == [True]


OWNER = """
import sys, time
from pathlib import Path
from tests.bench.targets import test_agent_process as module
session = module.start(Path(sys.argv[1]), module.HELLO + "time.sleep(60)")
for _ in session.answers():
    print(session.pid, flush=True)
    {then}
"""


@pytest.mark.parametrize(
    ("then", "number"),
    [
        ("time.sleep(60)", signal.SIGINT),
        ("time.sleep(60)", signal.SIGTERM),
        ("time.sleep(60)", signal.SIGKILL),
        ("sys.exit(0)", None),
    ],
)
def test_nothing_outlives_its_owner(
    tmp_path: Path, then: str, number: signal.Signals | None
) -> None:
    """This holds even if the owner is killed, or exits without closing the session."""
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", OWNER.format(then=then), str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    ) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        if number is not None:
            assert not has_ended(pid, 0.1)
            owner.send_signal(number)
        owner.wait()
        assert has_ended(pid)


def test_what_the_agent_printed_on_the_console_is_the_reason(tmp_path: Path) -> None:
    """Its standard error is the console of the machine; QEMU itself printed nothing."""
    program = "log('ringcross_agent: cannot send answers: port:0xe9: no'); log('[ 2.0] reboot')"
    error = session_error(start(tmp_path, program))
    assert isinstance(error, AgentDied)
    assert "(ringcross_agent: cannot send answers: port:0xe9: no)" in str(error)
    assert error.exit_code == NeverCameUp.default_exit_code


def test_a_virtual_cpu_that_qemu_has_stopped(tmp_path: Path) -> None:
    """QEMU keeps running, so neither the end of the process nor an answer would come."""
    stop = "print('error: kvm run failed Bad address', file=sys.stderr, flush=True); time.sleep(60)"
    before = session_error(start(tmp_path, stop))
    assert isinstance(before, NeverCameUp)
    assert (before.ended, before.last_line) == (True, "error: kvm run failed Bad address")
    after = session_error(start(tmp_path, CELL + stop))
    assert isinstance(after, TargetLost)
    assert after.cell_id == 3
    assert "kvm run failed" in str(after)


def test_a_deadline_says_the_last_line(tmp_path: Path) -> None:
    program = "log('[ 0.1] first'); log('[ 0.2] last'); time.sleep(60)"
    error = session_error(start(tmp_path, program, deadlines=Deadlines(boot=1, silence=1)))
    assert isinstance(error, NeverCameUp)
    assert (error.ended, error.last_line) == (False, "[ 0.2] last")
