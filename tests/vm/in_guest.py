# SPDX-License-Identifier: GPL-2.0-only
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

_DEBUG_PORT = 0xE9
# Ends the guest when the host has not: its clock may be several times too fast on a busy host.
_DEADLINE = 3600.0
ENOUGH = 3
"""Cells that are measured before a run is disturbed."""

FOREIGN = "tmp"
"""Folder with modules that no run has to do with."""

_PLACES = ("/dev", "/proc", "/sys/bus", "/sys/class", "/sys/devices/virtual", "/sys/fs",
           "/sys/kernel", "/sys/module")  # fmt: skip

KEYMAP = ("rc_core", "rc_rc6_mce")
"""Of the stock kernel: the core of its infrared receivers, and a keymap that uses it."""

Disturbance = Callable[[subprocess.Popen[bytes]], bool]
"""Disturbs a run; false when it has to be tried again."""


def tell(what: dict[str, Any]) -> None:
    """One line for the host, byte by byte through QEMU's debug console."""
    with Path("/dev/port").open("r+b", buffering=0) as port:
        for byte in json.dumps(what).encode() + b"\n":
            port.seek(_DEBUG_PORT)
            port.write(bytes([byte]))


def modules() -> dict[str, str]:
    """The kernel's line for each loaded module; it has its address, so that a new load differs."""
    lines = Path("/proc/modules").read_text().splitlines()
    return {line.split()[0]: line for line in lines}


def processes() -> dict[int, str]:
    """Command lines of all processes but init and this one; kernel threads have none."""
    others = {int(path.name) for path in Path("/proc").glob("[0-9]*")} - {1, os.getpid()}
    return {number: words for number in sorted(others) if (words := command_line(number))}


def command_line(number: int) -> str:
    try:
        return Path("/proc", str(number), "cmdline").read_text().replace("\0", " ").strip()
    except OSError:  # it has just ended
        return ""


def traces(run: Path) -> dict[str, Any]:
    """What a run has left, or is just leaving, in the kernel and on the disk."""
    kept = {"cells.csv", "environment.json"}
    files = {path.name: path.read_text() for path in run.glob("*") if path.name in kept}
    return {"modules": modules(), "processes": list(processes().values()), "files": files}


def interrupt(process: subprocess.Popen[bytes]) -> bool:
    """What Ctrl-C does."""
    process.send_signal(signal.SIGINT)
    return True


def kill_agent(_process: subprocess.Popen[bytes]) -> bool:
    """Without a chance to unload anything."""
    for number, words in processes().items():
        # Its children have the same command line.
        if "ringcross_agent" in words and is_leader(number):
            os.kill(number, signal.SIGKILL)
            return True
    return False


def is_leader(number: int) -> bool:
    try:
        return os.getpgid(number) == number
    except ProcessLookupError:  # it has just ended
        return False


def disturb(process: subprocess.Popen[bytes], run: Path, how: Disturbance) -> dict[str, Any]:
    """Disturb a run when some cells are measured and the agent is at work on the next.

    Returns:
        The traces just before.
    """
    end = time.monotonic() + _DEADLINE
    while process.poll() is None and time.monotonic() < end:
        before = traces(run)
        # The rows of cells that are skipped are there from the start.
        measured = before["files"].get("cells.csv", "").count(",ok,")
        if measured >= ENOUGH and "ringcross_core" in before["modules"] and how(process):
            return before
        time.sleep(0.2)
    return {}


def step(name: str, *words: str, how: Disturbance | None = None) -> None:
    """Do ``ringcross run`` with *words*, and tell the host what came of it."""
    begun, earlier = time.monotonic(), modules()
    run, log = Path("/runs", name), Path(f"/{name}.log")
    command = [sys.executable, "-m", "bench", "run", "--target", "local", "--no-report"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--run-dir", str(run), *words], stdout=out, stderr=subprocess.STDOUT
        )
        before = disturb(process, run, how) if how else {}
        code = process.wait(_DEADLINE)
    seconds = time.monotonic() - begun
    said = log.read_text()
    tell({"step": name, "code": code, "said": said, "seconds": seconds, "earlier": earlier,
          "before": before} | traces(run))  # fmt: skip


def insmod(folder: str, *names: str) -> None:
    """Load them, one after another; one that does not load is for the host to judge."""
    for name in names:
        subprocess.run(["insmod", f"/{folder}/{name}.ko"], check=False)


def rmmod(*names: str) -> None:
    """Remove them; one that is not there is for the host to judge."""
    subprocess.run(["rmmod", *names], check=False)


def names() -> set[str]:
    """What is registered in the kernel, where files or threads show it."""
    found = {f"thread {path.read_text().strip()}" for path in Path("/proc").glob("[0-9]*/comm")}
    for place in _PLACES:
        for folder, folders, files in os.walk(place):
            if folder == "/proc":  # processes come and go
                folders[:] = [name for name in folders if not (name.isdigit() or "self" in name)]
            found |= {f"{folder}/{name}" for name in (*folders, *files)}
    return found


def tell_names(prebuilt: str) -> None:
    """What all our modules together register."""
    subprocess.run(["mount", "-t", "debugfs", "debug", "/sys/kernel/debug"], check=True)
    insmod(prebuilt.strip("/"), "evdev")  # or the input device would have no node
    earlier = names()
    ours = sorted(path.stem for path in Path(prebuilt).glob("ringcross_*.ko"))
    ours.sort(key="ringcross_core".__ne__)
    insmod(prebuilt.strip("/"), *ours)
    loaded = [name for name in ours if name in modules()]
    tell({"step": "names", "loaded": loaded, "new": sorted(names() - earlier)})
    rmmod(*reversed(loaded), "evdev")


def ask_agent(name: str, prebuilt: str, *requests: dict[str, Any]) -> None:
    """Send *requests* to the agent itself, and tell the host its answers."""
    earlier = modules()
    command = [f"{prebuilt}/ringcross_agent", "--modules", prebuilt, "--loaded", "/loaded"]
    asked = "".join(json.dumps(request) + "\n" for request in requests)
    done = subprocess.run(command, input=asked.encode(), capture_output=True, timeout=_DEADLINE)
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith(b"{")]
    tell({"step": name, "earlier": earlier, "answers": answers, "modules": modules()})


def main(prebuilt: str) -> None:
    yes = ("--yes-load-modules", "--prebuilt", prebuilt)
    small = ("--plan", "quick", "--sizes", "8")
    step("refused", "--prebuilt", prebuilt, "--channels", "null,ioctl")
    insmod(FOREIGN, *KEYMAP)
    step("whole", *yes, "--channels", "syscall,null,ioctl,netlink,input", *small)
    # Of the largest plan, so that it cannot be over before the signal comes.
    step("cut-short", *yes, "--channels", "null,ioctl,netlink", "--plan", "full", how=interrupt)
    step("killed", *yes, "--channels", "null,ioctl,input", *small, how=kill_agent)
    insmod(FOREIGN, "ringcross_null")
    step("foreign", *yes, "--channels", "null,ioctl", *small)
    rmmod("ringcross_null")
    # As a former run leaves them whose harness was killed.
    insmod(prebuilt.strip("/"), "ringcross_core", "ringcross_null")
    ask_agent("left-over", prebuilt, {"do": "lifecycle", "channel": "null"})
    rmmod("ringcross_null", "ringcross_core")
    ask_agent("cleaned-up", prebuilt, {"do": "lifecycle", "channel": "null"})
    tell_names(prebuilt)


if __name__ == "__main__":
    main(sys.argv[1])
