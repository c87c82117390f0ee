# SPDX-License-Identifier: GPL-2.0-only
"""A kernel in the folder in which the user built it, which may be an ``O=`` folder."""

from __future__ import annotations

from pathlib import Path

from bench.errors import TargetError
from bench.kernels import boot_config, derived
from bench.kernels.kernel import Kernel, read_config

_RELEASE = "include/config/kernel.release"
_IMAGE = "arch/x86/boot/bzImage"


def is_build_tree(path: Path) -> bool:
    """Whether *path* is the source of a kernel or a folder in which one was built."""
    return (path / "Makefile").is_file() and any(
        (path / name).exists() for name in ("Kbuild", ".config", _RELEASE)
    )


def load(path: Path, cache: Path | None = None) -> Kernel:
    """Return the kernel that was built in *path*.

    Raises:
        TargetError: it is not built completely, or cannot boot in the virtual machine.
    """
    for name in (".config", _RELEASE, "Module.symvers"):
        if not (path / name).is_file():
            raise _not_built(path, name)
    config = path / ".config"
    boot_config.check(read_config(config), f"The kernel in {path}")
    image = path / _IMAGE
    if not image.is_file():
        # The vmlinux in the headers of a distribution has no code, and comes without this file.
        if not (path / "System.map").is_file():
            raise _not_built(path, _IMAGE)
        image = path / "vmlinux"
    release = (path / _RELEASE).read_text().strip()
    identity = derived.build_id([image, config, path / "Module.symvers", path / _RELEASE])
    folder = derived.folder(cache, path, identity, lambda new: _link_modules(path, new))
    return Kernel(
        release=release,
        package_version="",
        vmlinuz=image,
        headers=path,
        config=config,
        modules_dir=folder,
        root=folder,
        build_id=identity,
    )


def _not_built(path: Path, name: str) -> TargetError:
    return TargetError(
        f"The kernel in {path} is not built ({name} is missing): run make there, or name the "
        "folder that make had as O=. For an installed kernel use --kernel running."
    )


def _link_modules(tree: Path, folder: Path) -> None:
    """Make links in *folder* to the modules of *tree*, in the order of an installed kernel."""
    for line in _lines(tree / "modules.order"):
        # Depending on its version, the kernel writes a/b.o, a/b.ko or kernel/a/b.ko.
        names = (Path(line).with_suffix(".ko"), Path(line.removeprefix("kernel/")))
        name = next((name for name in names if (tree / name).is_file()), None)
        if name is not None:
            link = folder / "kernel" / name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(tree / name)
    builtin = "".join(f"{line}\n" for line in _lines(tree / "modules.builtin"))
    (folder / "modules.builtin").write_text(builtin)


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.is_file() else []
