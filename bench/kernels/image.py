# SPDX-License-Identifier: GPL-2.0-only
"""Take the uncompressed ELF kernel out of an x86 boot image."""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import zstandard

from bench.errors import TargetError

_XEN_PHYS32_ENTRY = 18
_PT_NOTE = 4


class _Stream(Protocol):
    """What decompresses one stream; bytes after its end are ignored."""

    @property
    def eof(self) -> bool: ...
    def decompress(self, data: bytes, /) -> bytes: ...


def extract_elf(image: bytes, name: str = "vmlinuz") -> bytes | None:
    """Return the ELF kernel in an x86 boot image, or ``None`` if QEMU must boot the image itself.

    It must where the compression is one that Python cannot read (LZO), and where the kernel was
    built without ``CONFIG_PVH``: QEMU cannot start its ELF file.

    The image's setup header has the offset and the length of the payload.

    Args:
        image: content of the boot image; an ELF kernel stands for itself.
        name: name of the image, for error messages.

    Raises:
        TargetError: the format of the image is not supported, or the image is damaged.
    """
    elf = image if image.startswith(b"\x7fELF") else _payload(image, name)
    if elf is None:
        return None
    if not elf.startswith(b"\x7fELF"):
        raise TargetError(f"{name} contains no ELF kernel: use another kernel.")
    if _has_pvh_entry(elf):
        return elf
    if elf is image:
        raise TargetError(
            f"{name} is an ELF kernel that QEMU cannot start: set CONFIG_PVH=y, or use the bzImage."
        )
    return None


def _payload(image: bytes, name: str) -> bytes | None:
    if image[0x202:0x206] != b"HdrS":
        raise TargetError(
            f"{name} is not an x86 boot image: remove the kernel from the cache and run again."
        )
    sectors = image[0x1F1] or 4
    offset = int.from_bytes(image[0x248:0x24C], "little")
    length = int.from_bytes(image[0x24C:0x250], "little")
    start = (sectors + 1) * 512 + offset
    return _uncompress(image[start : start + length], name)


def _uncompress(payload: bytes, name: str) -> bytes | None:
    """Return the uncompressed payload; ``None`` if no library here knows its compression."""
    if payload.startswith(b"\x7fELF"):
        return payload
    for magic, make in _STREAMS.items():
        if payload.startswith(magic):
            stream = make()
            break
    else:
        return None
    # The kernel's build appends the size to the payload, so bytes after the stream are ignored.
    try:
        data, complete = stream.decompress(payload), stream.eof
    except (lzma.LZMAError, zstandard.ZstdError, zlib.error, OSError):
        complete = False
    if not complete:
        raise TargetError(f"{name} is damaged: remove the kernel from the cache and run again.")
    return data


class _LegacyLz4:
    """The frame format of ``lz4 -l``: blocks, each after its length, without an end mark.

    All blocks but the last one have 8 MiB of content. Its size follows from the size of the
    whole content, which is in the last four bytes.
    """

    _BLOCK = 8 << 20

    def __init__(self) -> None:
        self.eof = False

    def decompress(self, data: bytes, /) -> bytes:
        import pyarrow  # imported here: it loads slowly, and few kernels need it

        codec: Any = pyarrow.Codec("lz4_raw")
        parts: list[bytes] = []
        start, left = 4, int.from_bytes(data[-4:], "little")
        while left > 0:
            end = start + 4 + int.from_bytes(data[start : start + 4], "little")
            if end + 4 > len(data):
                return b""
            size = min(left, self._BLOCK)
            parts.append(codec.decompress(data[start + 4 : end], size, asbytes=True))
            start, left = end, left - size
        self.eof = start + 4 == len(data)
        return b"".join(parts)


_STREAMS: dict[bytes, Callable[[], _Stream]] = {
    b"\x1f\x8b": partial(zlib.decompressobj, 16 + zlib.MAX_WBITS),
    b"BZh": bz2.BZ2Decompressor,
    b"\x5d\0\0": partial(lzma.LZMADecompressor, lzma.FORMAT_ALONE),
    b"\xfd7zXZ\0": lzma.LZMADecompressor,
    b"\x28\xb5\x2f\xfd": lambda: zstandard.ZstdDecompressor().decompressobj(),
    b"\x02\x21\x4c\x18": _LegacyLz4,
}
"""By the first bytes of a payload, what decompresses it."""


def _has_pvh_entry(elf: bytes) -> bool:
    """Whether a 64-bit *elf* kernel has the note with the entry that QEMU jumps to."""
    try:
        (table,) = struct.unpack_from("<Q", elf, 0x20)
        entry_size, entries = struct.unpack_from("<HH", elf, 0x36)
        for start in range(table, table + entries * entry_size, entry_size):
            kind, _flags, offset, _virtual, _physical, size = struct.unpack_from(
                "<2I4Q", elf, start
            )
            if kind == _PT_NOTE and _has_note(elf[offset : offset + size]):
                return True
    except struct.error:  # a table or a note lies beyond the end
        return False
    return False


def _has_note(notes: bytes) -> bool:
    position = 0
    while position < len(notes):
        name_size, size, kind = struct.unpack_from("<3I", notes, position)
        position += 12
        if kind == _XEN_PHYS32_ENTRY and notes[position : position + name_size] == b"Xen\0":
            return True
        position += _aligned(name_size) + _aligned(size)
    return False


def _aligned(size: int) -> int:
    return size + -size % 4
