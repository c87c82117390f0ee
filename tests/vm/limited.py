# SPDX-License-Identifier: GPL-2.0-only
"""Run a machine to its end, with a time limit that does not depend on the load of this machine."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence

from bench.targets.stopwatch import Stopwatch


def run(command: Sequence[str], *, seconds: float, keep: Sequence[int] = ()) -> None:
    """Run *command*; it is killed if this process dies.

    Args:
        command: the program and its arguments.
        seconds: time limit, without the time in which the program waits for a processor.
        keep: file descriptors that the program inherits.

    Raises:
        TimeoutExpired: the program did not end in time, and was killed.
        CalledProcessError: it failed.
    """
    words = ["setpriv", "--pdeathsig", "KILL", "--", *command]
    with subprocess.Popen(words, pass_fds=keep) as process:
        stopwatch = Stopwatch(process.pid)
        try:
            while process.poll() is None:
                if stopwatch.seconds() > seconds:
                    raise subprocess.TimeoutExpired(words, seconds)
                time.sleep(0.5)
        finally:
            process.kill()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, words)
