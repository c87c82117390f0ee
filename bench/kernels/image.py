# SPDX-License-Identifier: GPL-2.0-only
"""Take the uncompressed ELF kernel out of an x86 boot image."""

from __future__ import annotations

import lzma

import zstandard

from bench.errors import TargetError


def extract_elf(image: bytes, name: str = "vmlinuz") -> bytes:
    """Return the uncompressed payload of an x86 boot image.

    The image's setup header has the offset and the length of the payload.

    Args:
        image: content of the boot image.
        name: name of the image, for error messages.

    Raises:
        TargetError: the format of the image is not supported, or the image is damaged.
    """
    if image[0x202:0x206] != b"HdrS":
        raise TargetError(
            f"{name} is not an x86 boot image: remove the kernel from the cache and run again."
        )
    sectors = image[0x1F1] or 4
    offset = int.from_bytes(image[0x248:0x24C], "little")
    length = int.from_bytes(image[0x24C:0x250], "little")
    start = (sectors + 1) * 512 + offset
    elf = _uncompress(image[start : start + length], name)
    if not elf.startswith(b"\x7fELF"):
        raise TargetError(f"{name} contains no ELF kernel: use another kernel.")
    return elf


def _uncompress(payload: bytes, name: str) -> bytes:
    # The kernel's build appends the size to the payload, so bytes after the stream are ignored.
    try:
        if payload.startswith(b"\xfd7zXZ\0"):
            xz = lzma.LZMADecompressor()
            data, complete = xz.decompress(payload), xz.eof
        elif payload.startswith(b"\x28\xb5\x2f\xfd"):
            zstd = zstandard.ZstdDecompressor().decompressobj()
            data, complete = zstd.decompress(payload), zstd.eof
        else:
            raise TargetError(
                f"The compression of {name} is not supported (neither xz nor zstd): use another "
                "kernel."
            )
    except (lzma.LZMAError, zstandard.ZstdError):
        complete = False
    if not complete:
        raise TargetError(f"{name} is damaged: remove the kernel from the cache and run again.")
    return data
