# SPDX-License-Identifier: GPL-2.0-only
"""No name or number of our modules is used by the stock kernel; these tests boot nothing."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.kernels import build, initramfs
from bench.kernels.catalog import Kernel, elf_image
from bench.paths import ROOT
from tests.vm import machine

pytestmark = [pytest.mark.vm, pytest.mark.contract]


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    return machine.stock()


@pytest.fixture(scope="module")
def ours(kernel: Kernel) -> list[Path]:
    found = sorted(build.build_modules(kernel).glob("*.ko"))
    assert len(found) > 20
    return found


def stock_files(kernel: Kernel) -> Iterator[Path]:
    return (kernel.modules_dir / "kernel").rglob("*.ko*")


def canonical(file: str) -> str:
    """The name of a module, from the name of its file."""
    return Path(file).name.partition(".")[0].replace("-", "_")


def test_exported_symbols(kernel: Kernel, ours: list[Path]) -> None:
    lines = (kernel.headers / "Module.symvers").read_text().splitlines()
    taken = {line.split("\t")[1] for line in lines}
    assert "printk" in taken or "_printk" in taken
    listing = subprocess.run(["nm", *ours], capture_output=True, text=True, check=True).stdout
    exported = set(re.findall(r" __ksymtab_(\w+)$", listing, re.MULTILINE))
    assert "rcx_channel_register" in exported
    assert {name for name in exported if not name.startswith("rcx_")} == set()
    assert exported & taken == set()


def test_module_names(kernel: Kernel, ours: list[Path]) -> None:
    builtin = (kernel.modules_dir / "modules.builtin").read_text().splitlines()
    taken = {canonical(name) for name in builtin} | {canonical(f.name) for f in stock_files(kernel)}
    assert builtin
    assert "rc_core" in taken
    assert {file.stem for file in ours} & taken == set()
    for file in ours:
        assert file.stem.startswith("ringcross_")
        assert b"\0alias=" not in file.read_bytes(), "only a run may load it"


def test_names_of_files_devices_and_threads(kernel: Kernel) -> None:
    """The stock kernel has none of our names; test_local_in_guest lists what we register."""
    name = re.compile(rb"(?i)ringcross|rcx_producer")
    assert not name.search(elf_image(kernel).read_bytes())
    assert [f.name for f in stock_files(kernel) if name.search(initramfs.read_module(f))] == []


def test_netlink_protocol(kernel: Kernel) -> None:
    header = kernel.root / "usr/src" / kernel.headers.name.replace("amd64", "common")
    text = (header / "include/uapi/linux/netlink.h").read_text().partition("struct sockaddr_nl")[0]
    taken = {int(number) for number in re.findall(r"#define NETLINK_\w+\s+(\d+)", text)}
    assert {0, 16} <= taken
    abi = (ROOT / "modules/netlink/abi.h").read_text()
    (own,) = re.findall(r"#define RCX_NETLINK_PROTOCOL\s+(\d+)", abi)
    assert int(own) not in taken
