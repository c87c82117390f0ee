# SPDX-License-Identifier: GPL-2.0-only
"""What is made from a kernel that the user has, which is never written into.

It is in ``<cache>/local/<key>/``, and it is made anew when the kernel has changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from bench.errors import writing
from bench.kernels import cache as kernel_cache
from bench.kernels.places import locked

FOLDER = "local"
_RECORD = ".ringcross.json"


def build_id(files: Iterable[Path]) -> str:
    """Return a hash that changes when one of *files*, which may be missing, is written."""
    digest = hashlib.sha256()
    for file in files:
        try:
            status = file.stat()
        except OSError:
            continue
        digest.update(f"{file}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    return digest.hexdigest()[:16]


def folder(cache: Path | None, origin: Path, identity: str, fill: Callable[[Path], None]) -> Path:
    """Return the folder for what is made from the kernel at *origin*.

    Args:
        cache: as for :func:`bench.kernels.catalog.find`.
        origin: where the user has the kernel.
        identity: see :func:`build_id`.
        fill: is called with the new, empty folder if the kernel is new or has changed.

    Raises:
        TargetError: kernel modules cannot be built below the path of the cache.
    """
    store = kernel_cache.open_store(cache, FOLDER)
    key = hashlib.sha256(os.fsencode(origin)).hexdigest()[:16]
    path = store / key
    record = {"origin": str(origin), "identity": identity}
    with locked(store):
        if kernel_cache.read_object(path / _RECORD) != record:
            shutil.rmtree(path, ignore_errors=True)
            with writing("the kernel cache"):
                path.mkdir()
                fill(path)
                (path / _RECORD).write_text(json.dumps(record))
    return path
