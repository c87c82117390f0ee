# SPDX-License-Identifier: GPL-2.0-only
"""The ELF kernel is taken out of boot images of each compression."""

from __future__ import annotations

import lzma

import pytest
import zstandard

from bench.errors import TargetError
from bench.kernels import image
from tests.bench.kernels.boot_image import ELF, boot_image


@pytest.mark.parametrize(
    "payload",
    [
        lzma.compress(ELF) + len(ELF).to_bytes(4, "little"),
        zstandard.ZstdCompressor().compress(ELF) + len(ELF).to_bytes(4, "little"),
    ],
    ids=["xz", "zstd"],
)
def test_elf_out_of_a_boot_image(payload: bytes) -> None:
    assert image.extract_elf(boot_image(payload)) == ELF


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is not an x86 boot image"),
        (bytes(4096), "is not an x86 boot image"),
        (boot_image(b"\x1f\x8bgzip"), "neither xz nor zstd"),
        (boot_image(lzma.compress(b"MZ")), "contains no ELF kernel"),
        (boot_image(lzma.compress(ELF)[:40]), "is damaged"),
        (boot_image(b"\xfd7zXZ\0garbage, and more of it"), "is damaged"),
        (boot_image(b"\x28\xb5\x2f\xfdgarbage, and more of it"), "is damaged"),
    ],
)
def test_boot_images_we_cannot_read(data: bytes, message: str) -> None:
    with pytest.raises(TargetError, match=message):
        image.extract_elf(data)
