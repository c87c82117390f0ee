# SPDX-License-Identifier: GPL-2.0-only
"""scripts/on-debian, with stand-ins for the tools that need root and a network."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import pytest

from bench.paths import ROOT

HOST = "here"
TOOLS = {
    "id": "echo 0",
    "apt-get": f"for s in {HOST} {HOST}-updates; do echo scheme://main/debian $s; done\n"
    f"echo scheme://safe/debian {HOST}-security\n"
    f"echo scheme://other/vendor {HOST}ish",
    "debootstrap": 'mkdir -p "$4/etc/apt" "$4/etc/ssl/certs"; echo "$3 $5" >"$4/made"',
    "git": '[ "$1" = clone ] || exit 0; for last; do :; done; mkdir -p "$last"',
    "chroot": "exit 0",
    "unshare": 'for word; do echo "$word"; done >"$RECORD"; exit 7',
}


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    try:
        codename = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    except OSError:
        codename = ""
    if not codename:
        pytest.skip("This system has no code name, so the script cannot derive sources from it.")
    for name, text in TOOLS.items():
        tool = folder / name
        tool.write_text(f"#!/bin/sh\n{text.replace(HOST, codename)}\n")
        tool.chmod(0o755)
    return folder


def on_debian(tools: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "HOME": str(tools.parent),
        "DEBIAN_ROOT": str(tools.parent / "root"),
        "RECORD": str(tools.parent / "record"),
        "http_proxy": "scheme://proxy",
    }
    command = [str(ROOT / "scripts/on-debian"), *words]
    return subprocess.run(command, env=env, capture_output=True, text=True)


def test_the_command_runs_in_a_root_from_the_sources_of_this_machine(tools: Path) -> None:
    done = on_debian(tools, "newer", "make", "bench")
    assert done.returncode == 7
    assert "Debian newer: the command failed with status 7" in done.stderr
    root = tools.parent / "root"
    assert (root / "made").read_text() == "newer scheme://main/debian\n"
    assert (root / "etc/apt/sources.list").read_text().splitlines() == [
        "deb scheme://main/debian newer main",
        "deb scheme://main/debian newer-updates main",
        "deb scheme://safe/debian newer-security main",
    ]
    words = (tools.parent / "record").read_text().splitlines()
    assert words[-2:] == ["make", "bench"]
    assert "http_proxy=scheme://proxy" in words
    (root / "made").unlink()
    on_debian(tools, "newer", "true")
    assert not (root / "made").exists()  # the root is made once


def test_sid_has_one_suite(tools: Path) -> None:
    on_debian(tools, "sid", "true")
    text = (tools.parent / "root/etc/apt/sources.list").read_text()
    assert text == "deb scheme://main/debian sid main\n"


def test_other_files_are_never_removed(tools: Path) -> None:
    precious = tools.parent / "root/precious"
    precious.parent.mkdir()
    precious.touch()
    done = on_debian(tools, "newer", "true")
    assert done.returncode == 3
    assert "is not empty: set DEBIAN_ROOT to a new folder" in done.stderr
    assert precious.exists()


def test_usage_without_a_command(tools: Path) -> None:
    done = on_debian(tools, "newer")
    assert done.returncode == 2
    assert "scripts/on-debian SUITE COMMAND" in done.stderr
