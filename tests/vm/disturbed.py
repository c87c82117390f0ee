# SPDX-License-Identifier: GPL-2.0-only
"""QEMU with a client at its monitor that keeps its main loop as busy as a loaded host does."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.targets.vm import find_qemu


class Disturber(threading.Thread):
    """Queries the monitor for the machine's name until the machine ends."""

    def __init__(self, address: Path) -> None:
        super().__init__(daemon=True)
        self.address = address
        self.queries = 0

    def run(self) -> None:
        with socket.socket(socket.AF_UNIX) as monitor, contextlib.suppress(ConnectionError):
            while monitor.connect_ex(os.fspath(self.address)):
                time.sleep(0.05)
            monitor.recv(1 << 16)
            monitor.sendall(b'{"execute": "qmp_capabilities"}\n')
            while monitor.recv(1 << 16):
                monitor.sendall(b'{"execute": "query-name"}\n')
                self.queries += 1


@contextmanager
def disturbed(tmp_path: Path) -> Iterator[Disturber]:
    """Disturb each machine that starts inside this context."""
    address = tmp_path / "monitor"
    qemu = tmp_path / "qemu"
    qemu.write_text(
        "#!/bin/sh\n"
        f'case "$*" in *-append*) set -- "$@" -qmp unix:{address},server=on,wait=off;; esac\n'
        f'exec {find_qemu()} "$@"\n'
    )
    qemu.chmod(0o755)
    thread = Disturber(address)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RINGCROSS_QEMU", os.fspath(qemu))
        thread.start()
        yield thread
    thread.join(timeout=10)
