# SPDX-License-Identifier: GPL-2.0-only
"""A bad module fails its own cells with one clear reason; the other cells are measured."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bench.errors import TargetError
from bench.kernels import build
from bench.paths import ROOT
from tests.vm import machine

pytestmark = pytest.mark.vm

OPERATIONS = {op.name: op for op in machine.operations()}


def test_module_that_does_not_load_fails_its_cells_only(tmp_path: Path) -> None:
    target = machine.machine()
    assert target.modules is not None
    modules = shutil.copytree(target.modules, tmp_path / "ko")
    broken = modules / "ringcross_ioctl.ko"
    broken.write_bytes(broken.read_bytes()[:1000])
    (modules / "ringcross_netlink.ko").unlink()
    names = ["ioctl-direct-push", "netlink-unicast-push", "null-handler-push"]
    answers = machine.boot(
        replace(target, modules=modules),
        [
            machine.SETUP,
            *(machine.cell(OPERATIONS[n], OPERATIONS[n].min, i) for i, n in enumerate(names)),
        ],
    )
    outcomes = [(a["status"], a["reason"]) for a in answers if a["re"] == "cell"]
    assert outcomes[0] == ("fail", "cannot load ringcross_ioctl: Exec format error")
    assert outcomes[1] == ("fail", "cannot load ringcross_netlink: No such file or directory")
    assert outcomes[2] == ("ok", "")


@pytest.fixture
def halves(tmp_path: Path) -> Path:
    """A copy of the core and of the smallest channel, which a test can break."""
    source = ROOT / "modules"
    tree = tmp_path / "modules"
    for name in ("core", "include", "null"):
        shutil.copytree(source / name, tree / name)
    shutil.copy(source / "Kbuild", tree)
    return tree


def break_module(halves: Path, line: str) -> None:
    kernel = halves / "null" / "kernel.c"
    text = kernel.read_text()
    place = "static ssize_t null_read"
    assert place in text
    kernel.write_text(text.replace(place, f"{line}\n{place}", 1))


def test_user_pointer_taken_for_a_kernel_one_is_found_by_sparse(
    halves: Path, tmp_path: Path
) -> None:
    kernel = machine.stock()
    build.check_modules(kernel, halves, tmp_path / "build")
    break_module(halves, "static __maybe_unused int peek(int __user *at) { return *at; }")
    with pytest.raises(TargetError, match="dereference of noderef"):
        build.check_modules(kernel, halves, tmp_path / "build")


def test_warning_of_the_compiler_is_an_error(halves: Path, tmp_path: Path) -> None:
    kernel = machine.stock()
    break_module(halves, "static int nobody_calls_me(void) { return 0; }")
    with pytest.raises(TargetError, match="nobody_calls_me"):
        build.build_modules(kernel, halves, tmp_path / "build")
