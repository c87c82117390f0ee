# SPDX-License-Identifier: GPL-2.0-only
"""This machine itself: real time, and modules in the running kernel if one insists."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.errors import UsageError, writing
from bench.targets.agent_process import AgentProcess
from bench.targets.base import Deadlines, Request

PROC_MODULES = Path("/proc/modules")
KMSG = Path("/dev/kmsg")

UNLOAD_SECONDS = 3.0
"""How long modules may be busy after the agent has ended."""

_SLOT = 64
"""Bytes of a slot of the agent's record of loaded modules; see ``PROTOCOL.md``."""


@dataclass(frozen=True)
class LocalTarget:
    """Starts the agent as a child of this process.

    Attributes:
        agent: the agent.
        modules: directory with ``ringcross_*.ko`` built for the running kernel, ``None`` for none.
        needs_modules: false when only channels without a kernel half are measured.
        yes_load_modules: the user has said that modules may be loaded into this kernel.
        deadlines: how long to wait.
    """

    agent: Path
    modules: Path | None = None
    needs_modules: bool = True
    yes_load_modules: bool = False
    deadlines: Deadlines = field(default_factory=Deadlines)

    def start(self, requests: Sequence[Request], *, seed: int) -> AgentProcess:
        """Start the agent on *requests*; *seed* has no use here.

        Raises:
            UsageError: modules are needed and not allowed.
        """
        self._check()
        with writing("the requests"):
            folder = Path(tempfile.mkdtemp(prefix="ringcross-local-"))
            (folder / "requests").write_text("".join(json.dumps(r) + "\n" for r in requests))
        log = _KernelLog()
        record = folder / "loaded"
        read, write = os.pipe()
        command = [
            *(str(self.agent), "--in", str(folder / "requests")),
            # Not standard output, where a stray message would be taken for an answer.
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
    """Names of the modules that the agent has loaded and not unloaded, in order of their loads.

    Args:
        record: the file that ``ringcross_agent --loaded`` keeps; it survives a killed agent.
    """
    try:
        data = record.read_bytes()
    except OSError:  # the agent never started
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
    """Remove *modules* from the kernel, the last loaded first; one that has gone is fine.

    Returns:
        Those that were still busy after *seconds*, in the order in which they must go.
    """
    end = time.monotonic() + seconds
    while True:
        for name in reversed(modules):
            if name in loaded_modules():
                _rmmod(name)
        left = [name for name in reversed(modules) if name in loaded_modules()]
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.1)  # a killed agent's files may take a moment to close


def _still_loaded(busy: Sequence[str]) -> str:
    names = " ".join(busy)
    return f"Modules of this run are in use and stay loaded: unload them later (rmmod {names})."


def _rmmod(name: str) -> None:
    subprocess.run(["rmmod", name], capture_output=True)


class _KernelLog:
    """The running kernel's log from now on; empty where one may not read it."""

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
        """The next record as dmesg shows it, ``None`` when there is none yet."""
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
