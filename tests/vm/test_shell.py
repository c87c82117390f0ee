# SPDX-License-Identifier: GPL-2.0-only
"""``ringcross shell``: a prompt, the modules in the same folder, and the exit."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.vm


def test_modules_can_be_tried_by_hand() -> None:
    kernel = os.environ.get("RINGCROSS_TEST_KERNEL", "stock")
    command = [sys.executable, "-m", "bench", "shell", "--kernel", kernel]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as shell:
        assert shell.stdin is not None
        assert shell.stdout is not None
        output = b""
        while b"ringcross#" not in output:
            output += (data := os.read(shell.stdout.fileno(), 4096))
            assert data, output
        commands = (
            b"insmod ringcross_core.ko && insmod ringcross_null.ko; ls /dev/ringcross/*; "
            b"ringcross_agent --list; exit\n"
        )
        rest, progress = shell.communicate(commands, timeout=60)
    assert shell.returncode == 0
    assert b"\n/dev/ringcross/core  /dev/ringcross/null" in rest
    assert b'"protocol":2' in rest
    for step in (b"Building the agent", b"Building the modules for kernel", b"Booting kernel"):
        assert step in progress
