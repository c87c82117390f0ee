# SPDX-License-Identifier: GPL-2.0-only
"""The local target, which loads modules into the running kernel, inside a guest."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

from bench.kernels import build, initramfs
from bench.kernels.catalog import Kernel
from tests.vm import guest, in_guest, machine

pytestmark = [pytest.mark.vm, pytest.mark.slow]

Step = dict[str, Any]


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Step]:
    """The outcome of each step of :mod:`tests.vm.in_guest`, in one boot."""
    folder = tmp_path_factory.mktemp("guest")
    kernel = machine.stock()
    files = modules(kernel) | {
        f"{in_guest.FOREIGN}/ringcross_null.ko": foreign(kernel, folder).read_bytes()
    }
    results = guest.run("tests.vm.in_guest", folder, kernel=kernel, seconds=900, files=files)
    return {step["step"]: step for step in results}


def modules(kernel: Kernel) -> initramfs.Files:
    """Modules of the stock kernel: those for channel input, and those of KEYMAP for no channel."""
    stock = initramfs.stock_modules(kernel, [in_guest.KEYMAP[-1]])
    keymap = {
        f"{in_guest.FOREIGN}/{Path(name).name}": data
        for name, data in stock.items()
        if name.endswith(".ko")
    }
    return initramfs.stock_modules(kernel, ["evdev"]) | keymap


def foreign(kernel: Kernel, folder: Path) -> Path:
    """A module that does not belong to ringcross but has the name of one of its modules."""
    source = folder / "foreign"
    source.mkdir()
    (source / "Kbuild").write_text("obj-m := ringcross_null.o\n")
    (source / "ringcross_null.c").write_text(
        "#include <linux/module.h>\n"
        'MODULE_DESCRIPTION("not of ringcross");\n'
        'MODULE_LICENSE("GPL");\n'
    )
    return build.build_modules(kernel, source, folder / "build") / "ringcross_null.ko"


def rows(step: Step) -> list[dict[str, str]]:
    return list(csv.DictReader(step["files"]["cells.csv"].splitlines()))


def test_modules_are_refused_without_consent(steps: dict[str, Step]) -> None:
    step = steps["refused"]
    assert step["code"] == 2, step["output"]
    last = step["output"].splitlines()[-1]
    assert last.startswith("ringcross: The local target loads modules into the kernel you are")
    assert "--yes-load-modules" in last
    assert step["modules"] == step["modules_before"]
    assert not step["files"]


MEASURED = {"syscall", "stock", "null", "ioctl", "netlink", "input"}


def test_a_whole_run(steps: dict[str, Step]) -> None:
    step = steps["whole"]
    assert step["code"] == 0, step["output"]
    table = rows(step)
    assert {row["channel"] for row in table} == MEASURED
    assert {row["status"] for row in table} <= {"ok", "skip"}
    measured = [row for row in table if row["status"] == "ok"]
    assert {row["channel"] for row in measured} == MEASURED
    assert {(row["clock"], row["unit"]) for row in table} == {("time", "ns")}
    assert all(float(row["median"]) > 0 for row in measured)
    environment = json.loads(step["files"]["environment.json"])
    assert environment["target"] == environment["session"]["target"] == "local"
    assert environment["kernel"] == machine.stock().release
    assert environment["finished"]


def test_the_run_s_modules_are_unloaded_and_no_others(steps: dict[str, Step]) -> None:
    """rc-core and a keymap of the stock kernel, loaded before the run, stay loaded."""
    step = steps["whole"]
    assert set(step["modules_before"]) == {*in_guest.KEYMAP}
    assert step["modules"] == step["modules_before"]
    assert step["processes"] == []


def test_an_interrupted_run(steps: dict[str, Step]) -> None:
    """After Ctrl-C, the modules are unloaded, the agent has ended, and the rows remain."""
    step = steps["cut-short"]
    before = step["before"]
    assert "ringcross_core" in before["modules"], step["output"]
    assert any("ringcross_agent" in words for words in before["processes"])
    assert step["code"] == 130, step["output"]
    assert "--resume" in step["output"].splitlines()[-1]
    assert step["modules"] == step["modules_before"]
    assert step["processes"] == []
    assert step["files"]["cells.csv"].startswith(before["files"]["cells.csv"])
    assert len([row for row in rows(step) if row["status"] == "ok"]) >= in_guest.CELLS_BEFORE
    assert not json.loads(step["files"]["environment.json"])["finished"]


def test_the_modules_of_a_killed_agent_are_unloaded(steps: dict[str, Step]) -> None:
    """A new agent measures the remaining cells; modules left by the first would prevent that."""
    step = steps["killed"]
    assert "ringcross_core" in step["before"]["modules"], step["output"]
    assert step["modules"] == step["modules_before"]
    assert step["processes"] == []
    assert step["code"] == 1, step["output"]
    (failed,) = (row for row in rows(step) if row["status"] == "fail")
    assert failed["reason"].startswith("The agent ended without finishing in cell")
    assert {row["channel"] for row in rows(step) if row["status"] == "ok"} >= {"ioctl", "input"}


def test_a_foreign_module_of_our_name_is_an_error_and_stays(steps: dict[str, Step]) -> None:
    step = steps["foreign"]
    assert "ringcross_null" in step["modules_before"]
    assert step["modules"] == step["modules_before"]
    assert step["code"] == 1, step["output"]
    assert (
        "a module named ringcross_null is already loaded and this run did not load it: "
        "unload it (rmmod ringcross_null), or reboot"
    ) in step["output"]
    status = {(row["channel"], row["status"]) for row in rows(step)} - {("null", "skip")}
    assert ("null", "ok") not in status
    assert ("null", "fail") in status
    assert ("ioctl", "ok") in status, "other channels are measured"


def test_what_a_killed_run_has_left_is_an_error_that_says_how_to_go_on(
    steps: dict[str, Step],
) -> None:
    step = steps["left-over"]
    (answer,) = (answer for answer in step["answers"] if answer["re"] == "lifecycle")
    assert answer["reason"] == (
        "a module named ringcross_core is already loaded and this run did not load it: "
        "unload it (rmmod ringcross_null ringcross_core), or reboot"
    )
    assert step["modules"] == step["modules_before"]
    step = steps["cleaned-up"]
    assert [answer.get("status", "ok") for answer in step["answers"]] == ["ok"] * 3
    assert step["modules"] == step["modules_before"]


# Names with a number that the kernel assigns, and its own workers.
_NUMBERED = re.compile(
    r"/dev/input/event\d+|/sys/class/input/(input|event)\d+|/sys/devices/virtual/input/input\d+\b.*|"
    r"thread kworker/.*"
)
# The channel devmem uses the traditional name; no file of a stock kernel has this name.
_CLASSIC = re.compile(r"/proc/memshare(/phymem_\w+)?")


def test_all_that_our_modules_register_has_our_name(steps: dict[str, Step]) -> None:
    step = steps["names"]
    names = {channel["module"] for channel in machine.listing()["channels"] if channel["module"]}
    assert {"ringcross_core", *names} <= set(step["loaded"])
    new = set(step["new"])
    assert {"/dev/ringcross/null", "/proc/sys/dev/ringcross", "thread rcx_producer"} <= new
    others = [name for name in new if not re.search(r"/ringcross|^thread rcx_", name)]
    assert [n for n in others if not (_NUMBERED.fullmatch(n) or _CLASSIC.fullmatch(n))] == []
