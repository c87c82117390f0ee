# SPDX-License-Identifier: GPL-2.0-only
"""A bad module fails its own cells with one clear reason; the other cells are measured."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bench.errors import TargetError
from bench.kernels import build, catalog
from bench.paths import ROOT
from bench.plan.options import RunOptions
from bench.run.campaign import Campaign
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


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        (
            "module.sig_enforce=1",
            "this kernel loads only modules that are signed with a key it trusts",
        ),
        ("lockdown=integrity", "Operation not permitted"),
        ("lockdown=confidentiality", "Operation not permitted"),
    ],
)
def test_a_kernel_that_refuses_our_modules_runs_channels_without_one(
    word: str, reason: str
) -> None:
    """A locked-down kernel also refuses the I/O port, so the answers take another way."""
    names = ["null-handler-push", "pipe-pair-push"]
    answers = machine.boot(
        machine.machine(append=[word]),
        [
            machine.SETUP,
            *(machine.cell(OPERATIONS[n], OPERATIONS[n].min, i) for i, n in enumerate(names)),
        ],
    )
    outcomes = [(a["status"], a["reason"]) for a in answers if a["re"] == "cell"]
    assert outcomes == [("fail", f"cannot load ringcross_core: {reason}"), ("ok", "")]


def copy_of(channels: Sequence[str], tree: Path) -> Path:
    """A copy of the core and of some channels, which a test can break."""
    source = ROOT / "modules"
    for name in ("core", "include", *channels):
        shutil.copytree(source / name, tree / name)
    shutil.copy(source / "Kbuild", tree)
    return tree


@pytest.fixture
def halves(tmp_path: Path) -> Path:
    return copy_of(["null"], tmp_path / "modules")


def test_kernel_halves_that_do_not_build_are_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One does not compile, one uses a function that the kernel does not have."""
    channels = ("null", "ioctl", "procfs")
    tree = copy_of(channels, tmp_path / "modules")
    with (tree / "ioctl/kernel.c").open("a") as file:
        file.write("int broken(\n")
    with (tree / "procfs/kernel.c").open("a") as file:
        file.write("int rcx_absent(void);\nint rcx_call(void);\n")
        file.write("int rcx_call(void) { return rcx_absent(); }\n")
    built = build.compile_modules(machine.stock(), tree, tmp_path / "build")
    monkeypatch.setattr(build, "compile_modules", lambda _kernel: built)
    monkeypatch.setattr(catalog, "find", lambda *_args, **_more: machine.stock())
    options = RunOptions(
        clock="instructions",
        channels=channels,
        operations=("push",),
        sizes=(8,),
        run_dir=tmp_path / "run",
    )
    with Campaign(options) as campaign:
        campaign.run()
    outcomes = {
        cell.channel: (results[0].status, results[0].reason)
        for cell, results in campaign.results.items()
    }
    assert outcomes["null"] == ("ok", "")
    release = machine.stock().release
    status, reason = outcomes["ioctl"]
    assert status == "skip"
    assert reason.startswith(
        f"ringcross_ioctl does not build for kernel {release}: ioctl/kernel.c:"
    )
    assert " error: " in reason
    assert outcomes["procfs"] == (
        "skip",
        f"ringcross_procfs does not build for kernel {release}: "
        'ERROR: modpost: "rcx_absent" [ringcross_procfs.ko] undefined!',
    )
    assert [w for w in campaign.warnings() if "of ioctl" in w and reason in w]
    with pytest.raises(TargetError, match=r"ringcross_ioctl does not build for kernel .*: ioctl/"):
        run_only("ioctl", tmp_path)


def run_only(channel: str, tmp_path: Path) -> None:
    options = RunOptions(clock="instructions", channels=(channel,), run_dir=tmp_path / "other")
    with Campaign(options) as campaign:
        campaign.run()


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
