# SPDX-License-Identifier: GPL-2.0-only
"""``cpio`` can read the archive, and stock modules are packed with their dependencies."""

from __future__ import annotations

import errno
import gzip
import json
import lzma
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import zstandard

from bench.errors import DiskFull, TargetError, UsageError
from bench.kernels import initramfs
from bench.kernels.catalog import Kernel


def module(depends: str) -> bytes:
    """Return the only part of a module that the code reads: its ``.modinfo`` section."""
    return b"\x7fELF\0license=GPL\0depends=" + depends.encode() + b"\0name=x\0"


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    tree = tmp_path / "lib/modules/6.1.0-0-amd64"
    files = {
        "fs/configfs/configfs.ko": module(""),
        "net/vsock.ko.xz": lzma.compress(module("")),
        "net/virtio-common.ko.zst": zstandard.ZstdCompressor().compress(module("vsock,unix")),
        "net/vsock_loopback.ko": module("virtio-common,vsock"),
        "net/broken.ko": module("missing"),
        "net/older.ko.gz": gzip.compress(module("vsock")),
        "net/odd.ko.odd": b"",
    }
    for name, data in files.items():
        path = tree / "kernel" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (tree / "modules.builtin").write_text("kernel/net/unix/unix.ko\nkernel/a/very-plain.ko\n")
    return Kernel("6.1.0-0-amd64", "1", tmp_path, tmp_path, tmp_path, tree, tmp_path)


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    path = tmp_path / "ringcross_agent"
    path.write_bytes(b"#!agent")
    return path


def test_archive_as_cpio_sees_it(tmp_path: Path, agent: Path, kernel: Kernel) -> None:
    if shutil.which("cpio") is None:
        pytest.skip("cpio is not installed; this test reads the archive with it")
    built = tmp_path / "ko"
    built.mkdir()
    (built / "ringcross_null.ko").write_bytes(b"null")
    (built / "other.txt").write_bytes(b"not packed")
    requests: list[dict[str, Any]] = [{"do": "setup"}, {"do": "cell", "id": 1}]
    path = initramfs.pack(
        tmp_path / "initramfs",
        agent=agent,
        requests=requests,
        modules=built,
        kernel=kernel,
        needs=["vsock_loopback"],
    )
    out = tmp_path / "out"
    out.mkdir()
    # Creating a device node needs root, so leave it out.
    command = ["cpio", "-i", "--quiet", "--nonmatching", "dev/console"]
    subprocess.run(command, input=path.read_bytes(), cwd=out, check=True)
    names = sorted(str(p.relative_to(out)) for p in out.rglob("*"))
    assert names == [
        "bin",
        "dev",
        "init",
        "modules",
        "modules/modules.dep",
        "modules/ringcross_null.ko",
        "modules/virtio_common.ko",
        "modules/vsock.ko",
        "modules/vsock_loopback.ko",
        "proc",
        "requests",
        "sys",
        "tmp",
    ]
    assert (out / "init").read_bytes() == b"#!agent"
    assert stat.S_IMODE((out / "init").stat().st_mode) == 0o755
    assert [json.loads(li) for li in (out / "requests").read_text().splitlines()] == requests
    listing = subprocess.run(
        ["cpio", "-tv", "--quiet"], input=path.read_bytes(), capture_output=True, check=True
    ).stdout.decode()
    assert any(li.startswith("crw-------") and "5,   1" in li for li in listing.splitlines())


def test_equal_contents_give_equal_bytes(tmp_path: Path, agent: Path) -> None:
    first = initramfs.pack(tmp_path / "1", agent=agent, requests=[{"do": "x"}]).read_bytes()
    agent.touch()
    second = initramfs.pack(tmp_path / "2", agent=agent, requests=[{"do": "x"}]).read_bytes()
    assert first == second


@pytest.mark.parametrize("size", [0, 1, 2048, 4095, 4096, 4097])
def test_archive_fills_its_last_page(size: int) -> None:
    packed = initramfs.archive(bytes(size), {"requests": b"{}"})
    assert len(packed) % 4096 == 0
    end = packed.rindex(b"TRAILER!!!")
    assert len(packed) - end < 4096 + len("TRAILER!!!") + 4
    assert not packed[end + len("TRAILER!!!") :].strip(b"\0")


def test_dependencies_come_first(kernel: Kernel) -> None:
    files = initramfs.stock_modules(kernel, ["vsock-loopback", "configfs", "configfs"])
    assert files["modules/modules.dep"] == b"configfs:\nvsock_loopback: vsock virtio_common\n"
    assert files["modules/virtio_common.ko"] == module("vsock,unix")
    assert files["modules/vsock.ko"] == module("")


def test_modules_compressed_by_gzip(kernel: Kernel) -> None:
    files = initramfs.stock_modules(kernel, ["older"])
    assert files["modules/older.ko"] == module("vsock")


def test_built_in_modules_are_not_packed(kernel: Kernel) -> None:
    assert initramfs.stock_modules(kernel, ["unix", "very_plain"]) == {}


def test_what_a_kernel_provides(kernel: Kernel) -> None:
    """Built-in modules, and files whatever their compression and spelling."""
    builtin = sorted(initramfs._builtin(kernel))[0]
    file = sorted(initramfs._available(kernel))[0]
    wanted = ("no_such_module", builtin, file.replace("_", "-"))
    assert initramfs.provided(kernel, wanted) == wanted[1:]


@pytest.mark.parametrize("need", ["nonsense", "broken"])
def test_unknown_module(kernel: Kernel, need: str) -> None:
    with pytest.raises(UsageError, match=r"Kernel 6\.1\.0-0-amd64 has no module"):
        initramfs.stock_modules(kernel, [need])


def test_unknown_compression(kernel: Kernel) -> None:
    with pytest.raises(TargetError, match=r"odd\.ko\.odd has an unknown compression"):
        initramfs.stock_modules(kernel, ["odd"])


def test_full_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, agent: Path) -> None:
    def full(_self: Path, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DiskFull, match="while writing the initramfs"):
        initramfs.pack(tmp_path / "i", agent=agent, requests=[])
