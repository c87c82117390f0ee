# SPDX-License-Identifier: GPL-2.0-only
"""A kernel that QEMU cannot start as an ELF file boots from its boot image."""

from __future__ import annotations

import pytest

from bench.kernels.catalog import Kernel
from bench.targets import vm
from bench.targets.base import Deadlines
from tests.vm import machine

pytestmark = pytest.mark.vm


def test_boot_image_decompresses_itself_and_counts_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cell costs as many instructions in each boot, and as many as in the ELF kernel."""
    operation = next(op for op in machine.operations() if op.name == "ioctl-direct-call")
    requests = [machine.SETUP, machine.cell(operation, 64, 1)]
    target = machine.machine(deadlines=Deadlines(boot=120))
    elf = machine.boot(target, requests)

    def boot_image(kernel: Kernel) -> object:
        return kernel.vmlinuz

    monkeypatch.setattr(vm, "elf_image", boot_image)
    first, second = machine.boot(target, requests), machine.boot(target, requests)
    assert repr(first) == repr(second)
    cells = [answer for boot in (elf, first) for answer in boot if answer["re"] == "cell"]
    assert [cell["status"] for cell in cells] == ["ok", "ok"]
    assert list(cells[0]["rounds"]) == pytest.approx(list(cells[1]["rounds"]), rel=0.01)
