# SPDX-License-Identifier: GPL-2.0-only
"""The list of system packages, as ``ringcross doctor`` reads it."""

from __future__ import annotations

import pytest

from bench.host import packages
from bench.host.packages import Manager, Requirement

TEXT = """\
# a comment
@apt  apt-get install -y
@dnf  dnf install
modinfo               kmod        kmod-dnf  # another
/usr/include/libelf.h libelf-dev  elfutils-libelf-devel
"""


def test_the_list_is_read() -> None:
    assert packages.managers(TEXT) == [
        Manager("apt", ("apt-get", "install", "-y")),
        Manager("dnf", ("dnf", "install")),
    ]
    assert list(packages.requirements(TEXT)) == [
        Requirement("modinfo", {"apt": "kmod", "dnf": "kmod-dnf"}),
        Requirement("/usr/include/libelf.h", {"apt": "libelf-dev", "dnf": "elfutils-libelf-devel"}),
    ]
    with pytest.raises(ValueError, match="argument"):
        list(packages.requirements(TEXT + "gcc gcc\n"))


def test_every_distribution_has_every_package() -> None:
    text = packages.LIST.read_text(encoding="utf-8")
    assert [one.name for one in packages.managers(text)] == [
        "apt", "dnf", "pacman", "zypper", "apk",
    ]  # fmt: skip
    assert len(list(packages.requirements(text))) > 10


def test_the_first_manager_here_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "_on_path", lambda command: command == "dnf")
    manager = packages.manager(TEXT)
    assert manager.name == "dnf"
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert manager.install(["kmod", "gcc", "kmod"]) == "sudo dnf install kmod gcc"
    monkeypatch.setattr(packages, "_on_path", lambda _: False)
    assert packages.manager(TEXT) == Manager()
    assert packages.manager(TEXT).install(["kmod"]) == ""


def test_signs_are_commands_files_and_modules() -> None:
    assert packages.present("sh")
    assert packages.present("/usr/bin/e*v")
    assert packages.present("/no/such/*.file|/usr/bin/e*v")
    assert packages.present("python3:json")
    assert not packages.present("no-such-command")
    assert not packages.present("/no/such/*.file|/nor/this")
    assert not packages.present("python3:no_such_module")
    assert not packages.present("no-such-python:json")
