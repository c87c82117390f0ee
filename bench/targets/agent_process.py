"""The running agent, or the machine it runs in: a session that cannot outlive its owner."""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.errors import (
    AgentDied,
    CellStalled,
    KernelPanic,
    LinkError,
    NeverCameUp,
    SessionLost,
    TargetLost,
    writing,
)
from bench.targets.base import Deadlines
from bench.targets.protocol import Answer, Decoder

_PANIC = re.compile(r"Kernel panic - not syncing")
_OOPS = re.compile(
    r"BUG: |Oops|Kernel panic - not syncing|general protection fault|kernel BUG at|"
    r"Unable to handle|soft lockup|hard LOCKUP|detected stall"
)
# Process 1 has ended; the kernel itself is fine.
_INIT_DIED = re.compile(r"Attempted to kill init")


class AgentProcess:
    """One start of the agent, from hello to end. Use it in a ``with`` statement.

    Args:
        command: the program to run; it gets a process group of its own.
        stream: read end of a pipe with the answers; closed by the session.
        log: reads what the kernel has logged since the start.
        description: what :meth:`describe` gives.
        deadlines: how long to wait.
        keep: file descriptors that the program inherits; closed in this process.
        cleanup: called once when the session closes, after the process has gone.
        machine: true when the process is the machine whose log is read, and not the agent.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        stream: int,
        log: Callable[[], str],
        stderr: Path,
        description: dict[str, Any],
        deadlines: Deadlines,
        keep: Sequence[int] = (),
        cleanup: Callable[[], None] = lambda: None,
        machine: bool = True,
    ) -> None:
        self._stream = stream
        self._read_log = log
        self._stderr = stderr
        self._description = description
        self._deadlines = deadlines
        self._cleanup = cleanup
        self._machine = machine
        self._closed = False
        self._log = ""
        self._up = False
        self._cell: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        _live.add(self)
        try:
            with writing("the session's files"):
                self._process = _spawn(command, keep, stderr)
        except BaseException:
            self.close()
            raise
        finally:
            for fd in keep:
                os.close(fd)

    @property
    def pid(self) -> int:
        """Process, and process group, of the running program."""
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def answers(self) -> Iterator[Answer]:
        """The agent's answers up to and with ``{"re": "end"}``, as they come.

        Raises:
            SessionLost: the session broke; the subclass tells how, ``cell_id`` where.
            NeverCameUp: no hello came.
        """
        decoder = Decoder()
        for data in self._pieces():
            try:
                for answer in decoder.feed(data):
                    self._note(answer)
                    yield answer
                    if answer["re"] == "end":
                        return
            except LinkError as error:
                error.cell_id = self._cell
                raise
        try:
            decoder.finish()
        except LinkError as cut:
            raise self._ended() from cut
        raise self._ended()

    def kernel_log(self) -> str:
        """What the kernel has logged so far; still there after closing."""
        if not self._closed:
            self._log = self._read_log()
        return self._log

    def describe(self) -> dict[str, Any]:
        """Target, accelerator, clock, versions and the command, for environment.json."""
        return dict(self._description)

    def kill(self) -> None:
        """End the process from another thread; who reads its answers sees them end."""
        if self._process is not None and not self._closed:
            _end(self._process)

    def close(self) -> None:
        """End the process and all its children, and remove temporary files."""
        if self._closed:
            return
        try:
            if self._process is not None:
                _end(self._process)
        finally:
            self.kernel_log()
            self._closed = True
            _live.discard(self)
            os.close(self._stream)
            self._cleanup()

    def _pieces(self) -> Iterator[bytes]:
        """Bytes as they come, until the writer has gone; watches the deadlines."""
        last = time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(self._stream, selectors.EVENT_READ)
            while True:
                if selector.select(timeout=0.5):
                    data = os.read(self._stream, 1 << 16)
                    if not data:
                        return
                    yield data
                    last = time.monotonic()  # what the reader took is not the agent's silence
                else:
                    self._watch(time.monotonic() - last)

    def _watch(self, silent: float) -> None:
        """Raise when the machine has panicked, or has been silent for too long."""
        lines = self.kernel_log().splitlines()
        if self._machine and any(_PANIC.search(line) for line in lines):
            raise self._ended()
        allowed = self._deadlines.silence if self._up else self._deadlines.boot
        if silent < allowed:
            return
        oops = _first(_OOPS, lines)
        if oops and self._machine:
            raise self._panic(oops)
        if not self._up:
            last = lines[-1].strip() if lines else "it has said nothing"
            raise NeverCameUp(
                f"The machine did not come up within {allowed:.0f} s ({last}): try another "
                "--kernel, or look at the kernel log."
            )
        raise CellStalled(
            f"The agent has said nothing for {allowed:.0f} s{self._where()}: the kernel or the "
            "channel hangs; see the kernel log.",
            cell_id=self._cell,
        )

    def _note(self, answer: Answer) -> None:
        self._up = True
        if answer["re"] == "begin":
            self._cell = answer.get("id")
        elif answer["re"] in ("cell", "xray"):
            self._cell = None

    def _ended(self) -> SessionLost | NeverCameUp:
        """Why the answers stopped before the end."""
        assert self._process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=3)
        lines = self.kernel_log().splitlines()
        oops = _first(_OOPS, lines) if self._machine else ""
        if oops and not _INIT_DIED.search(oops):
            return self._panic(oops)
        code = self._process.poll()
        if not self._machine or oops or code == 0:
            return self._agent_died(code)
        said = _last_line(self._stderr)
        how = f"signal {-code}" if code is not None and code < 0 else f"status {code}"
        if not self._up and said:
            return NeverCameUp(f"The machine could not be started ({said}): check its options.")
        return TargetLost(
            f"The machine went away{self._where()} ({how}{', ' + said if said else ''}): "
            "run again with --resume.",
            cell_id=self._cell,
        )

    def _agent_died(self, code: int | None) -> SessionLost:
        said = _last_line(self._stderr)
        how = said or ("" if self._machine else f"status {code}")
        return AgentDied(
            f"The agent ended{self._where()} without finishing{f' ({how})' if how else ''}: "
            "see the kernel log; run again with --resume.",
            cell_id=self._cell,
            exit_code=None if self._up else NeverCameUp.default_exit_code,
        )

    def _panic(self, line: str) -> KernelPanic:
        return KernelPanic(
            f"The kernel crashed{self._where()}: {line}",
            line=line,
            cell_id=self._cell,
            exit_code=None if self._up else NeverCameUp.default_exit_code,
        )

    def _where(self) -> str:
        if not self._up:
            return " before the agent was up"
        return "" if self._cell is None else f" in cell {self._cell}"


_live: set[AgentProcess] = set()


@atexit.register
def _close_all() -> None:
    for session in list(_live):
        session.close()


def _spawn(command: Sequence[str], keep: Sequence[int], stderr: Path) -> subprocess.Popen[bytes]:
    # setpriv: the kernel kills the program should this process die without a word.
    with stderr.open("wb") as errors:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            pass_fds=tuple(keep),
            # Ctrl-C on the terminal is for us; we end the program ourselves.
            start_new_session=True,
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the process group and wait until it has gone."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def read_console(path: Path) -> str:
    """The text of a serial console that was written to a file."""
    if not path.exists():
        return ""
    return path.read_bytes().decode(errors="replace").replace("\r\n", "\n")


def _first(pattern: re.Pattern[str], lines: Sequence[str]) -> str:
    return next((line.strip() for line in lines if pattern.search(line)), "")


def _last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").split("\n") if path.exists() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
