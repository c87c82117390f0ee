# SPDX-License-Identifier: GPL-2.0-only
"""Messages and exit codes of the errors."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from bench import errors


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.UsageError, 2),
        (errors.TargetError, 3),
        (errors.NeverCameUp, 3),
        (errors.DiskFull, 4),
        (errors.CellStalled, 1),
        (errors.AgentDied, 1),
        (errors.KernelPanic, 1),
        (errors.TargetLost, 1),
        (errors.LinkError, 1),
    ],
)
def test_exit_codes(kind: type[errors.RingcrossError], code: int) -> None:
    error = kind("What happened: what to do.")
    assert error.exit_code == code
    assert str(error) == "What happened: what to do."


def test_losses_know_the_cell_in_flight() -> None:
    assert errors.CellStalled("x", cell_id=7).cell_id == 7
    assert errors.AgentDied("x").cell_id is None
    panic = errors.KernelPanic("x", line="Kernel panic - not syncing", cell_id=1, exit_code=3)
    assert (panic.line, panic.cell_id, panic.exit_code) == ("Kernel panic - not syncing", 1, 3)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_becomes_one_sentence(number: int) -> None:
    message = r"No space left while writing cells \(/some/cells\.csv\): make room"
    with pytest.raises(errors.DiskFull, match=message), errors.writing("cells"):
        raise OSError(number, "full", "/some/cells.csv")


def test_a_really_full_device() -> None:
    with pytest.raises(errors.DiskFull, match="the table"), errors.writing("the table"):
        Path("/dev/full").write_text("x")


@pytest.mark.parametrize(
    "output",
    [
        "dpkg-deb: error: cannot write: No space left on device",
        "E: You don't have enough free space in /x/cache/archives/.",
    ],
)
def test_tools_that_found_the_disk_full(output: str) -> None:
    with pytest.raises(errors.DiskFull, match="No space left while writing a build: make room"):
        errors.check_room(output, "a build")
    errors.check_room("something else", "a build")


def test_a_folder_of_another_user_says_how_to_get_it() -> None:
    with pytest.raises(errors.TargetError) as raised, errors.writing("the results"):
        raise PermissionError(errno.EACCES, "Permission denied", "/some/my runs")
    assert str(raised.value).startswith(
        "/some/my runs cannot be used (Permission denied): give it to this user, for example with "
        f"`sudo chown -R {os.getuid()}:{os.getgid()} '/some/my runs'`, or choose another folder"
    )


@pytest.mark.parametrize("number", [errno.ENOTDIR, errno.EROFS, errno.EEXIST, errno.ENAMETOOLONG])
def test_a_place_that_cannot_hold_files_says_what_to_do(number: int) -> None:
    with pytest.raises(errors.TargetError) as raised, errors.writing("the results"):
        raise OSError(number, os.strerror(number), "/some/file")
    assert str(raised.value).startswith(f"/some/file cannot be used ({os.strerror(number)}): ")
    assert "choose another folder" in str(raised.value)


def test_too_many_open_files() -> None:
    with pytest.raises(errors.TargetError, match="raise `ulimit -n`"), errors.writing("results"):
        raise OSError(errno.EMFILE, "Too many open files")


def test_errors_of_the_program_pass() -> None:
    with pytest.raises(KeyError), errors.writing("cells.csv"):
        raise KeyError("cell")


def test_unknown_names_are_matched_in_upper_and_lower_case() -> None:
    assert "Did you mean CHANNELS?" in str(errors.unknown("variable", "channel", ["CHANNELS"]))
