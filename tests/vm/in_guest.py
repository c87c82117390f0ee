# SPDX-License-Identifier: GPL-2.0-only
"""The part of :mod:`tests.vm.test_local_in_guest` that runs in a guest, as a program.

Each step is a run of ringcross or a session of the agent.  The steps only report their outcome
to the host, which checks it.
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
# Ends the guest if the host does not.  The guest's clock may be several times too fast on a busy
# host.
_DEADLINE = 3600.0
CELLS_BEFORE = 3
"""Cells that are measured before a run is disturbed."""

FOREIGN = "tmp"
"""Folder with modules that do not belong to any run."""

_PLACES = ("/dev", "/proc", "/sys/bus", "/sys/class", "/sys/devices/virtual", "/sys/fs",
           "/sys/kernel", "/sys/module")  # fmt: skip

KEYMAP = ("rc_core", "rc_rc6_mce")
"""Modules of the stock kernel: the core of its infrared receivers, and a keymap that uses it."""

Disturbance = Callable[[subprocess.Popen[bytes]], bool]
"""Disturbs a run; returns false if it must be tried again."""


def report(document: dict[str, Any]) -> None:
    """Send one line of JSON to the host, byte by byte through QEMU's debug console."""
    with Path("/dev/port").open("r+b", buffering=0) as port:
        for byte in json.dumps(document).encode() + b"\n":
            port.seek(_DEBUG_PORT)
            port.write(bytes([byte]))


def modules() -> dict[str, str]:
    """The kernel's line for each loaded module; it contains an address that each load changes."""
    lines = Path("/proc/modules").read_text().splitlines()
    return {line.split()[0]: line for line in lines}


def processes() -> dict[int, str]:
    """Command lines of all processes except init, this one and kernel threads, by process ID."""
    others = {int(path.name) for path in Path("/proc").glob("[0-9]*")} - {1, os.getpid()}
    return {number: words for number in sorted(others) if (words := command_line(number))}


def command_line(number: int) -> str:
    try:
        return Path("/proc", str(number), "cmdline").read_text().replace("\0", " ").strip()
    except OSError:  # it has just ended
        return ""


def traces(run: Path) -> dict[str, Any]:
    """The modules, processes and main files of a run, while it runs or after its end."""
    kept = {"cells.csv", "environment.json"}
    files = {path.name: path.read_text() for path in run.glob("*") if path.name in kept}
    return {"modules": modules(), "processes": list(processes().values()), "files": files}


def interrupt(process: subprocess.Popen[bytes]) -> bool:
    """Send the signal that Ctrl-C sends."""
    process.send_signal(signal.SIGINT)
    return True


def kill_agent(_process: subprocess.Popen[bytes]) -> bool:
    """Kill the agent, so that it cannot unload its modules."""
    for number, words in processes().items():
        # The agent's children have the same command line.
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
    """Disturb a run after some cells are measured, while the agent measures the next one.

    Returns:
        The traces just before the disturbance; empty if the run ended before it.
    """
    end = time.monotonic() + _DEADLINE
    while process.poll() is None and time.monotonic() < end:
        before = traces(run)
        # The rows of skipped cells are written at the start of the run.
        measured = before["files"].get("cells.csv", "").count(",ok,")
        if measured >= CELLS_BEFORE and "ringcross_core" in before["modules"] and how(process):
            return before
        time.sleep(0.2)
    return {}


def step(name: str, *words: str, how: Disturbance | None = None) -> None:
    """Run ``ringcross run`` with *words*, and report the outcome to the host."""
    started, modules_before = time.monotonic(), modules()
    run, log = Path("/runs", name), Path(f"/{name}.log")
    command = [sys.executable, "-m", "bench", "run", "--target", "local", "--no-report"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--run-dir", str(run), *words], stdout=out, stderr=subprocess.STDOUT
        )
        before = disturb(process, run, how) if how else {}
        code = process.wait(_DEADLINE)
    seconds = time.monotonic() - started
    output = log.read_text()
    outcome = {
        "step": name,
        "code": code,
        "output": output,
        "seconds": seconds,
        "modules_before": modules_before,
        "before": before,
    }
    report(outcome | traces(run))


def insmod(folder: str, *names: str) -> None:
    """Load modules, one after another; the host checks whether they were loaded."""
    for name in names:
        subprocess.run(["insmod", f"/{folder}/{name}.ko"], check=False)


def rmmod(*names: str) -> None:
    """Remove modules; the host checks whether they were removed."""
    subprocess.run(["rmmod", *names], check=False)


def names() -> set[str]:
    """Names of kernel threads, and paths of all files where modules may register something."""
    found = {f"thread {path.read_text().strip()}" for path in Path("/proc").glob("[0-9]*/comm")}
    for place in _PLACES:
        for folder, folders, files in os.walk(place):
            if folder == "/proc":  # processes come and go
                folders[:] = [name for name in folders if not (name.isdigit() or "self" in name)]
            found |= {f"{folder}/{name}" for name in (*folders, *files)}
    return found


def report_names(prebuilt: str) -> None:
    """Report the names that all modules of ringcross register together."""
    subprocess.run(["mount", "-t", "debugfs", "debug", "/sys/kernel/debug"], check=True)
    insmod(prebuilt.strip("/"), "evdev")  # without evdev, the input device has no node
    names_before = names()
    ours = sorted(path.stem for path in Path(prebuilt).glob("ringcross_*.ko"))
    ours.sort(key="ringcross_core".__ne__)
    insmod(prebuilt.strip("/"), *ours)
    loaded = [name for name in ours if name in modules()]
    report({"step": "names", "loaded": loaded, "new": sorted(names() - names_before)})
    rmmod(*reversed(loaded), "evdev")


def run_agent(name: str, prebuilt: str, *requests: dict[str, Any]) -> None:
    """Send *requests* to the agent directly, and report its answers to the host."""
    modules_before = modules()
    command = [f"{prebuilt}/ringcross_agent", "--modules", prebuilt, "--loaded", "/loaded"]
    request_lines = "".join(json.dumps(request) + "\n" for request in requests)
    done = subprocess.run(
        command, input=request_lines.encode(), capture_output=True, timeout=_DEADLINE
    )
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith(b"{")]
    report(
        {"step": name, "modules_before": modules_before, "answers": answers, "modules": modules()}
    )


def main(prebuilt: str) -> None:
    yes = ("--yes-load-modules", "--prebuilt", prebuilt)
    small = ("--plan", "quick", "--sizes", "8")
    step("refused", "--prebuilt", prebuilt, "--channels", "null,ioctl")
    insmod(FOREIGN, *KEYMAP)
    step("whole", *yes, "--channels", "syscall,null,ioctl,netlink,input", *small)
    # The largest plan, so that the run does not end before the signal.
    step("cut-short", *yes, "--channels", "null,ioctl,netlink", "--plan", "full", how=interrupt)
    step("killed", *yes, "--channels", "null,ioctl,input", *small, how=kill_agent)
    insmod(FOREIGN, "ringcross_null")
    step("foreign", *yes, "--channels", "null,ioctl", *small)
    rmmod("ringcross_null")
    # The state that a run leaves if its harness is killed.
    insmod(prebuilt.strip("/"), "ringcross_core", "ringcross_null")
    run_agent("left-over", prebuilt, {"do": "lifecycle", "channel": "null"})
    rmmod("ringcross_null", "ringcross_core")
    run_agent("cleaned-up", prebuilt, {"do": "lifecycle", "channel": "null"})
    report_names(prebuilt)


if __name__ == "__main__":
    main(sys.argv[1])
