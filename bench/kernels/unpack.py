# SPDX-License-Identifier: GPL-2.0-only
"""Download and unpack the packages of one kernel into the cache."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from bench import child
from bench.errors import TargetError, check_room, writing
from bench.kernels import cache, host_tools, packages
from bench.kernels.apt import Apt, Package
from bench.kernels.kernel import Kernel, Reporter


def fetch(
    store: Path, apt: Apt, image: Package, libraries: Callable[[], Apt], say: Reporter
) -> Kernel:
    """Return the kernel of the package *image*; download and unpack it if it is not in *store*.

    Args:
        store: see :func:`bench.kernels.cache.open_store`.
        apt: the suite that has the kernel.
        image: the package of the boot image.
        libraries: returns the suite that has the libraries for the programs in the headers.
        say: receives lines of progress.

    Raises:
        TargetError: a package is missing, damaged or cannot be fetched.
    """
    release = image.name.removeprefix(packages.IMAGE)
    final = store / release
    if (kernel := cache.load(final)) and kernel.package_version == image.version:
        return kernel
    chosen = packages.closure(apt, image)
    folder = store / f".{release}.debs"
    say(f"Fetching kernel {release} and its headers ({_megabytes(chosen):.0f} MB)")
    debs = apt.download(chosen, folder)
    say(f"Unpacking kernel {release}")
    new = store / f".{release}.new"
    shutil.rmtree(new, ignore_errors=True)
    with writing("the kernel cache"):
        new.mkdir()
        for deb in debs:
            extract(deb, new)
        _relocate_headers(new, release, final)
        _mend_programs(new, final, folder, chosen, libraries, say)
        cache.finish(new, final, image.version)
        cache.kernel_in(new, release, image.version)
        shutil.rmtree(final, ignore_errors=True)
        new.rename(final)
        shutil.rmtree(folder)
    return cache.kernel_in(final, release, image.version)


def extract(deb: Path, into: Path) -> None:
    """Unpack the package file *deb* into the folder *into*.

    Raises:
        TargetError: the file is damaged. It is removed, so that the next run fetches it again.
    """
    result = child.run(["dpkg-deb", "-x", deb, into])
    if result.returncode:
        check_room(result.stderr, "the kernel cache")
        deb.unlink()
        last_error_line = result.stderr.strip().splitlines()[-1]
        raise TargetError(f"{deb.name} cannot be unpacked ({last_error_line}): run again.")


def _relocate_headers(root: Path, release: str, final: Path) -> None:
    """Rewrite the absolute paths of the headers to *final*, where *root* is moved later."""
    makefile = root / "usr/src" / f"linux-headers-{release}" / "Makefile"
    if not makefile.exists():
        raise TargetError(
            f"The headers of kernel {release} have no makefile: choose another kernel."
        )
    text = makefile.read_text()
    if not makefile.is_symlink():  # Ubuntu's leads to a complete makefile with relative paths
        makefile.write_text(text.replace("/usr/src/", f"{final}/usr/src/"))


def _mend_programs(
    root: Path,
    final: Path,
    folder: Path,
    chosen: list[Package],
    libraries: Callable[[], Apt],
    say: Reporter,
) -> None:
    """Make the programs in the headers run here, if their libraries are too new or too old."""
    broken = [program for program in host_tools.programs(root) if not host_tools.runs(program)]
    if not broken:
        return
    apt = libraries()
    names = {name for p in chosen for name, _ in p.depends if host_tools.LIBRARIES.match(name)}
    newest: dict[str, Package] = {}
    for package in apt.packages(*sorted(names)):
        newest.setdefault(package.name, package)
    needed = packages.dependencies(apt, newest.values(), host_tools.LIBRARIES)
    say(f"Fetching libraries for the programs in the headers ({_megabytes(needed):.0f} MB)")
    for deb in apt.download(needed, folder):
        extract(deb, root / host_tools.FOLDER)
    for program in broken:
        host_tools.wrap(program, root, final)


def _megabytes(chosen: list[Package]) -> float:
    return sum(package.size for package in chosen) / 1e6
