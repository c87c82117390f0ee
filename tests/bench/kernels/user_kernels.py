# SPDX-License-Identifier: GPL-2.0-only
"""Files of kernels that the user has, for tests."""

from __future__ import annotations

import lzma
from collections.abc import Mapping
from pathlib import Path

from bench.kernels.boot_config import REQUIRED

CONFIG = "".join(f"CONFIG_{name}=y\n" for name in REQUIRED)


def compress(data: bytes) -> bytes:
    return lzma.compress(data)


def write(root: Path, files: Mapping[str, bytes]) -> Path:
    """Write *files* below *root*, and return *root*."""
    for name, data in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return root


def snapshot(root: Path) -> dict[str, tuple[int, int, int]]:
    """What changes when something is written below *root*."""
    paths = [root, *root.rglob("*")]
    stats = {str(path): path.lstat() for path in paths}
    return {p: (s.st_mtime_ns, s.st_size, s.st_mode) for p, s in stats.items()}
