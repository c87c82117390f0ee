# SPDX-License-Identifier: GPL-2.0-only
"""Standard streams, encodings and terminals as users have them."""

from __future__ import annotations

import csv
import json
import os
import re
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from bench.commands import console
from bench.paths import ROOT
from bench.plan.cells import OPERATIONS
from tests import other_user

Done = subprocess.CompletedProcess[str]
RUN = ("run", "--no-report", "--channels", "netlink")

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
"""A locale whose only letters are those of ASCII; Python would not use it without the others."""


def environment(folder: Path, **env: str) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "RINGCROSS_CACHE": str(folder / "cache")} | env


def shell(folder: Path, script: str, **env: str) -> Done:
    """Run *script*, in which ``ringcross`` measures with the fake target."""
    program = f"ringcross() {{ '{sys.executable}' -m tests.fake_ringcross \"$@\"; }}\n"
    return subprocess.run(
        ["bash", "-c", program + script],
        cwd=folder,
        env=environment(folder, **env),
        capture_output=True,
        timeout=120,
        encoding="utf-8",
        errors="surrogateescape",
    )


@pytest.mark.parametrize(
    ("words", "unbuffered"),
    [("list", ""), ("list", "1"), ("list --json", ""), ("--help", "1"), (" ".join(RUN), "")],
)
def test_a_full_disk_below_standard_output_is_one_sentence(
    tmp_path: Path, words: str, unbuffered: str
) -> None:
    done = shell(tmp_path, f"ringcross {words} >/dev/full", PYTHONUNBUFFERED=unbuffered)
    assert done.returncode == 4
    assert "No space left while writing standard output: make room" in done.stderr
    assert "Traceback" not in done.stderr
    if "run" in words:
        (run,) = (tmp_path / "reports/runs").iterdir()
        assert (run / "samples.parquet").exists(), "the run is recorded all the same"


def test_a_reader_that_goes_away_ends_it_quietly(tmp_path: Path) -> None:
    done = shell(tmp_path, "set -o pipefail; ringcross list | true; echo $?")
    assert (done.stdout, done.stderr) == ("141\n", "")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("errors", ["2>/dev/full", "2>&-", "2> >(true)"])
def test_a_run_goes_on_without_anybody_to_read_its_progress(
    tmp_path: Path, errors: str, unbuffered: str
) -> None:
    done = shell(tmp_path, f"ringcross {' '.join(RUN)} {errors}", PYTHONUNBUFFERED=unbuffered)
    assert done.returncode == 0
    assert "netlink" in done.stdout


def test_closed_streams_are_not_taken_for_files(tmp_path: Path) -> None:
    done = shell(tmp_path, f"ringcross {' '.join(RUN)} <&- >&- 2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    (run,) = (tmp_path / "reports/runs").iterdir()
    for path in run.iterdir():
        assert b"per operation, smallest message" not in path.read_bytes(), path


def test_every_command_works_in_a_locale_without_our_letters(tmp_path: Path) -> None:
    done = shell(
        tmp_path,
        "set -e; ringcross list; for name in A Ä; do ringcross run --channels netlink --run-dir "
        "$name; done; ringcross compare A Ä; ringcross export Ä; ringcross doctor || true",
        **ASCII,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "Geometric means" in done.stdout
    page = (tmp_path / "Ä/report/index.html").read_text(encoding="utf-8")
    assert "–" in page, "files are UTF-8 in every locale"
    with (tmp_path / "Ä/cells.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) > 3
    assert json.loads((tmp_path / "A/environment.json").read_text(encoding="utf-8"))["finished"]


def test_letters_are_replaced_by_similar_ones(tmp_path: Path) -> None:
    done = shell(tmp_path, "ringcross list", PYTHONIOENCODING="ascii")
    row = next(line for line in done.stdout.splitlines() if "netlink" in line)
    assert row.isascii()
    assert "?" not in row
    assert "|  -  " in row or "| -  " in row


def on_terminal(folder: Path, columns: int, *words: str, **env: str) -> tuple[int, str]:
    """Run ``ringcross`` on a terminal, and return its exit code and what it shows."""
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    clean = environment(folder, **env)
    del clean["COLUMNS"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fake_ringcross", *words],
        cwd=folder,
        env=clean,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    data, end = b"", time.monotonic() + 120
    while time.monotonic() < end:
        if not select.select([ours], [], [], 1)[0]:
            continue
        try:
            chunk = os.read(ours, 1 << 16)
        except OSError:  # the program has ended, and with it the last user of the terminal
            break
        data += chunk
    os.close(ours)
    return process.wait(timeout=10), data.decode().replace("\r\n", "\n")


def test_a_dumb_terminal_of_20_columns(tmp_path: Path) -> None:
    code, shown = on_terminal(tmp_path, 20, *RUN, TERM="dumb")
    assert code == 0, shown
    assert "\x1b" not in shown
    assert "[1/" in shown, "progress is printed line by line"
    (row,) = [line for line in shown.splitlines() if line.strip().startswith("netlink unicast")]
    assert len(re.findall(r"\d+|–", row)) == len(OPERATIONS), "no figure is cut"
    assert "…" not in row


def test_colours_can_be_switched_off(tmp_path: Path) -> None:
    code, shown = on_terminal(tmp_path, 100, "list", TERM="xterm", NO_COLOR="1")
    assert code == 0
    assert not re.search(r"\x1b\[3\dm", shown)


def test_a_table_is_never_narrower_than_its_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "20")
    assert console.Results().width == 80
    monkeypatch.setenv("COLUMNS", "100")
    assert console.Results().width == 100


def test_a_file_that_becomes_too_large_is_not_taken_for_the_output(tmp_path: Path) -> None:
    done = shell(tmp_path, f"ulimit -f 8; ringcross {' '.join(RUN)} >out")
    assert done.returncode == 4
    assert "No space left while writing" in done.stderr
    assert "standard output" not in done.stderr
    assert "Traceback" not in done.stderr


def test_nohup_keeps_its_meaning(tmp_path: Path) -> None:
    """A closed terminal ends a run, but not one that was started with nohup."""
    program = [sys.executable, "-m", "tests.fake_ringcross", *RUN]
    process = subprocess.Popen(
        ["sh", "-c", "trap '' HUP; exec \"$@\"", "sh", *program],
        cwd=tmp_path,
        env=environment(tmp_path, FAKE_SLOW="0.1"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert any("[1/" in line for line in process.stderr)
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=120)
    assert process.returncode == 0


def test_few_files_and_a_private_umask(tmp_path: Path) -> None:
    done = shell(tmp_path, f"ulimit -n 40; umask 077; ringcross {' '.join(RUN)}")
    assert done.returncode == 0, done.stderr
    (run,) = (tmp_path / "reports/runs").iterdir()
    assert (run / "cells.csv").stat().st_mode & 0o077 == 0


def test_matplotlib_keeps_to_our_cache(tmp_path: Path) -> None:
    cache, elsewhere = tmp_path / "cache", tmp_path / "elsewhere"
    cache.mkdir()
    done = shell(
        tmp_path,
        "ringcross run --channels netlink",
        HOME=str(elsewhere),
        XDG_CACHE_HOME=str(elsewhere),
        XDG_CONFIG_HOME=str(elsewhere),
        RINGCROSS_CACHE=str(cache),
        MPLBACKEND="no-such-backend",
    )
    assert done.returncode == 0, done.stderr
    assert "atplotlib" not in done.stderr
    assert not elsewhere.exists()


@other_user.needs_root
def test_a_user_without_a_name_a_home_or_a_folder(tmp_path: Path) -> None:
    """As in ``docker run -u 12345``."""
    with other_user.folder() as folder:
        words = [*other_user.PREFIX, sys.executable, "-m", "tests.fake_ringcross", *RUN]
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        env["RINGCROSS_CACHE"] = str(folder / "cache")

        def run() -> Done:
            return subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True)

        done = run()
        assert done.returncode == 3
        (line,) = done.stderr.splitlines()
        assert line.endswith(f"{folder} cannot be written by this user: choose another folder with "
                             "--run-dir.")  # fmt: skip
        os.chown(folder, other_user.UID, other_user.UID)
        done = run()
        assert done.returncode == 0, done.stderr
        # `sudo make bench` once, then without.
        for path in (folder / "reports", folder / "reports/runs"):
            os.chown(path, 0, 0)
        done = run()
        assert done.returncode == 3
        assert "perhaps because ringcross ran with sudo: run `sudo chown -R" in done.stderr


def test_another_package_of_the_same_name_is_not_taken_for_ours(tmp_path: Path) -> None:
    """``pip`` writes a script of these two lines."""
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench/__init__.py").write_text("raise SystemExit('The wrong bench.')\n")
    site = tmp_path / "site"
    site.mkdir()
    (site / "ringcross.py").symlink_to(ROOT / "ringcross.py")
    script = "import sys; sys.path.append(sys.argv.pop(1)); from ringcross import main; main()"
    env = os.environ | {"PYTHONPATH": str(tmp_path)}
    words = [sys.executable, "-c", script, str(site), "--help"]
    done = subprocess.run(words, env=env, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Usage: ringcross" in done.stdout
    wrong = subprocess.run(
        [sys.executable, "-m", "bench", "--help"], env=env, cwd=tmp_path, capture_output=True
    )
    assert b"The wrong bench." in wrong.stderr


def test_pip_installs_that_script() -> None:
    assert 'ringcross = "ringcross:main"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
