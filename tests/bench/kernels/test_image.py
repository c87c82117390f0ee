# SPDX-License-Identifier: GPL-2.0-only
"""The ELF kernel is taken out of boot images of each compression."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import shutil
import subprocess
from pathlib import Path

import pyarrow
import pytest
import zstandard

from bench.errors import TargetError
from bench.kernels import image
from bench.kernels.catalog import Kernel, elf_image
from tests.bench.kernels.boot_image import ELF, boot_image, elf_kernel

BLOCK = 8 << 20


def with_size(payload: bytes, content: bytes = ELF) -> bytes:
    """The payload with the size of its content, as the kernel's build appends it."""
    return payload + len(content).to_bytes(4, "little")


def lz4(content: bytes) -> bytes:
    """What ``lz4 -l`` makes."""
    codec = pyarrow.Codec("lz4_raw")
    blocks = [content[start : start + BLOCK] for start in range(0, len(content), BLOCK)]
    packed = [codec.compress(block, asbytes=True) for block in blocks]
    return b"\x02\x21\x4c\x18" + b"".join(len(b).to_bytes(4, "little") + b for b in packed)


PAYLOADS = {
    "gzip": gzip.compress(ELF),  # it ends with the size
    "bzip2": with_size(bz2.compress(ELF)),
    "lzma": with_size(lzma.compress(ELF, lzma.FORMAT_ALONE)),
    "xz": with_size(lzma.compress(ELF)),
    "zstd": with_size(zstandard.ZstdCompressor().compress(ELF)),
    "lz4": with_size(lz4(ELF)),
}


@pytest.mark.parametrize("payload", [*PAYLOADS.values(), ELF], ids=[*PAYLOADS, "none"])
def test_elf_out_of_a_boot_image(payload: bytes) -> None:
    assert image.extract_elf(boot_image(payload)) == ELF


def test_elf_kernel_stands_for_itself() -> None:
    assert image.extract_elf(ELF) == ELF


def test_lz4_with_several_blocks() -> None:
    elf = ELF + random.Random(1).randbytes(BLOCK) + bytes(BLOCK)
    assert image.extract_elf(boot_image(with_size(lz4(elf), elf))) == elf


@pytest.mark.parametrize(
    ("command", "sized"),
    [
        (["gzip", "-n", "-9"], True),
        (["bzip2", "-9"], False),
        (["xz", "--format=lzma", "-9"], False),
        (["xz", "--check=crc32", "--x86", "--lzma2=dict=32MiB"], False),
        (["zstd", "-22", "--ultra"], False),
        (["lz4", "-l", "-9"], False),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_the_tools_of_the_kernel_build_make(command: list[str], sized: bool) -> None:
    """The commands are those of the kernel's scripts/Makefile.lib."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed; this test compresses with it")
    elf = ELF + random.Random(1).randbytes(100_000) * 2
    packed = subprocess.run(command, input=elf, capture_output=True, check=True).stdout
    payload = packed if sized else with_size(packed, elf)
    assert image.extract_elf(boot_image(payload)) == elf


def test_lzo_and_unknown_compressions_boot_themselves() -> None:
    assert image.extract_elf(boot_image(b"\x89LZO\0\r\n\x1a\n" + bytes(100))) is None


def test_a_kernel_that_boots_itself_is_told(tmp_path: Path) -> None:
    vmlinuz = tmp_path / "vmlinuz-9.8"
    vmlinuz.write_bytes(boot_image(b"\x89LZO\0\r\n\x1a\n" + bytes(100)))
    kernel = Kernel("9.8", "", vmlinuz, tmp_path, tmp_path, tmp_path, tmp_path)
    said: list[str] = []
    assert elf_image(kernel, said.append) == vmlinuz
    assert said == ["vmlinuz-9.8 decompresses itself in the guest, so each boot is slower"]
    vmlinuz.write_bytes(boot_image(PAYLOADS["lz4"]))
    assert elf_image(kernel, said.append).read_bytes() == ELF
    assert len(said) == 1


def test_kernels_without_pvh_boot_themselves() -> None:
    for elf in (elf_kernel(note=b"GNU\0"), elf_kernel(kind=1), ELF[:200], ELF[:90]):
        assert image.extract_elf(boot_image(gzip.compress(elf))) is None
    with pytest.raises(TargetError, match="set CONFIG_PVH=y, or use the bzImage"):
        image.extract_elf(elf_kernel(kind=1))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is not an x86 boot image"),
        (bytes(4096), "is not an x86 boot image"),
        (boot_image(lzma.compress(b"MZ")), "contains no ELF kernel"),
    ],
)
def test_boot_images_we_cannot_read(data: bytes, message: str) -> None:
    with pytest.raises(TargetError, match=message):
        image.extract_elf(data)


@pytest.mark.parametrize("name", PAYLOADS)
def test_damaged_boot_images(name: str) -> None:
    payload = PAYLOADS[name]
    for damaged in (payload[:40], payload[: len(payload) // 2], payload[:10] + b"garbage" * 9):
        with pytest.raises(TargetError, match="is damaged"):
            image.extract_elf(boot_image(damaged))
