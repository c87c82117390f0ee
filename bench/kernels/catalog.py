# SPDX-License-Identifier: GPL-2.0-only
"""Find the kernel that a user names, and fetch it if it is not in the cache.

Nothing is installed. The unpacked packages of one kernel are in ``<cache>/kernels/<release>/``.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path

from bench.errors import TargetError, UsageError, writing
from bench.kernels import build_tree, installed, names, packages, suites, unpack
from bench.kernels import cache as store_of
from bench.kernels.cache import list_kernels
from bench.kernels.image import extract_elf
from bench.kernels.kernel import ARCHES, Arch, Kernel, Reporter, host_arch, read_config, silent
from bench.kernels.offers import DEFAULT, Offer, offers
from bench.kernels.places import default_cache, locked
from bench.kernels.search import Search

__all__ = [
    "ARCHES",
    "Arch",
    "Kernel",
    "Offer",
    "Reporter",
    "available",
    "default_cache",
    "elf_image",
    "find",
    "host_arch",
    "list_kernels",
    "read_config",
    "running",
    "silent",
]


def find(
    spec: str = names.STOCK,
    cache: Path | None = None,
    *,
    refresh: bool = False,
    say: Reporter = silent,
) -> Kernel:
    """Return the kernel that *spec* names; fetch it if it is not in the cache.

    Args:
        spec: ``stock`` (the kernel that the running distribution's metapackage names), a series
            such as ``6.12``, a flavour such as ``cloud``, a suite such as ``trixie-backports``, an
            exact release or a package name; see :mod:`bench.kernels.names`. Further ``running``
            (see :func:`bench.kernels.installed.running`), and the path of a folder in which a
            kernel was built or unpacked.
        cache: directory for kernels; by default :func:`default_cache`.
        refresh: look up again which kernel *spec* names now.
        say: receives lines of progress.

    Raises:
        UsageError: no kernel has this name.
        TargetError: the kernel cannot be fetched, has no matching headers, or is not built.
    """
    arch = host_arch()
    if spec == names.RUNNING:
        return installed.running(cache)
    if names.is_path(spec):
        return _at(spec, cache)
    wanted = names.parse(spec)
    if wanted is None:
        raise UsageError(_unknown(spec, cache))
    store = store_of.open_store(cache)
    host = suites.codename()
    with locked(store):
        release = None if refresh else store_of.remembered(store, host, spec)
        kernel = store_of.load(store / release) if release else None
        if kernel is None:
            kernel = _fetch(store, spec, wanted, arch, say)
            store_of.remember(store, host, spec, kernel.release)
        store_of.touch(kernel)
    return kernel


def running() -> Kernel:
    """Return the kernel that runs on this machine, for the local target.

    Raises:
        TargetError: its headers are not installed.
    """
    release = platform.release()
    headers = installed.running_headers()
    boot = Path("/boot")
    return Kernel(
        release=release,
        package_version="",
        vmlinuz=boot / f"vmlinuz-{release}",
        headers=headers,
        config=boot / f"config-{release}",
        modules_dir=Path("/lib/modules") / release,
        root=Path("/"),
    )


def _at(spec: str, cache: Path | None) -> Kernel:
    """Return the kernel in the folder *spec*."""
    path = Path(spec).expanduser().absolute()
    if path.is_file():
        raise UsageError(
            f"{path} is a file: name the folder in which the kernel was built. Its headers are "
            "needed as well."
        )
    if not path.is_dir():
        raise UsageError(f"There is no folder {path}: name one in which a kernel was built.")
    if build_tree.is_build_tree(path):
        return build_tree.load(path, cache)
    if installed.holds_packages(path):
        return installed.unpacked(path, cache)
    raise UsageError(
        f"{path} holds no kernel: name a folder in which a kernel was built, or in which its "
        "packages were unpacked."
    )


def elf_image(kernel: Kernel, say: Reporter = silent) -> Path:
    """Return the path of the uncompressed ELF kernel; extract it from the boot image once.

    QEMU boots an ELF kernel by PVH, without firmware and without decompressing under emulation.
    Where :func:`extract_elf` gives none, return the boot image, which decompresses itself, and
    *say* so.

    Raises:
        TargetError: the format of the boot image is not supported, or the image is damaged.
    """
    image = kernel.root / "vmlinux.elf"
    if not image.exists():
        elf = extract_elf(kernel.vmlinuz.read_bytes(), str(kernel.vmlinuz.name))
        if elf is None:
            say(f"{kernel.vmlinuz.name} decompresses itself in the guest, so each boot is slower")
            return kernel.vmlinuz
        part = image.with_suffix(f".{os.getpid()}")
        with writing("the uncompressed kernel"):
            part.write_bytes(elf)
            part.replace(image)
    return image


def available(
    cache: Path | None = None, *, say: Reporter = silent
) -> tuple[list[Offer], dict[str, TargetError]]:
    """Read the indexes of all suites.

    Returns:
        What can be fetched, and by suite why it could not be read.

    Raises:
        TargetError: the architecture or the path of the cache is not supported.
    """
    arch = host_arch()
    store = store_of.open_store(cache)
    with locked(store):
        search = Search(store.parent / "apt", arch, say)
        return offers(search.read_all()), search.unread


def _fetch(store: Path, spec: str, wanted: names.Wanted, arch: Arch, say: Reporter) -> Kernel:
    search = Search(store.parent / "apt", arch, say)
    found = search.find(wanted)
    if found is not None:
        image, place = found
        return unpack.fetch(store, place.apt, image.package, lambda: search.libraries(place), say)
    if search.unread and not search.places:
        raise next(iter(search.unread.values()))
    raise UsageError(_unknown(spec, store.parent, search))


def _unknown(spec: str, cache: Path | None, search: Search | None = None) -> str:
    read = offers(search.places) if search else []
    series = sorted({offer.name for offer in read}, key=packages.numbers)
    flavours = sorted({flavour for offer in read for flavour in offer.flavours} - {DEFAULT})
    cached = [kernel.release for kernel in list_kernels(cache)]
    named = (names.STOCK, names.RUNNING, *series, *flavours, *suites.known(), *cached)
    hints = []
    if search and search.unread:
        hints.append(f" apt could not read {', '.join(search.unread)}.")
    if Path(spec).is_dir():
        hints.append(f" For the folder, write ./{spec}.")
    choices = ", ".join(dict.fromkeys(named))
    return (
        f"Unknown kernel {spec}: choose one of {choices}, an exact release, or the path of a build "
        f"tree. ringcross kernels lists more.{''.join(hints)}"
    )
