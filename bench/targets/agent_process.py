# SPDX-License-Identifier: GPL-2.0-only
"""Run the agent, or the virtual machine it runs in, as a process that ends with its owner."""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import selectors
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench import child
from bench.errors import (
    AgentDied,
    CellStalled,
    KernelPanic,
    LinkError,
    NeverCameUp,
    SessionLost,
    TargetError,
    TargetLost,
    writing,
)
from bench.targets.base import Deadlines
from bench.targets.kernel_log import place
from bench.targets.protocol import Answer, Decoder
from bench.targets.stopwatch import Stopwatch

_PANIC = re.compile(r"Kernel panic - not syncing")
_OOPS = re.compile(
    r"BUG: |Oops|Kernel panic - not syncing|general protection fault|kernel BUG at|"
    r"Unable to handle|soft lockup|hard LOCKUP|detected stall"
)
_AGENT_SAYS = re.compile(r"^ringcross_agent: ")
# After these messages QEMU keeps running, but the virtual CPU does not.
_STOPPED = re.compile(r"KVM internal error|error: kvm run failed")
# This panic means that process 1 has ended, not that the kernel has failed.
_INIT_DIED = re.compile(r"Attempted to kill init")


class AgentProcess:
    """One start of the agent, from ``hello`` to ``end``. Use it in a ``with`` statement.

    Args:
        command: the program to run; it gets its own process group.
        stream: read end of the pipe that carries the answers; the session closes it.
        log: returns what the kernel has logged since the start.
        stderr: file that receives the program's standard output and standard error.
        description: the return value of :meth:`describe`.
        deadlines: how long to wait.
        keep: file descriptors that the program inherits; they are closed in this process.
        cleanup: called once when the session closes, after the process has ended.
        machine: true if the process is the virtual machine whose log is read, false if it is
            the agent itself.
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
        """Process ID of the program, which is also its process group ID."""
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
        """Yield the agent's answers as they arrive, up to and including ``{"re": "end"}``.

        Raises:
            SessionLost: the session ended early. The subclass names the reason; ``cell_id`` is
                the cell in flight.
            NeverCameUp: no answer arrived.
        """
        decoder = Decoder()
        for data in self._chunks():
            try:
                for answer in decoder.feed(data):
                    self._track(answer)
                    yield answer
                    if answer["re"] == "end":
                        return
            except LinkError as error:
                error.cell_id = self._cell
                raise
        try:
            decoder.finish()
        except LinkError as error:
            raise self._early_end() from error
        raise self._early_end()

    def kernel_log(self) -> str:
        """Return the kernel's log so far; it stays available after :meth:`close`."""
        if not self._closed:
            self._log = self._read_log()
        return self._log

    def describe(self) -> dict[str, Any]:
        """Return target, accelerator, clock, versions and command, for ``environment.json``."""
        return dict(self._description)

    def kill(self) -> None:
        """Kill the process, from any thread; :meth:`answers` then raises an error."""
        if self._process is not None and not self._closed:
            _end(self._process)

    def close(self) -> None:
        """Kill the process and its children, and remove temporary files."""
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

    def _chunks(self) -> Iterator[bytes]:
        """Yield bytes as they arrive, until the writer closes the pipe; check the deadlines."""
        stopwatch = Stopwatch(self.pid)
        with selectors.DefaultSelector() as selector:
            selector.register(self._stream, selectors.EVENT_READ)
            while True:
                if selector.select(timeout=0.5):
                    data = os.read(self._stream, 1 << 16)
                    if not data:
                        return
                    yield data
                    # After the yield: the caller's own time is not silence of the agent.
                    stopwatch.restart()
                else:
                    self._watch(stopwatch.seconds())

    def _watch(self, silent: float) -> None:
        """Raise if the machine has panicked, or has been *silent* for too many seconds."""
        lines = self.kernel_log().splitlines()
        if self._machine and any(_PANIC.search(line) for line in lines):
            raise self._early_end()
        if self._machine and (stopped := _first(_STOPPED, _lines(self._stderr))):
            raise self._stopped(stopped)
        allowed = self._deadlines.silence if self._up else self._deadlines.boot
        if silent < allowed:
            return
        oops = _first(_OOPS, lines)
        if oops and self._machine:
            raise self._panic(oops)
        if not self._up:
            last_line = lines[-1].strip() if lines else ""
            last = f"last log line: {last_line}" if last_line else "it logged nothing"
            raise NeverCameUp(
                f"The machine did not come up within {allowed:.0f} s ({last}): try another "
                "--kernel, or read the kernel log.",
                last_line=last_line,
            )
        raise CellStalled(
            f"The agent sent nothing for {allowed:.0f} s{self._where()}: the kernel or the "
            "channel hangs; see the kernel log.",
            cell_id=self._cell,
        )

    def _track(self, answer: Answer) -> None:
        self._up = True
        if answer["re"] == "begin":
            self._cell = answer.get("id")
        elif answer["re"] in ("cell", "xray"):
            self._cell = None

    def _early_end(self) -> SessionLost | NeverCameUp:
        """Return the error that explains why the answers stopped before ``end``."""
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
        last_error_line = _last_line(self._stderr)
        if not self._up and last_error_line:
            return self._stopped(last_error_line)
        status = f"signal {-code}" if code is not None and code < 0 else f"status {code}"
        details = f"{status}, {last_error_line}" if last_error_line else status
        return TargetLost(
            f"The machine ended{self._where()} ({details}): run again with --resume.",
            cell_id=self._cell,
        )

    def _stopped(self, message: str) -> SessionLost | NeverCameUp:
        """Return the error for a virtual CPU that QEMU has stopped, after *message*."""
        if self._up:
            return TargetLost(
                f"The machine ended{self._where()} ({message}): run again with --resume.",
                cell_id=self._cell,
            )
        return NeverCameUp(
            f"The machine could not be started ({message}): check its options.",
            ended=True,
            last_line=message,
        )

    def _agent_died(self, code: int | None) -> SessionLost:
        details = _last_line(self._stderr) or ("" if self._machine else f"status {code}")
        if self._machine:  # what the agent printed on the console
            details = _first(_AGENT_SAYS, self.kernel_log().splitlines()) or details
        return AgentDied(
            f"The agent ended without finishing{self._where()}{f' ({details})' if details else ''}"
            ": see the kernel log, then run again with --resume.",
            cell_id=self._cell,
            exit_code=None if self._up else NeverCameUp.default_exit_code,
        )

    def _panic(self, line: str) -> KernelPanic:
        return KernelPanic(
            f"The kernel crashed{self._where()}: {line}{place(self.kernel_log().splitlines())}",
            line=line,
            cell_id=self._cell,
            exit_code=None if self._up else NeverCameUp.default_exit_code,
        )

    def _where(self) -> str:
        if not self._up:
            return " before the first answer"
        return "" if self._cell is None else f" in cell {self._cell}"


_live: set[AgentProcess] = set()


@atexit.register
def _close_all() -> None:
    for session in list(_live):
        session.close()


def _spawn(command: Sequence[str], keep: Sequence[int], stderr: Path) -> subprocess.Popen[bytes]:
    # setpriv makes the kernel kill the program if this process dies without closing the session.
    setpriv = shutil.which("setpriv", path=child.search_path())
    if setpriv is None:
        raise TargetError("setpriv is missing: install the package util-linux.")
    with stderr.open("wb") as errors:
        return subprocess.Popen(
            [setpriv, "--pdeathsig", "KILL", "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            pass_fds=tuple(keep),
            # Ctrl-C on the terminal must reach this process alone, which then ends the program.
            start_new_session=True,
            env=child.environment(),
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the process group and wait for the process."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def read_console(path: Path) -> str:
    """Return the text that a serial console wrote to the file *path*; empty if there is none."""
    if not path.exists():
        return ""
    return path.read_bytes().decode(errors="replace").replace("\r\n", "\n")


def _first(pattern: re.Pattern[str], lines: Sequence[str]) -> str:
    return next((line.strip() for line in lines if pattern.search(line)), "")


def _lines(path: Path) -> list[str]:
    return path.read_text(errors="replace").split("\n") if path.exists() else []


def _last_line(path: Path) -> str:
    return next((line.strip() for line in reversed(_lines(path)) if line.strip()), "")
