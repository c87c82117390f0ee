# SPDX-License-Identifier: GPL-2.0-only
"""A kernel that is installed on this machine, or whose packages the user has unpacked.

Distributions put the same files in different places, and all of these are known here: those of
Debian, Ubuntu, Fedora, Arch, openSUSE, Gentoo and NixOS.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from pathlib import Path

from bench.errors import TargetError, UsageError
from bench.kernels import boot_config, derived, host_tools
from bench.kernels.kernel import Kernel, read_config

_MODULES = (
    "lib/modules/{}",
    "usr/lib/modules/{}",
    "run/booted-system/kernel-modules/lib/modules/{}",
)
_IMAGES = ("boot/vmlinuz-{}", *(f"{folder}/vmlinuz" for folder in _MODULES), "boot/kernel-{}",
           "run/booted-system/kernel")  # fmt: skip
_HEADERS = (*(f"{folder}/build" for folder in _MODULES), "usr/src/linux-headers-{}",
            "usr/src/kernels/{}")  # fmt: skip
_CONFIGS = ("boot/config-{}", *(f"{folder}/config" for folder in _MODULES))


def running(
    cache: Path | None = None, *, root: Path = Path("/"), release: str | None = None
) -> Kernel:
    """Return the running kernel, to boot it in the virtual machine.

    Args:
        cache: as for :func:`bench.kernels.catalog.find`.
        root: the file system that has the kernel.
        release: the release of the running kernel; by default what the system reports.

    Raises:
        TargetError: the image or the headers are missing, or the image cannot be read.
    """
    release = release or platform.release()
    headers = running_headers(root=root, release=release)
    image = _first(root, _IMAGES, release)
    if image is None:
        tried = ", ".join(str(path) for path in _places(root, _IMAGES, release)[:2])
        raise TargetError(
            f"The boot image of the running kernel {release} is missing (not in {tried} and "
            "similar places): use --kernel stock, or --kernel with the path of a build tree."
        )
    return _kernel(cache, root, release, image, headers)


def running_headers(*, root: Path = Path("/"), release: str | None = None) -> Path:
    """Return the headers of the running kernel; the parameters are those of :func:`running`.

    Raises:
        TargetError: they are not installed.
    """
    release = release or platform.release()
    for headers in _places(root, _HEADERS, release):
        if (headers / "Makefile").exists():
            return headers.resolve()
    raise TargetError(
        f"The headers of the running kernel {release} are missing: install the package "
        f"linux-headers-{release} (Debian, Ubuntu), kernel-devel-{release} (Fedora), linux-headers "
        "(Arch) or kernel-default-devel (openSUSE)."
    )


def holds_packages(path: Path) -> bool:
    """Whether *path* has the files of at least one unpacked kernel."""
    return bool(_releases(path))


def unpacked(path: Path, cache: Path | None = None) -> Kernel:
    """Return the kernel whose packages were unpacked in *path*.

    Raises:
        UsageError: there are several kernels in *path*.
        TargetError: the headers are missing, or their programs cannot run on this machine.
    """
    release, *others = _releases(path)
    if others:
        raise UsageError(
            f"{path} holds several kernels ({', '.join([release, *others])}): unpack each one in "
            "a folder of its own."
        )
    image = _first(path, _IMAGES, release)
    headers = next((h for h in _places(path, _HEADERS, release) if (h / "Makefile").exists()), None)
    if image is None or headers is None:
        missing = f"boot image of {release}" if image is None else f"linux-headers-{release}"
        raise TargetError(f"{path} has no {missing}: unpack that package there as well.")
    return _kernel(cache, path, release, image, headers)


def _kernel(cache: Path | None, root: Path, release: str, image: Path, headers: Path) -> Kernel:
    if not os.access(image, os.R_OK):
        raise TargetError(
            f"You may not read the boot image {image}: run sudo chmod a+r {image}, or choose "
            "another kernel."
        )
    modules = _first(root, _MODULES, release)
    if modules is None:
        raise TargetError(f"{root} has no modules of kernel {release}: choose another kernel.")
    config = _first(root, _CONFIGS, release) or headers / ".config"
    boot_config.check(read_config(config), f"Kernel {release}")
    origin = root if root != Path("/") else modules
    identity = derived.build_id([image, headers / "Module.symvers", headers / "Makefile"])
    folder = derived.folder(
        cache, origin, identity, lambda new: _relocate(root, headers, new / "headers")
    )
    own = folder / "headers"
    return Kernel(
        release=release,
        package_version="",
        vmlinuz=image,
        headers=own if own.exists() else headers,
        config=config,
        modules_dir=modules,
        root=folder,
        build_id=identity,
    )


def _relocate(root: Path, headers: Path, own: Path) -> None:
    """If *headers* were unpacked outside their place, make them usable there as *own*.

    Debian's makefile has absolute paths. The new folder has a changed makefile, and links to
    everything else.
    """
    text = (headers / "Makefile").read_text()
    if root == Path("/") or " /usr/src/" not in text.replace("=", " "):
        return
    broken = [p.name for p in host_tools.programs(root) if not host_tools.runs(p)]
    if broken:
        raise TargetError(
            f"The programs in {root}/usr/lib, for example {broken[0]}, need a newer C library than "
            "this machine has: name the kernel by its version, and ringcross fetches it with the "
            "libraries."
        )
    own.mkdir()
    for path in headers.iterdir():
        (own / path.name).symlink_to(path)
    (own / "Makefile").unlink()
    (own / "Makefile").write_text(text.replace("/usr/src/", f"{root}/usr/src/"))


def _releases(path: Path) -> list[str]:
    """Return the releases of the kernels in *path* that have an image or modules."""
    images = path.glob("boot/vmlinuz-*")
    modules = (p for place in _MODULES[:2] for p in path.glob(place.format("*")) if p.is_dir())
    found = {image.name.removeprefix("vmlinuz-") for image in images}
    return sorted(found | {folder.name for folder in modules})


def _places(root: Path, names: Iterable[str], release: str) -> list[Path]:
    return [root / name.format(release) for name in names]


def _first(root: Path, names: Iterable[str], release: str) -> Path | None:
    return next((path for path in _places(root, names, release) if path.exists()), None)
