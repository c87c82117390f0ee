# SPDX-License-Identifier: GPL-2.0-only
"""The running kernel of several distributions, and folders with unpacked packages."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from bench.errors import TargetError, UsageError
from bench.kernels import catalog, installed
from bench.kernels.catalog import elf_image
from tests.bench.kernels.boot_image import ELF, boot_image
from tests.bench.kernels.user_kernels import CONFIG, compress, snapshot, write

R = "9.8.7-1-test"
IMAGE = boot_image(compress(ELF))
HEADERS = {"Makefile": b"all:\n", ".config": CONFIG.encode(), "Module.symvers": b""}


def headers(folder: str) -> dict[str, bytes]:
    return {f"{folder}/{name}": data for name, data in HEADERS.items()}


LAYOUTS = {
    "debian": {
        f"boot/vmlinuz-{R}": IMAGE,
        f"boot/config-{R}": CONFIG.encode(),
        f"lib/modules/{R}/modules.builtin": b"",
        **headers(f"lib/modules/{R}/build"),
    },
    "fedora": {
        f"usr/lib/modules/{R}/vmlinuz": IMAGE,
        f"usr/lib/modules/{R}/config": CONFIG.encode(),
        **headers(f"usr/src/kernels/{R}"),
    },
    "arch": {f"usr/lib/modules/{R}/vmlinuz": IMAGE, **headers(f"usr/lib/modules/{R}/build")},
    "nixos": {
        "run/booted-system/kernel": IMAGE,
        **headers(f"run/booted-system/kernel-modules/lib/modules/{R}/build"),
    },
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RINGCROSS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_running_kernel(layout: str, tmp_path: Path) -> None:
    root = write(tmp_path / "root", LAYOUTS[layout])
    before = snapshot(root)
    kernel = installed.running(root=root, release=R)
    assert kernel.release == R
    assert kernel.vmlinuz.read_bytes() == IMAGE
    assert (kernel.headers / "Makefile").exists()
    assert kernel.config.read_text() == CONFIG
    assert kernel.modules_dir.name == R
    assert elf_image(kernel).read_bytes() == ELF
    assert snapshot(root) == before
    image = kernel.vmlinuz
    image.write_bytes(boot_image(compress(ELF + b"new")))
    os.utime(image, ns=(1, 1))
    assert elf_image(installed.running(root=root, release=R)).read_bytes() == ELF + b"new"


def test_what_the_running_kernel_lacks(tmp_path: Path) -> None:
    root = write(tmp_path / "root", LAYOUTS["debian"])
    (root / f"boot/vmlinuz-{R}").unlink()
    with pytest.raises(TargetError, match=rf"The boot image of the running kernel {R} is missing"):
        installed.running(root=root, release=R)
    (root / f"lib/modules/{R}/build/Makefile").unlink()
    with pytest.raises(TargetError, match=rf"linux-headers-{R} \(Debian.* kernel-devel-{R}"):
        installed.running(root=root, release=R)


def test_the_name_running(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[Path | None] = []
    monkeypatch.setattr(installed, "running", seen.append)
    catalog.find("running", tmp_path)
    assert seen == [tmp_path]


def test_an_image_that_only_root_may_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As for a user who is not root: only the rights of others count.
    root = write(tmp_path / "root", LAYOUTS["debian"])
    access = os.access

    def as_another_user(path: Path, mode: int) -> bool:
        inside = Path(path).is_relative_to(root)
        return bool(Path(path).stat().st_mode & 0o004) if inside else access(path, mode)

    monkeypatch.setattr(os, "access", as_another_user)
    assert installed.running(root=root, release=R)
    image = root / f"boot/vmlinuz-{R}"
    image.chmod(0o600)  # as in Ubuntu
    with pytest.raises(TargetError, match=rf"You may not read .*{image}: run sudo chmod a\+r"):
        installed.running(root=root, release=R)


DEBIAN = {
    f"boot/vmlinuz-{R}": IMAGE,
    f"boot/config-{R}": CONFIG.encode(),
    f"lib/modules/{R}/kernel/fs/configfs.ko": b"\0depends=\0",
    **headers(f"usr/src/linux-headers-{R}"),
    f"usr/src/linux-headers-{R}/Makefile": (
        f"KBUILD_OUTPUT=/usr/src/linux-headers-{R}\n"
        f"include /usr/src/linux-headers-{R}-common/Makefile\n"
    ).encode(),
    f"usr/src/linux-headers-{R}-common/Makefile": b"all:\n\t@echo made with $(KBUILD_OUTPUT)\n",
}


def test_packages_that_were_unpacked(tmp_path: Path) -> None:
    root = write(tmp_path / "here", DEBIAN)
    before = snapshot(root)
    kernel = catalog.find(str(root))
    assert kernel.release == R
    assert elf_image(kernel).read_bytes() == ELF
    # Debian's makefile names /usr/src, which may not even exist on this machine.
    made = subprocess.run(["make", "-C", kernel.headers], capture_output=True, text=True)
    assert f"made with {root}/usr/src/linux-headers-{R}" in made.stdout
    assert (kernel.headers / "Module.symvers").exists()
    assert snapshot(root) == before


def test_headers_with_relative_paths_are_used_as_they_are(tmp_path: Path) -> None:
    root = write(tmp_path / "here", DEBIAN)
    makefile = root / f"usr/src/linux-headers-{R}/Makefile"
    makefile.unlink()
    makefile.symlink_to(f"../linux-headers-{R}-common/Makefile")
    assert catalog.find(str(root)).headers == makefile.parent


def test_unpacked_folders_that_are_not_complete(tmp_path: Path) -> None:
    root = write(tmp_path / "here", DEBIAN)
    write(root, {"boot/vmlinuz-9.9.9": IMAGE})
    with pytest.raises(UsageError, match=rf"holds several kernels \({R}, 9\.9\.9\): unpack each"):
        catalog.find(str(root))
    (root / "boot/vmlinuz-9.9.9").unlink()
    (root / f"boot/vmlinuz-{R}").unlink()
    with pytest.raises(TargetError, match=rf"has no boot image of {R}: unpack that package"):
        catalog.find(str(root))
    write(root, {f"boot/vmlinuz-{R}": IMAGE})
    (root / f"usr/src/linux-headers-{R}/Makefile").unlink()
    with pytest.raises(TargetError, match=rf"has no linux-headers-{R}: unpack that package"):
        catalog.find(str(root))


def test_programs_that_need_a_newer_c_library(tmp_path: Path) -> None:
    root = write(tmp_path / "here", DEBIAN)
    program = root / "usr/lib/linux-kbuild-9.8/scripts/modpost"
    true = Path(os.path.realpath("/bin/true")).read_bytes()
    write(root, {str(program.relative_to(root)): true.replace(b"64.so.2", b"64.so.9")})
    program.chmod(0o755)
    with pytest.raises(TargetError, match="for example modpost, need a newer C library"):
        catalog.find(str(root))
