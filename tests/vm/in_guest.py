"""What :mod:`tests.vm.test_local_in_guest` has done in a guest: ``python -m tests.vm.in_guest``.

Each step is one run of ringcross.  What came of it is told to the host, and judged there.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

_DEBUG_PORT = 0xE9
_DEADLINE = 300.0
ENOUGH = 3
"""Cells that are measured before a run is cut short."""


def tell(what: dict[str, Any]) -> None:
    """One line for the host, byte by byte through QEMU's debug console."""
    with Path("/dev/port").open("r+b", buffering=0) as port:
        for byte in json.dumps(what).encode() + b"\n":
            port.seek(_DEBUG_PORT)
            port.write(bytes([byte]))


def our_modules() -> list[str]:
    names = [line.split()[0] for line in Path("/proc/modules").read_text().splitlines()]
    return sorted(name for name in names if name.startswith("ringcross_"))


def processes() -> list[str]:
    """Command lines of all processes but init and this one; kernel threads have none."""
    others = {path.name for path in Path("/proc").glob("[0-9]*")} - {"1", str(os.getpid())}
    return [words for words in map(command_line, sorted(others)) if words]


def command_line(pid: str) -> str:
    try:
        return Path("/proc", pid, "cmdline").read_text().replace("\0", " ").strip()
    except OSError:  # it has just ended
        return ""


def traces(run: Path) -> dict[str, Any]:
    """What a run has left, or is just leaving, in the kernel and on the disk."""
    kept = {"cells.csv", "environment.json"}
    files = {path.name: path.read_text() for path in run.glob("*") if path.name in kept}
    return {"modules": our_modules(), "processes": processes(), "files": files}


def interrupt(process: subprocess.Popen[bytes], run: Path) -> dict[str, Any]:
    """Send Ctrl-C's signal when some cells are measured and the agent is at work on the next.

    Returns:
        The traces just before.
    """
    end = time.monotonic() + _DEADLINE
    while process.poll() is None and time.monotonic() < end:
        before = traces(run)
        # The rows of cells that are skipped are there from the start.
        measured = before["files"].get("cells.csv", "").count(",ok,")
        if measured >= ENOUGH and before["modules"]:
            process.send_signal(signal.SIGINT)
            return before
        time.sleep(0.2)
    return {}


def step(name: str, *words: str, cut_short: bool = False) -> None:
    """Do ``ringcross run`` with *words*, and tell the host what came of it."""
    begun = time.monotonic()
    run, log = Path("/runs", name), Path(f"/{name}.log")
    command = [sys.executable, "-m", "bench", "run", "--target", "local", "--no-report"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--run-dir", str(run), *words], stdout=out, stderr=subprocess.STDOUT
        )
        before = interrupt(process, run) if cut_short else {}
        code = process.wait(_DEADLINE)
    seconds = time.monotonic() - begun
    said = log.read_text()
    tell({"step": name, "code": code, "said": said, "seconds": seconds, "before": before}
         | traces(run))  # fmt: skip


if __name__ == "__main__":
    prebuilt = ("--prebuilt", sys.argv[1])
    yes = ("--yes-load-modules", *prebuilt)
    step("refused", *prebuilt, "--channels", "null,ioctl")
    step("whole", *yes, "--channels", "syscall,null,ioctl,netlink", "--plan", "quick",
         "--sizes", "8")  # fmt: skip
    # Of the largest plan, so that it cannot be over before the signal comes.
    step("cut-short", *yes, "--channels", "null,ioctl,netlink", "--plan", "full", cut_short=True)
