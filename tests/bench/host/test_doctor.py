# SPDX-License-Identifier: GPL-2.0-only
"""The findings of ``ringcross doctor``, and its advice."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bench.host import doctor, knobs
from bench.host.doctor import Finding, install_command, system_packages
from bench.paths import ROOT
from tests.bench.host.knobs.tree import GOOD


def test_packages_are_read() -> None:
    text = "# a comment\n\nkmod  modinfo  # another\nlibelf-dev /usr/include/libelf.h\n"
    assert system_packages(text) == {"kmod": "modinfo", "libelf-dev": "/usr/include/libelf.h"}


def test_every_line_of_the_list_has_a_sign() -> None:
    lines = doctor.PACKAGES.read_text().splitlines()
    names = [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]
    assert list(system_packages("\n".join(lines))) == names
    assert "qemu-system-x86" in names


def test_signs_are_commands_files_and_modules() -> None:
    assert doctor._present("sh")
    assert doctor._present("/usr/bin/e*v")
    assert doctor._present("python3:json")
    assert not doctor._present("no-such-command")
    assert not doctor._present("/no/such/*.file")
    assert not doctor._present("python3:no_such_module")


def test_one_command_installs_all_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    findings = [
        Finding("bc", "missing", "no bc", package="bc"),
        Finding("kvm", "note", "none"),
        Finding("kmod", "missing", "no modinfo", package="kmod"),
    ]
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    command = install_command(findings)
    assert command == "sudo apt-get install --no-install-recommends bc kmod"
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert install_command(findings).startswith("apt-get ")
    assert install_command([]) == ""


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RINGCROSS_CACHE", str(tmp_path / "not" / "there"))
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10**8})())
    (finding,) = doctor._disk()
    assert (finding.state, finding.found[:6]) == ("missing", "0.1 GB")


def test_every_check_says_something() -> None:
    for finding in doctor.examine():
        assert finding.what
        assert finding.found
        assert finding.state == "ok" or finding.advice or finding.package
        assert finding.group in doctor.GROUPS


def test_knobs_are_told_of_by_name_and_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {**GOOD, "/proc/loadavg": "9.0 8 7 1/2 3"}
    monkeypatch.setattr(knobs, "read", lambda _: files)
    findings = {finding.what: finding for finding in doctor._knobs()}
    assert findings["load"].state == "note"
    assert "load 9.0" in findings["load"].advice
    assert {f.state for name, f in findings.items() if name != "load"} == {"ok"}
    assert {f.group for f in findings.values()} == {"time"}
    assert "kernel config" not in findings, "it concerns the kernel under test only"


def test_the_makefiles_helper_agrees() -> None:
    result = subprocess.run(
        [ROOT / "scripts/missing-packages"], capture_output=True, text=True, check=True
    )
    packages = system_packages(doctor.PACKAGES.read_text())
    missing = [package for package, indicator in packages.items() if not doctor._present(indicator)]
    assert result.stdout.split() == missing
