# SPDX-License-Identifier: GPL-2.0-only
"""The kernels that were fetched: one folder each in ``<cache>/kernels/<release>/``."""

from __future__ import annotations

import json
import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import TargetError, unknown, writing
from bench.kernels.kernel import Kernel
from bench.kernels.places import check_cache, default_cache, fit, locked

KERNELS = "kernels"
_FINISHED = ".ringcross.json"
_SPECS = "specs.json"


@dataclass(frozen=True)
class Entry:
    """A kernel in the cache.

    Attributes:
        release: as ``uname -r`` prints it.
        package_version: the distribution's version.
        bytes: size on disk.
        used: when it was last used, in seconds since 1970.
    """

    release: str
    package_version: str
    bytes: int
    used: float


def open_store(cache: Path | None, name: str = KERNELS) -> Path:
    """Return the folder *name* in the cache; create it if it is missing.

    Raises:
        TargetError: kernel modules cannot be built below this path.
    """
    store = (cache or default_cache()) / name
    if not fit(store):
        raise TargetError(
            f"The path of the cache must not contain a blank or a special character ({store}): set "
            "RINGCROSS_CACHE to another directory."
        )
    check_cache(store)
    with writing("the kernel cache"):
        store.mkdir(parents=True, exist_ok=True)
    return store


def remembered(store: Path, host: str, spec: str) -> str | None:
    """Return the release that *spec* named on *host* before; ``None`` if it is not known."""
    if (store / spec / _FINISHED).exists():
        return spec
    release = read_object(store / _SPECS).get(f"{host}/{spec}")
    return release if isinstance(release, str) else None


def remember(store: Path, host: str, spec: str, release: str) -> None:
    """Record that *spec* names *release* on the distribution *host*."""
    specs = read_object(store / _SPECS) | {f"{host}/{spec}": release}
    with writing("the kernel cache"):
        _write_json(store / _SPECS, specs)


def finish(folder: Path, final: Path, version: str) -> None:
    """Record that the packages in *folder* are complete, and that it is to be moved to *final*."""
    _write_json(folder / _FINISHED, {"package_version": version, "root": str(final)})


def load(folder: Path) -> Kernel | None:
    """Return the kernel in *folder*; ``None`` if it was not unpacked completely."""
    record = read_object(folder / _FINISHED)
    version = record.get("package_version")
    if not isinstance(version, str):
        return None
    if record.get("root") != str(folder):  # the cache was moved; the headers have its old path
        return None
    return kernel_in(folder, folder.name, version)


def kernel_in(root: Path, release: str, version: str) -> Kernel:
    """Return the kernel whose packages were unpacked in *root*.

    Raises:
        TargetError: a file that every kernel has is missing.
    """
    trees = [root / "lib/modules" / release, root / "usr/lib/modules" / release]
    return Kernel(
        release=release,
        package_version=version,
        vmlinuz=_first(root / "boot" / f"vmlinuz-{release}", *(t / "vmlinuz" for t in trees)),
        headers=_first(root / "usr/src" / f"linux-headers-{release}"),
        config=_first(root / "boot" / f"config-{release}", *(t / "config" for t in trees)),
        modules_dir=_first(*(t / "kernel" for t in trees)).parent,
        root=root,
    )


def touch(kernel: Kernel) -> None:
    """Record that a fetched *kernel* is used now."""
    with suppress(OSError):  # the cache may belong to another user
        os.utime(kernel.root / _FINISHED)


def entries(cache: Path | None = None) -> list[Entry]:
    """Return what is known of the kernels in the cache, sorted by release."""
    return [
        Entry(
            kernel.release,
            kernel.package_version,
            _size(kernel.root),
            (kernel.root / _FINISHED).stat().st_mtime,
        )
        for kernel in list_kernels(cache)
    ]


def remove(release: str, cache: Path | None = None) -> None:
    """Remove the kernel *release* from the cache.

    Raises:
        UsageError: it is not in the cache.
    """
    known = {kernel.release: kernel for kernel in list_kernels(cache)}
    if release not in known:
        raise unknown("kernel in the cache", release, known)
    store = known[release].root.parent
    with locked(store):
        # First the record: if the removal is interrupted, the rest is no kernel.
        (known[release].root / _FINISHED).unlink()
        shutil.rmtree(known[release].root)
        specs = {k: v for k, v in read_object(store / _SPECS).items() if v != release}
        _write_json(store / _SPECS, specs)


def list_kernels(cache: Path | None = None) -> list[Kernel]:
    """Return the kernels in the cache, sorted by release; this needs no network."""
    store = (cache or default_cache()) / KERNELS
    kernels = [load(folder) for folder in store.glob("*") if folder.is_dir()]
    return sorted((k for k in kernels if k is not None), key=lambda k: _numbers(k.release))


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in *path*; an empty one if the file is missing or damaged."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _first(*paths: Path) -> Path:
    for path in paths:
        if path.exists():
            return path
    raise TargetError(
        f"The kernel's packages contain no {paths[0].name}: remove the kernel from the cache and "
        "run again."
    )


def _size(folder: Path) -> int:
    files = (Path(where, name) for where, _, names in os.walk(folder) for name in names)
    return sum(file.lstat().st_blocks * 512 for file in files)


def _write_json(path: Path, value: object) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(value))
    part.replace(path)


def _numbers(release: str) -> list[int]:
    return [int(n) for n in re.findall(r"\d+", release)]
