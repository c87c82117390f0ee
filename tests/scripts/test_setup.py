# SPDX-License-Identifier: GPL-2.0-only
"""``scripts/setup`` on machines of several distributions, which only a few stubs pretend to be.

The names of the packages themselves were tried only with apt.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.host import packages
from bench.paths import ROOT

BASICS = "sh dirname sed awk grep id mktemp cat tail rm ls chown touch".split()
"""Commands that every machine has."""


@dataclass
class Machine:
    """A checkout on a machine that has the basic commands and a Python, and nothing else."""

    checkout: Path
    bin: Path

    def program(self, name: str, script: str) -> None:
        """Add a command that records its call in ``calls``, then runs *script*."""
        path = self.bin / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >>"{self.checkout}/calls"\n{script}\n')
        path.chmod(0o755)

    def user(self, number: int) -> None:
        (self.bin / "id").unlink()
        (self.bin / "id").write_text(f"#!/bin/sh\necho {number}\n")
        (self.bin / "id").chmod(0o755)

    def setup(self, **env: str) -> subprocess.CompletedProcess[str]:
        clean = {"PATH": str(self.bin), "HOME": str(self.checkout)}
        return subprocess.run(
            ["sh", "scripts/setup", ".venv", "python3"],
            cwd=self.checkout,
            env=clean | env,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def calls(self) -> list[str]:
        path = self.checkout / "calls"
        return path.read_text().splitlines() if path.exists() else []


# What `python -m venv` makes: a Python that records how it is called.
PYTHON = """
case "$*" in
*'import ensurepip'*|*sys.version_info*|*'import pip'*) ;;
"-m venv "*) mkdir -p .venv/bin && cp "$0" .venv/bin/python && touch .venv/pyvenv.cfg ;;
*) env >environment ;;
esac
"""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    checkout, bin_ = tmp_path / "ring cross ü", tmp_path / "bin"
    for name in ("scripts", "bin"):
        (checkout / name).mkdir(parents=True)
    bin_.mkdir()
    for name in ("setup", "missing-packages"):
        shutil.copy(ROOT / "scripts" / name, checkout / "scripts")
    shutil.copy(ROOT / "packages.txt", checkout)
    for name in [*BASICS, "mkdir", "cp", "env"]:
        (bin_ / name).symlink_to(str(shutil.which(name)))
    made = Machine(checkout, bin_)
    made.program("python3", PYTHON)
    made.user(0)
    return made


MANAGERS = packages.managers(packages.LIST.read_text(encoding="utf-8"))


@pytest.mark.parametrize("manager", MANAGERS, ids=lambda manager: manager.name)
def test_root_installs_the_packages_of_the_distribution(
    machine: Machine, manager: packages.Manager
) -> None:
    machine.program(manager.command[0], "exit 0")
    done = machine.setup()
    assert done.returncode == 0, done.stderr
    (call,) = [c for c in machine.calls() if c.startswith(manager.command[0] + " ")]
    assert call.startswith(" ".join(manager.command) + " ")
    names = call.removeprefix(" ".join(manager.command)).split()
    wanted = packages.requirements(packages.LIST.read_text(encoding="utf-8"))
    by_sign = {one.sign: one.packages[manager.name] for one in wanted}
    assert {by_sign["qemu-system-x86_64"], by_sign["gcc"], by_sign["busybox"]} <= set(names)
    assert len(names) == len(set(names))
    assert by_sign["python3:ensurepip"] not in names, "it is installed"


@pytest.mark.parametrize("manager", MANAGERS, ids=lambda manager: manager.name)
def test_others_get_one_command(machine: Machine, manager: packages.Manager) -> None:
    machine.program(manager.command[0], "exit 0")
    machine.user(1000)
    done = machine.setup()
    assert done.returncode == 3
    assert f"    sudo {' '.join(manager.command)} qemu" in done.stderr
    assert not [c for c in machine.calls() if c.startswith(manager.command[0] + " ")]


def test_the_users_cdpath_is_not_searched(tmp_path: Path, machine: Machine) -> None:
    """Otherwise cd would go to another folder of the name scripts, and print it."""
    (tmp_path / "other/scripts").mkdir(parents=True)
    machine.program("apt-get", "exit 0")
    machine.user(1000)
    done = machine.setup(CDPATH=str(tmp_path / "other"))
    assert done.returncode == 3
    assert "--no-install-recommends qemu-system-x86 " in done.stderr


def test_every_script_ignores_cdpath() -> None:
    for script in (ROOT / "scripts").iterdir():
        assert 'CDPATH= cd "$(dirname "$0")/.."' in script.read_text(encoding="utf-8"), script


def test_without_a_known_manager_the_missing_commands_are_listed(machine: Machine) -> None:
    done = machine.setup()
    assert done.returncode == 3
    (line,) = done.stderr.splitlines()
    assert line.startswith("ringcross: No known package manager is here: install what provides")
    assert {"qemu-system-x86_64", "gcc", "make", "busybox"} <= set(line.split())


def test_the_script_and_doctor_agree() -> None:
    text = packages.LIST.read_text(encoding="utf-8")
    manager = packages.manager(text)
    script = [str(ROOT / "scripts/missing-packages"), manager.name]
    printed = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    missing = [one for one in packages.requirements(text) if not packages.present(one.sign)]
    assert printed.split() == list(dict.fromkeys(one.packages[manager.name] for one in missing))


DEAD = """
case $1 in
update) echo 'E: The repository of a dead vendor has no Release file.' >&2
	touch updated; exit 100 ;;
*) {install} ;;
esac
"""


def test_a_dead_source_of_packages_does_not_matter(machine: Machine) -> None:
    """The lists of the other sources are there after `apt-get update`, although it fails."""
    machine.program("apt-get", DEAD.format(install="test -e updated"))
    done = machine.setup()
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    verbs = [call.split()[1] for call in machine.calls() if call.startswith("apt-get")]
    assert verbs == ["install", "update", "install"]


def test_a_dead_source_is_named_if_it_is_needed(machine: Machine) -> None:
    install = "echo 'E: Unable to locate package gcc' >&2; exit 100"
    machine.program("apt-get", DEAD.format(install=install))
    done = machine.setup()
    assert done.returncode == 3
    assert "dead vendor" in done.stderr
    assert "Unable to locate package gcc" in done.stderr
    assert "    apt-get install -y --no-install-recommends qemu" in done.stderr


@pytest.fixture
def ready(machine: Machine) -> Machine:
    """A machine on which only the Python packages are missing."""
    (machine.checkout / "packages.txt").write_text("@apt apt-get install\nsh dash\n")
    return machine


def test_the_users_python_and_pip_settings_do_not_lead_astray(ready: Machine) -> None:
    settings = {
        "PIP_USER": "1",
        "PIP_TARGET": "/no/such",
        "PIP_PREFIX": "/no/such",
        "PYTHONHOME": "/no/such",
        "PYTHONPATH": "/no/such",
        "TMPDIR": "/no/such",
    }
    done = ready.setup(**settings, PIP_INDEX_URL="https://index.example/simple")
    assert done.returncode == 0, done.stderr
    (install,) = [call for call in ready.calls() if " -m pip install " in call]
    assert install.startswith("python3 "), "not the script pip, whose first line has the path"
    seen = dict(
        line.split("=", 1) for line in (ready.checkout / "environment").read_text().splitlines()
    )
    assert not set(settings) & set(seen)
    assert seen["PIP_INDEX_URL"] == "https://index.example/simple", "the network needs it"


def test_pip_installs_here_whatever_the_user_has_set(tmp_path: Path, ready: Machine) -> None:
    """With the real pip, `user = true` and `target = …` in the user's file of settings."""
    assert ready.setup().returncode == 0
    home, venv = tmp_path / "home", tmp_path / "venv"
    (home / ".config/pip").mkdir(parents=True)
    elsewhere = f"target = {tmp_path}/else\nprefix = {tmp_path}/else\n"
    (home / ".config/pip/pip.conf").write_text(f"[global]\n{elsewhere}[install]\nuser = true\n")
    subprocess.run(["python3", "-m", "venv", str(venv)], check=True)
    shutil.copy(ready.checkout / ".venv/pip.conf", venv)
    wheel = tmp_path / "one-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("one.py", "")
        file.writestr("one-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: one\nVersion: 1\n")
        file.writestr("one-1.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        file.writestr("one-1.dist-info/RECORD", "")
    env = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    pip = [f"{venv}/bin/python", "-m", "pip", "install", "-q", "--no-index", str(wheel)]
    done = subprocess.run(pip, env=env | {"HOME": str(home)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(venv.rglob("one.py"))
    assert not (tmp_path / "else").exists()


def test_a_folder_that_is_no_environment_is_not_removed(ready: Machine) -> None:
    (ready.checkout / ".venv").mkdir()
    (ready.checkout / ".venv/precious").touch()
    done = ready.setup()
    assert done.returncode == 3
    assert "is not a virtual environment" in done.stderr
    assert (ready.checkout / ".venv/precious").exists()


def test_an_environment_of_root_is_named(ready: Machine) -> None:
    """`sudo make bench` once, then without."""
    assert ready.setup().returncode == 0
    ready.user(1000)
    # Root may write everywhere, so the test -w cannot fail here.
    script = ready.checkout / "scripts/setup"
    script.write_text(script.read_text().replace('[ -w "$venv" ]', "false"))
    done = ready.setup()
    assert done.returncode == 3
    assert "belongs to another user, probably after a call with sudo" in done.stderr
    assert "sudo chown -R 1000:1000 '.venv'" in done.stderr


def test_pip_without_a_network_says_what_to_do(ready: Machine) -> None:
    ready.program("python3", PYTHON.replace("env >environment", "echo no network >&2; exit 1"))
    done = ready.setup()
    assert done.returncode == 3
    assert "no network" in done.stderr
    assert "repair what pip reports above, then run make again" in done.stderr
