# SPDX-License-Identifier: GPL-2.0-only
"""Small ELF kernels, and x86 boot images that contain them."""

from __future__ import annotations

import struct


def elf_kernel(note: bytes = b"Xen\0", kind: int = 18) -> bytes:
    """Return a 64-bit ELF file whose second program header is a segment of two notes."""
    other = struct.pack("<3I", 4, 6, kind) + b"GNU\0" + bytes(8)
    notes = other + struct.pack("<3I", len(note), 8, kind) + note + bytes(8)
    header = b"\x7fELF\x02\x01\x01".ljust(0x20, b"\0") + struct.pack("<2QI", 64, 0, 0)
    header += struct.pack("<6H", 64, 56, 2, 0, 0, 0)
    load = struct.pack("<2I6Q", 1, 0, 0, 0, 0, 64, 64, 1)
    segment = struct.pack("<2I6Q", 4, 0, 64 + 2 * 56, 0, 0, len(notes), len(notes), 4)
    return header + load + segment + notes + bytes(range(256)) * 40


ELF = elf_kernel()


def boot_image(payload: bytes) -> bytes:
    """Return an x86 boot image: two setup sectors, then the payload at offset 64."""
    image = bytearray(3 * 512 + 64)
    image[0x1F1] = 2
    image[0x202:0x206] = b"HdrS"
    image[0x248:0x24C] = (64).to_bytes(4, "little")
    image[0x24C:0x250] = len(payload).to_bytes(4, "little")
    return bytes(image) + payload + b"trailing bytes"
