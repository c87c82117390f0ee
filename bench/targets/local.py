# SPDX-License-Identifier: GPL-2.0-only
"""The target ``local``: this machine, in real time; modules only with the user's consent."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import child
from bench.errors import UsageError, writing
from bench.targets.agent_process import AgentProcess
from bench.targets.base import Deadlines, Request

PROC_MODULES = Path("/proc/modules")
KMSG = Path("/dev/kmsg")

UNLOAD_SECONDS = 3.0
"""Time limit to unload modules after the agent has ended, in seconds."""

_SLOT = 64
"""Size of a slot in the agent's record of loaded modules, in bytes; see ``PROTOCOL.md``."""


@dataclass(frozen=True)
class LocalTarget:
    """Starts the agent as a child of this process.

    Attributes:
        agent: the agent.
        modules: directory with ``ringcross_*.ko`` for the running kernel; ``None`` for no modules.
        needs_modules: whether a measured channel has a kernel half.
        yes_load_modules: whether the user allows loading modules into the running kernel.
        deadlines: how long to wait for the agent.
    """

    agent: Path
    modules: Path | None = None
    needs_modules: bool = True
    yes_load_modules: bool = False
    deadlines: Deadlines = field(default_factory=Deadlines)

    def start(self, requests: Sequence[Request], *, seed: int) -> AgentProcess:
        """Start the agent on *requests*.

        Args:
            requests: all requests of the session.
            seed: only recorded; the local machine cannot be seeded.

        Raises:
            UsageError: modules are needed, but the user does not allow them or is not root.
        """
        self._check()
        with writing("the requests"):
            folder = Path(tempfile.mkdtemp(prefix="ringcross-local-"))
            try:
                lines = (json.dumps(request) + "\n" for request in requests)
                (folder / "requests").write_text("".join(lines))
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
        log = _KernelLog()
        record = folder / "loaded"
        read, write = os.pipe()
        command = [
            *(str(self.agent), "--in", str(folder / "requests")),
            # Not standard output, where other output could be taken for an answer.
            *("--out", f"/dev/fd/{write}"),
            *(("--modules", str(self.modules)) if self.modules else ()),
            *("--loaded", str(record)),
        ]

        def cleanup() -> None:
            busy = unload(recorded(record), UNLOAD_SECONDS)
            log.close()
            shutil.rmtree(folder, ignore_errors=True)
            if busy:
                print(_still_loaded(busy), file=sys.stderr)

        return AgentProcess(
            command,
            stream=read,
            log=log.read,
            stderr=folder / "stderr",
            description={
                "target": "local",
                "accelerator": "none",
                "clock": "time",
                "forced": False,
                "kernel": platform.release(),
                "command_line": " ".join(command),
                "seed": seed,
            },
            deadlines=self.deadlines,
            keep=(write,),
            cleanup=cleanup,
            machine=False,
        )

    def _check(self) -> None:
        if not self.needs_modules:
            return
        if not self.yes_load_modules:
            raise UsageError(
                "The local target loads modules into the kernel you are running: use "
                "--target vm, which risks nothing, or insist with --yes-load-modules."
            )
        if os.geteuid() != 0:
            raise UsageError(
                "Loading modules into the running kernel needs root: use --target vm, or "
                "--channels syscall, which needs no module."
            )


def recorded(record: Path) -> list[str]:
    """Names of the modules that the agent loaded and did not unload, in the order of their loads.

    Args:
        record: the file of ``ringcross_agent --loaded``; it remains if the agent is killed.
    """
    try:
        data = record.read_bytes()
    except OSError:  # the agent did not start
        return []
    slots = (data[at : at + _SLOT] for at in range(0, len(data), _SLOT))
    names = (slot.partition(b"\0")[0].decode() for slot in slots)
    return [name for name in names if name]


def loaded_modules() -> set[str]:
    """Names of all modules in the running kernel."""
    with contextlib.suppress(OSError):
        return {line.split(" ", 1)[0] for line in PROC_MODULES.read_text().splitlines()}
    return set()


def unload(modules: Sequence[str], seconds: float) -> list[str]:
    """Unload *modules*, the last loaded first; modules that are not loaded are ignored.

    Args:
        modules: names of modules, in the order of their loads.
        seconds: time limit for modules that are in use.

    Returns:
        The modules that were still in use at the time limit, in the order to unload them.
    """
    end = time.monotonic() + seconds
    while True:
        for name in reversed(modules):
            if name in loaded_modules():
                _rmmod(name)
        left = [name for name in reversed(modules) if name in loaded_modules()]
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.1)  # the kernel may take a moment to close the files of a killed agent


def _still_loaded(busy: Sequence[str]) -> str:
    names = " ".join(busy)
    return f"Modules of this run are in use and stay loaded: unload them later (rmmod {names})."


def _rmmod(name: str) -> None:
    child.run(["rmmod", name])


class _KernelLog:
    """The log of the running kernel from now on; empty if this user may not read it."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._fd = -1
        with contextlib.suppress(OSError):
            self._fd = os.open(KMSG, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            os.lseek(self._fd, 0, os.SEEK_END)

    def read(self) -> str:
        while self._fd >= 0 and (record := self._record()) is not None:
            self._lines.append(record)
        return "".join(f"{line}\n" for line in self._lines)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _record(self) -> str | None:
        """The next record in the format of dmesg; ``None`` if there is none yet."""
        try:
            text = os.read(self._fd, 8192).decode(errors="replace")
        except BrokenPipeError:
            return "(records were overwritten before they were read)"
        except OSError:
            return None
        if not text:
            return None
        fields, _, message = text.partition(";")
        microseconds = int(fields.split(",")[2])
        return f"[{microseconds / 1e6:12.6f}] {message.splitlines()[0]}"
