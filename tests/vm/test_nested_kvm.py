# SPDX-License-Identifier: GPL-2.0-only
"""A whole run where KVM works: the probe, the choice of the clock, cells, x-rays and the report.

The machine is emulated (:mod:`tests.vm.nested_kvm`), so the test needs no KVM.
"""

from __future__ import annotations

import csv
import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.commands.report import render
from bench.kernels import build
from bench.kernels.catalog import default_cache
from bench.paths import ROOT
from tests.vm import machine
from tests.vm.nested_kvm import Nested, load_order

pytestmark = [pytest.mark.vm, pytest.mark.slow]

SECONDS = 1500  # it takes minutes on two idle processors
CHANNEL = "ioctl"
COMMANDS = """
cd {root}
export HOME=/root LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 PATH={path} RINGCROSS_CACHE={cache}
{python} -m bench run --kernel {release} --prebuilt {prebuilt} --cpus 2 --channels {channel} \\
    --operations call,notify --sizes 64 --threads 1,2 --no-report --run-dir {folder}/run \\
    > {folder}/log 2>&1 ||
    {{ cat {folder}/log; exit 1; }}
{python} -m bench doctor --json > {folder}/doctor.json || true
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What the run has left: the run folder, its log and the findings of doctor."""
    path = tmp_path_factory.mktemp("nested")
    kernel = machine.stock()
    prebuilt = path / "prebuilt"
    prebuilt.mkdir()
    for part in (build.build_agent(), *build.build_modules(kernel).glob("ringcross_*.ko")):
        shutil.copy2(part, prebuilt)
    values = {
        "root": ROOT,
        "path": "/usr/sbin:/usr/bin:/sbin:/bin",
        "cache": default_cache(),
        "python": sys.executable,
        "release": kernel.release,
        "prebuilt": prebuilt,
        "channel": CHANNEL,
        "folder": path,
    }
    quoted = {name: shlex.quote(str(value)) for name, value in values.items()}
    Nested(kernel, path).run(COMMANDS.format(**quoted), seconds=SECONDS)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def environment(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "run/environment.json").read_text())
    return document


def test_the_clock_is_time_under_kvm(environment: dict[str, Any]) -> None:
    assert environment["finished"]
    assert (environment["accelerator"], environment["clock"]) == ("kvm", "time")
    assert environment["forced"] is False
    assert "-accel kvm" in environment["session"]["command_line"]


def test_the_machine_has_two_cpus(environment: dict[str, Any]) -> None:
    assert environment["session"]["cpus"] == 2
    assert environment["cpus"] == "0-1", "what the guest reports"


def test_all_cells_are_measured(folder: Path) -> None:
    rows = list(csv.DictReader((folder / "run/cells.csv").read_text().splitlines()))
    cells = [row for row in rows if row["channel"] == CHANNEL]
    assert {(row["operation"], row["threads"]) for row in cells} == {
        ("call", "1"),
        ("call", "2"),
        ("notify", "1"),
    }
    assert [(row["channel"], row["reason"]) for row in rows if row["status"] != "ok"] == []


def test_properties_and_x_rays_are_taken(folder: Path) -> None:
    properties = json.loads((folder / "run/properties.json").read_text())["properties"]
    assert CHANNEL in json.dumps(properties)
    operations = json.loads((folder / "run/xray.json").read_text())["operations"]
    # The plan quick takes x-rays of a channel's first mode only.
    taken = {o["operation"]: o["status"] for o in operations if o["channel"] == CHANNEL}
    first = {o["operation"]: o["status"] for o in operations if o["mode"] == "direct"}
    assert first == dict.fromkeys(taken, "ok")
    assert set(first) == {"push", "pull", "call", "notify", "upcall", "dump"}
    assert "incomplete" not in (folder / "log").read_text()


def test_the_report_is_rendered(folder: Path) -> None:
    """On this machine, since rendering takes minutes under emulation."""
    page = render([folder / "run"])
    assert CHANNEL in page.read_text()


def test_doctor_reports_the_probe(folder: Path) -> None:
    findings = json.loads((folder / "doctor.json").read_text())["findings"]
    (kvm,) = (finding for finding in findings if finding["what"] == "kvm")
    assert kvm["state"] == "ok"
    assert re.fullmatch(r"a kernel came up in [\d.]+ s \(tried at .* UTC\)", kvm["found"])


def test_modules_are_loaded_after_those_they_need() -> None:
    assert load_order("kvm: irqbypass\nkvm_amd: irqbypass kvm ccp\n9p:\n") == [
        "irqbypass",
        "kvm",
        "ccp",
        "kvm_amd",
        "9p",
    ]
