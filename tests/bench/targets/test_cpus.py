# SPDX-License-Identifier: GPL-2.0-only
"""The number of CPUs of the virtual machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.kernels.catalog import Kernel
from bench.plan.options import RunOptions
from bench.targets import cpus
from bench.targets.provision import Provisioner
from bench.targets.vm import VmTarget
from tests.fake_target import FakeTarget

KERNEL = Kernel("6.1.0-0-amd64", "1", *[Path("/none")] * 5)


@pytest.mark.parametrize(("here", "chosen"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 4), (64, 4)])
def test_default_under_time(monkeypatch: pytest.MonkeyPatch, here: int, chosen: int) -> None:
    monkeypatch.setattr(cpus, "available", lambda: here)
    assert cpus.number(0, "time") == chosen
    assert cpus.number(0, "instructions") == 1


def test_the_user_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpus, "available", lambda: 4)
    assert cpus.number(1, "time") == 1
    assert cpus.number(4, "time") == 4
    assert cpus.number(8, "time", force=True) == 8
    with pytest.raises(UsageError, match=r"has 4 CPUs for 8 virtual ones.*--cpus 4 or fewer"):
        cpus.number(8, "time")
    assert cpus.number(1, "instructions") == 1
    with pytest.raises(UsageError, match=r"counts on one CPU.*leave out --cpus"):
        cpus.number(2, "instructions")


def test_a_conflict_is_reported_before_a_kernel_is_fetched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bench.targets.provision.find_qemu", lambda: "qemu")
    options = RunOptions(clock="instructions", cpus=2)
    with pytest.raises(UsageError, match="counts on one CPU"):
        Provisioner().prepare(options, {"channels": []}, [])


def test_the_local_target_has_its_own_cpus() -> None:
    with pytest.raises(UsageError, match="--cpus applies to the virtual machine"):
        Provisioner().prepare(RunOptions(target="local", cpus=2), {"channels": []}, [])


def test_the_local_target_has_its_own_kernel() -> None:
    with pytest.raises(UsageError, match=r"--kernel 6\.1 applies to the virtual machine"):
        Provisioner().prepare(RunOptions(target="local", kernel="6.1"), {"channels": []}, [])


def test_x_rays_have_one_cpu_with_the_code_of_several() -> None:
    several = VmTarget(KERNEL, Path("/none"), clock="time", cpus=4, topology="sockets=4")
    one = cpus.with_one(several)
    assert isinstance(one, VmTarget)
    assert (one.cpus, one.topology, one.append) == (1, "", ("noreplace-smp",))
    assert cpus.count(several) == 4
    single = VmTarget(KERNEL, Path("/none"))
    assert cpus.with_one(single) is single
    other = FakeTarget()
    assert (cpus.with_one(other), cpus.count(other)) == (other, 0)


def test_run_folders_without_a_number_had_one() -> None:
    stored = RunOptions().to_json()
    del stored["cpus"]
    assert RunOptions.from_json(stored).cpus == 1
    assert RunOptions.from_json(stored | {"target": "local"}).cpus == 0
    assert RunOptions.from_json(stored | {"cpus": 3}).cpus == 3
