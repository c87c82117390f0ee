# SPDX-License-Identifier: GPL-2.0-only
"""Prebuilt parts are used if they match; otherwise the error names what does not match."""

from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.errors import TargetError, UsageError
from bench.kernels import build, catalog, prebuilt
from bench.plan.options import RunOptions
from bench.plan.plans import find_plan, make_cells
from bench.run.campaign import Campaign
from bench.targets.provision import Provisioner
from tests.fake_target import LISTING, FakeProvisioner

HERE = platform.release()
ALL = ("ringcross_core", "ringcross_null", "ringcross_netlink")


def module(folder: Path, name: str, release: str = HERE) -> None:
    modinfo = f"name={name}\0vermagic={release} SMP preempt mod_unload modversions \0"
    (folder / f"{name}.ko").write_bytes(b"\x7fELF code\0license=GPL\0" + modinfo.encode())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    agent = tmp_path / "ringcross_agent"
    agent.write_text('#!/bin/sh\necho \'{"protocol": 2, "channels": []}\'\n')
    agent.chmod(0o755)
    for name in ALL:
        module(tmp_path, name)
    return tmp_path


@pytest.fixture(autouse=True)
def _no_build(monkeypatch: pytest.MonkeyPatch) -> None:
    """Act like a machine without compiler and headers."""

    def missing(*_: object) -> Any:
        raise TargetError("not available here")

    monkeypatch.setattr(build, "build_agent", missing)
    monkeypatch.setattr(build, "compile_modules", missing)
    monkeypatch.setattr(catalog, "running", missing)
    monkeypatch.setattr("os.geteuid", lambda: 0)


def prepare(folder: Path | None, **values: Any) -> Any:
    """Return the target of a local run of the fake channels null and netlink."""
    options = replace(RunOptions(target="local", prebuilt=folder, yes_load_modules=True), **values)
    channels = ("null", "netlink")
    cells = make_cells(LISTING, find_plan("quick"), channels=channels)
    return Provisioner(prebuilt=folder).prepare(options, LISTING, cells).target


def test_parts_that_fit_are_taken(folder: Path) -> None:
    target = prepare(folder)
    assert target.agent == folder / "ringcross_agent"
    assert target.modules == folder
    assert Provisioner(prebuilt=folder).listing() == {"protocol": 2, "channels": []}


def test_without_them_all_is_built(folder: Path) -> None:
    with pytest.raises(TargetError, match="not available here"):
        prepare(None)


def test_no_module_is_looked_at_without_consent(folder: Path) -> None:
    """The missing consent is reported later, by the target; the folder is not checked."""
    (folder / "ringcross_core.ko").unlink()
    assert prepare(folder, yes_load_modules=False).modules is None


@pytest.mark.parametrize("name", ALL)
def test_a_missing_module_is_named(folder: Path, name: str) -> None:
    (folder / f"{name}.ko").unlink()
    with pytest.raises(UsageError, match=rf"no {name}\.ko in .*copy the whole folder"):
        prepare(folder)


@pytest.mark.parametrize("name", ALL)
def test_a_module_for_another_kernel_is_refused(folder: Path, name: str) -> None:
    module(folder, name, release=f"{HERE}-rt")
    with pytest.raises(UsageError, match=rf"{name}\.ko was built for kernel \S+-rt, not for"):
        prepare(folder)


def test_a_file_that_is_no_module_is_refused(folder: Path) -> None:
    (folder / "ringcross_null.ko").write_bytes(b"")
    with pytest.raises(UsageError, match=r"was built for an unknown kernel"):
        prepare(folder)


def test_a_missing_agent_is_named(folder: Path) -> None:
    (folder / "ringcross_agent").unlink()
    with pytest.raises(UsageError, match=r"no ringcross_agent in .*ringcross build agent"):
        Provisioner(prebuilt=folder).listing()


def test_an_agent_must_be_executable(folder: Path) -> None:
    (folder / "ringcross_agent").chmod(0o644)
    with pytest.raises(UsageError, match=r"chmod \+x"):
        Provisioner(prebuilt=folder).listing()


def test_an_agent_of_another_machine_is_an_error_of_ours(folder: Path) -> None:
    (folder / "ringcross_agent").write_bytes(b"\x7fELF")
    with pytest.raises(TargetError, match=r"cannot be run \(.*\): build it on this machine"):
        Provisioner(prebuilt=folder).listing()


def test_an_agent_of_another_version_is_an_error_of_ours(folder: Path) -> None:
    (folder / "ringcross_agent").write_text("#!/bin/sh\necho '{\"protocol\": 0}'\n")
    with pytest.raises(TargetError, match=r"protocol version 0, but this ringcross requires 2"):
        Provisioner(prebuilt=folder).listing()


def test_release_of_a_real_module_is_its_first_word() -> None:
    modinfo = b"\0vermagic=6.1.0-56-amd64 SMP preempt mod_unload modversions \0"
    assert prebuilt.kernel_release(modinfo) == "6.1.0-56-amd64"
    assert prebuilt.kernel_release(b"\0vermagic=6.12.9\0name=x\0") == "6.12.9"
    assert prebuilt.kernel_release(b"no module") == ""


def test_a_run_folder_does_not_keep_where_they_were(tmp_path: Path) -> None:
    options = RunOptions(run_dir=tmp_path / "run", channels=("null",), prebuilt=tmp_path)
    assert "prebuilt" not in options.to_json()
    with Campaign(options, provisioner=FakeProvisioner()) as campaign:
        campaign.result(campaign.order()[-2])
    options = RunOptions(resume=tmp_path / "run", prebuilt=tmp_path / "now")
    with Campaign(options, provisioner=FakeProvisioner()) as resumed:
        assert resumed.options.prebuilt == tmp_path / "now"
