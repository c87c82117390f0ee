# SPDX-License-Identifier: GPL-2.0-only
"""Kernels that the user has, booted: unpacked packages, and the running kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.kernels import build, catalog, installed
from bench.kernels.catalog import Kernel
from bench.targets.vm import VmTarget
from tests.bench.kernels.user_kernels import snapshot
from tests.vm import machine

pytestmark = pytest.mark.vm


def operation() -> machine.Operation:
    """Looked up in a test: with ``--channels``, ioctl may not be there when this is imported."""
    return next(op for op in machine.operations() if op.name == "ioctl-direct-call")


def measure(kernel: Kernel, folder: Path) -> None:
    """Build the modules against *kernel*, boot it, and measure one cell."""
    modules = build.build_modules(kernel, build=folder)
    target = VmTarget(kernel, build.build_agent(), modules=modules)
    answers = machine.boot(target, [machine.SETUP, machine.cell(operation(), 64, 1)])
    assert answers[0]["kernel"] == kernel.release
    cell = next(answer for answer in answers if answer["re"] == "cell")
    assert (cell["status"], cell["reason"]) == ("ok", "")


def link(folder: Path, **names: Path) -> None:
    folder.mkdir(parents=True)
    for name, target in names.items():
        (folder / name).symlink_to(target)


def test_packages_that_were_unpacked(tmp_path: Path) -> None:
    """The folder is as ``dpkg-deb -x`` makes it: the headers name paths in /usr/src."""
    stock = machine.stock()
    root = tmp_path / "unpacked"
    link(root, boot=stock.vmlinuz.parent)
    # Since Debian 13 in usr/lib. A link to the headers there must not lead to those of the cache.
    modules = root / stock.modules_dir.relative_to(stock.root)
    link(modules, **{p.name: p for p in stock.modules_dir.iterdir() if not p.is_symlink()})
    for name in ("build", "source"):
        (modules / name).symlink_to((stock.modules_dir / name).readlink())
    headers = root / "usr/src" / stock.headers.name
    link(headers, **{p.name: p for p in stock.headers.iterdir() if p.name != "Makefile"})
    text = (stock.headers / "Makefile").read_text().replace(f"{stock.root}/usr/src/", "/usr/src/")
    (headers / "Makefile").write_text(text)
    for folder in stock.headers.parent.glob("*-common"):
        (headers.parent / folder.name).symlink_to(folder)
    before = snapshot(root)
    kernel = catalog.find(str(root), tmp_path / "cache")
    assert kernel.headers.is_relative_to(tmp_path / "cache")
    measure(kernel, tmp_path / "build")
    assert snapshot(root) == before


def test_the_running_kernel(tmp_path: Path) -> None:
    """The stock kernel stands for the running one, in the places of Arch."""
    stock = machine.stock()
    folder = tmp_path / "root/usr/lib/modules" / stock.release
    link(
        folder,
        vmlinuz=stock.vmlinuz,
        build=stock.headers,
        kernel=stock.modules_dir / "kernel",
    )
    kernel = installed.running(tmp_path / "cache", root=tmp_path / "root", release=stock.release)
    measure(kernel, tmp_path / "build")
