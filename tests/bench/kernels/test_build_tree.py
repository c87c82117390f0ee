# SPDX-License-Identifier: GPL-2.0-only
"""Kernels in the folder in which they were built."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from bench.errors import TargetError, UsageError
from bench.kernels import boot_config, catalog
from bench.kernels.catalog import elf_image
from bench.kernels.initramfs import stock_modules
from tests.bench.kernels.boot_image import ELF, boot_image
from tests.bench.kernels.user_kernels import CONFIG, compress, snapshot, write


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The files of a build tree that ringcross reads, with three modules, one not built."""
    modules = {
        "fs/configfs/configfs.ko": b"\0depends=\0",
        "kernel/locking/test.ko": b"\0depends=configfs\0",
        "drivers/uio/uio.ko": b"\0depends=\0",
    }
    order = (
        "fs/configfs/configfs.o\nkernel/locking/test.o\nkernel/drivers/uio/uio.ko\nnot/built.o\n"
    )
    return write(
        tmp_path / "linux",
        {
            "Makefile": b"all:\n",
            "Kbuild": b"",
            ".config": CONFIG.encode(),
            "Module.symvers": b"",
            "include/config/kernel.release": b"9.8.7-mine+\n",
            "arch/x86/boot/bzImage": boot_image(compress(ELF)),
            "modules.order": order.encode(),
            "modules.builtin": b"kernel/drivers/tty/serial/8250/8250.ko\n",
            **modules,
        },
    )


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RINGCROSS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def names_of(needs: Iterable[str], spec: Path) -> list[str]:
    return sorted(stock_modules(catalog.find(str(spec)), needs))


def test_a_build_tree_is_used_and_not_written_into(tree: Path, cache: Path) -> None:
    before = snapshot(tree)
    kernel = catalog.find(str(tree))
    assert (kernel.release, kernel.package_version) == ("9.8.7-mine+", "")
    assert (kernel.headers, kernel.config) == (tree, tree / ".config")
    assert elf_image(kernel).read_bytes() == ELF
    # The release files of kernels differ in how they write a module's path.
    needs = ("configfs", "test", "uio", "8250")
    assert names_of(needs, tree) == [
        "modules/configfs.ko",
        "modules/modules.dep",
        "modules/test.ko",
        "modules/uio.ko",
    ]
    assert snapshot(tree) == before
    assert catalog.list_kernels() == []  # nothing was fetched
    assert kernel.root.is_relative_to(cache)


def test_relative_paths_and_the_home_folder(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree.parent)
    monkeypatch.setenv("HOME", str(tree.parent))
    for spec in ("./linux", "~/linux", str(tree)):
        assert catalog.find(spec).headers == tree
    monkeypatch.chdir(tree)
    assert catalog.find(".").headers == tree


@pytest.mark.parametrize("name", ["Module.symvers", ".config", "arch/x86/boot/bzImage"])
def test_a_tree_that_was_built_again_is_noticed(tree: Path, name: str) -> None:
    first = catalog.find(str(tree))
    elf_image(first)
    assert catalog.find(str(tree)) == first
    (tree / "arch/x86/boot/bzImage").write_bytes(boot_image(compress(ELF + b"new")))
    os.utime(tree / "arch/x86/boot/bzImage", ns=(1, 1))
    os.utime(tree / name, ns=(10**18, 10**18))
    second = catalog.find(str(tree))
    assert second.build_id != first.build_id
    assert second.root == first.root
    assert elf_image(second).read_bytes() == ELF + b"new"


def test_vmlinux_is_enough(tree: Path) -> None:
    (tree / "arch/x86/boot/bzImage").unlink()
    (tree / "vmlinux").write_bytes(ELF)
    with pytest.raises(TargetError, match="is not built"):  # headers may have one without code
        catalog.find(str(tree))
    (tree / "System.map").touch()
    assert elf_image(catalog.find(str(tree))).read_bytes() == ELF


@pytest.mark.parametrize(
    "name",
    [".config", "include/config/kernel.release", "Module.symvers", "arch/x86/boot/bzImage"],
)
def test_a_tree_that_is_not_built(tree: Path, name: str) -> None:
    (tree / name).unlink()
    with pytest.raises(TargetError, match=rf"is not built \({name} is missing\): run make"):
        catalog.find(str(tree))


def test_a_kernel_that_cannot_boot_in_the_machine(tree: Path) -> None:
    text = CONFIG.replace("CONFIG_ACPI=y\n", "# CONFIG_ACPI is not set\n")
    (tree / ".config").write_text(text.replace("CONFIG_MODULES=y\n", "CONFIG_MODULES=m\n"))
    with pytest.raises(TargetError, match="was configured without CONFIG_ACPI, CONFIG_MODULES, wh"):
        catalog.find(str(tree))


def test_an_unknown_configuration_is_accepted() -> None:
    boot_config.check("", "a kernel")


def test_other_paths_say_what_to_name(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path, message in (
        (tree / "arch/x86/boot/bzImage", "is a file: name the folder in which the kernel"),
        (tmp_path / "none", "There is no folder"),
        (tmp_path / "empty", "holds no kernel: name a folder"),
    ):
        with pytest.raises(UsageError, match=message):
            catalog.find(str(path))
