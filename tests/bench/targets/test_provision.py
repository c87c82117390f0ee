# SPDX-License-Identifier: GPL-2.0-only
"""Options that exclude each other are reported before anything is built or booted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.errors import TargetError, UsageError
from bench.kernels import build, catalog, module_signing
from bench.kernels.build import ModuleBuild
from bench.kernels.catalog import Kernel
from bench.plan.options import RunOptions
from bench.plan.plans import find_plan, make_cells
from bench.targets.provision import Provisioner
from tests.fake_target import LISTING


def test_this_kernel_has_been_booted_already() -> None:
    options = RunOptions(target="local", append=("mitigations=off",))
    with pytest.raises(UsageError, match="already booted: leave it out"):
        Provisioner().prepare(options, LISTING, [])


def test_the_local_target_counts_no_instructions() -> None:
    with pytest.raises(UsageError, match="has only the time clock"):
        Provisioner().prepare(RunOptions(target="local", clock="instructions"), LISTING, [])


def test_an_agent_on_a_file_system_without_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mounted noexec, every file there is like one without permission to run it."""
    agent = tmp_path / "ringcross_agent"
    agent.write_bytes(b"\x7fELF")
    agent.chmod(0o644)
    monkeypatch.setattr(Provisioner, "_agent", lambda _: agent)
    with pytest.raises(TargetError, match=r"cannot be run.*not mounted noexec"):
        Provisioner().listing()


def test_placements_of_this_machine_come_from_the_agent(tmp_path: Path) -> None:
    agent = tmp_path / "ringcross_agent"
    agent.write_text(
        '#!/bin/sh\necho \'{"placements": {"same-cpu": [1, 1], "smt-sibling": [1, 0]}}\'\n'
    )
    agent.chmod(0o755)
    provisioner = Provisioner(prebuilt=tmp_path)
    assert provisioner.placements(RunOptions(target="local")) == ("same-cpu", "smt-sibling")
    vm = RunOptions(target="vm", clock="instructions")
    assert provisioner.placements(vm) == ("same-cpu",)
    vm = RunOptions(target="vm", clock="time", cpus=2, force_time=True)
    assert provisioner.placements(vm) == ("same-cpu", "same-llc")


PLAIN: dict[str, Any] = {**LISTING["channels"][1], "name": "pipe", "module": None}
"""A channel without a kernel half."""
CHANNELS = {**LISTING, "channels": [*LISTING["channels"], PLAIN]}


def prepare(prebuilt: Path | None = None, **values: Any) -> Any:
    options = RunOptions(prebuilt=prebuilt, **values)
    cells = make_cells(CHANNELS, find_plan("quick"), channels=options.channels)
    return Provisioner(prebuilt=prebuilt).prepare(options, CHANNELS, cells)


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """A kernel whose modules build; nothing is fetched or booted."""
    config = tmp_path / "config"
    config.write_text("CONFIG_MODULE_SIG=y\nCONFIG_SECURITY_LOCKDOWN_LSM=y\n")
    kernel = Kernel("7.9.0-test", "1", config, tmp_path, config, tmp_path, tmp_path)
    monkeypatch.setattr(catalog, "find", lambda *_args, **_more: kernel)
    monkeypatch.setattr(build, "build_agent", lambda: tmp_path / "agent")
    monkeypatch.setattr(build, "compile_modules", lambda _: ModuleBuild(tmp_path / "ko"))
    monkeypatch.setattr("bench.targets.provision.find_qemu", lambda: "qemu")
    monkeypatch.setattr("bench.targets.provision.elf_image", lambda *_args: config)
    return kernel


COUNTED: dict[str, Any] = {"clock": "instructions", "channels": ("null", "netlink")}


@pytest.mark.parametrize("word", ["lockdown=integrity", "module.sig_enforce=1"])
def test_a_kernel_that_refuses_our_modules_is_one_error_before_the_build(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    monkeypatch.setattr(build, "build_agent", lambda: pytest.fail("built"))
    message = rf"7\.9\.0-test would load only signed modules \({word}\).*: leave this word out"
    with pytest.raises(UsageError, match=message):
        prepare(append=("quiet", word), **COUNTED)


def test_lockdown_does_not_concern_channels_without_a_module(kernel: Kernel) -> None:
    testbed = prepare(append=("lockdown=integrity",), clock="instructions", channels=("pipe",))
    assert testbed.target.append == ("lockdown=integrity",)
    assert testbed.target.modules is None


def test_signed_modules_are_left_to_the_kernel(kernel: Kernel, tmp_path: Path) -> None:
    for name in ("core", "null", "netlink"):
        (tmp_path / f"ringcross_{name}.ko").write_bytes(
            f"\0vermagic={kernel.release} SMP\0~Module signature appended~\n".encode()
        )
    agent = tmp_path / "ringcross_agent"
    agent.write_text("")
    agent.chmod(0o755)
    testbed = prepare(tmp_path, append=("lockdown=integrity",), **COUNTED)
    assert testbed.target.modules == tmp_path
    (tmp_path / "ringcross_core.ko").write_bytes(b"\0vermagic=7.9.0-test SMP\0")
    with pytest.raises(UsageError, match="only signed modules"):
        prepare(tmp_path, append=("lockdown=integrity",), **COUNTED)


def test_a_running_kernel_that_refuses_our_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module_signing, "enforced_here", lambda _: "lockdown is integrity")
    with pytest.raises(UsageError, match=r"signed modules \(lockdown is integrity\).* --target vm"):
        prepare(target="local", channels=("netlink",))
    monkeypatch.setattr(build, "build_agent", lambda: Path("agent"))
    assert prepare(target="local", channels=("pipe",)).clock == "time"


def test_no_channel_that_was_named_builds(
    kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = "netlink/kernel.c:1:2: error: x"
    built = ModuleBuild(tmp_path, {"ringcross_netlink": error}, log=tmp_path / "log")
    monkeypatch.setattr(build, "compile_modules", lambda _: built)
    message = f"ringcross_netlink does not build for kernel 7.9.0-test: {error}"
    with pytest.raises(TargetError, match=message):
        prepare(clock="instructions", channels=("netlink",))
    testbed = prepare(**COUNTED)
    assert {result.reason for result in testbed.decided.values()} == {message}
    assert {cell.channel for cell in testbed.decided} == {"netlink"}


def test_without_the_core_a_channel_without_a_module_is_measured(
    kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = ModuleBuild(tmp_path, {build.CORE: "core/kernel.c:1:2: error: x"})
    monkeypatch.setattr(build, "compile_modules", lambda _: built)
    testbed = prepare(clock="instructions", channels=("null", "pipe"))
    assert {cell.channel for cell in testbed.decided} == {"null"}
    assert {result.status for result in testbed.decided.values()} == {"fail"}
    with pytest.raises(TargetError, match="ringcross_core does not build"):
        prepare(clock="instructions", channels=("null",))
