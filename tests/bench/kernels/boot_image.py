# SPDX-License-Identifier: GPL-2.0-only
"""An x86 boot image made by hand."""

from __future__ import annotations

ELF = b"\x7fELF" + bytes(range(256)) * 40


def boot_image(payload: bytes) -> bytes:
    """Return an x86 boot image: two setup sectors, then the payload at offset 64."""
    image = bytearray(3 * 512 + 64)
    image[0x1F1] = 2
    image[0x202:0x206] = b"HdrS"
    image[0x248:0x24C] = (64).to_bytes(4, "little")
    image[0x24C:0x250] = len(payload).to_bytes(4, "little")
    return bytes(image) + payload + b"trailing bytes"
