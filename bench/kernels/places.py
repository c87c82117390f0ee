# SPDX-License-Identifier: GPL-2.0-only
"""The folders in which ringcross keeps kernels and builds, on machines as users have them.

A user may have no home directory, or none that can be written. The checkout may be read-only,
belong to root after ``sudo make bench``, or lie in a path that make cannot handle.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shlex
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.errors import TargetError
from bench.paths import ROOT

_UNFIT = re.compile(r"[\s:#$%*?\"'`\\,;&|<>()\[\]{}]")
"""Characters that the kernel's makefiles cannot have in a path."""


def default_cache() -> Path:
    """Return ``$RINGCROSS_CACHE``, or ``ringcross`` in the user's cache directory.

    It is ``.cache/ringcross`` in the repository where the user's own directory cannot be used.

    Raises:
        TargetError: none of these can be used.
    """
    override = os.environ.get("RINGCROSS_CACHE")
    if override:
        return Path(override).absolute()
    choices = [*_user_cache(), ROOT / ".cache"]
    for choice in choices:
        if fit(choice) and usable(choice / "ringcross"):
            return choice / "ringcross"
    if fit(choices[0]):
        return choices[0] / "ringcross"  # whoever uses it reports what is wrong with it
    raise TargetError(
        f"Kernel modules cannot be built in {choices[0]}, because of a blank or a special "
        "character in its path: set RINGCROSS_CACHE to another directory."
    )


def _user_cache() -> list[Path]:
    """The user's cache directory; empty for a user without a home directory."""
    given = Path(os.environ.get("XDG_CACHE_HOME") or "")
    if given.is_absolute():  # relative ones are to be ignored
        return [given]
    try:
        home = Path.home()
    except RuntimeError:  # HOME is not set, and the user has no name
        return []
    return [home / ".cache"] if home.is_absolute() else []


def build_folder() -> Path:
    """Return the folder for builds: ``build/`` in the repository, or one in the cache.

    It is in the cache where ``build/`` cannot be written, or make cannot handle its path.
    """
    usual = ROOT / "build"
    # Its folders may belong to root, after a run with sudo.
    if fit(usual) and all(map(writable, [usual, *_folders(usual)])):
        return usual
    # Two checkouts must not share it.
    name = hashlib.sha256(os.fsencode(ROOT)).hexdigest()[:12]
    return default_cache() / "builds" / name


def fit(path: Path) -> bool:
    """Whether make can handle *path*."""
    return not _UNFIT.search(str(path))


def link(path: Path, folder: Path) -> Path:
    """Return a link to *path* in *folder*, for make, which cannot handle its own name."""
    link = folder / "checkout"
    if not link.is_symlink() or link.readlink() != path:
        link.unlink(missing_ok=True)
        link.symlink_to(path)
    return link


def usable(folder: Path) -> bool:
    """Whether *folder* can be entered, or created if it does not exist."""
    if _exists(folder):
        return _is_folder(folder, os.R_OK | os.X_OK)
    return writable(folder)


def writable(folder: Path) -> bool:
    """Whether files can be created in *folder*, which need not exist."""
    return _is_folder(nearest(folder), os.W_OK | os.X_OK)


def check_writable(folder: Path, remedy: str) -> None:
    """Raise an error if no files can be created in *folder*, before work is spent on them.

    Raises:
        TargetError: it cannot be written; *remedy* says how to choose another one.
    """
    if writable(folder):
        return
    there = nearest(folder)
    if _is_no_folder(there):
        raise TargetError(f"{there} is not a directory: remove it, or {remedy}.")
    if there not in (folder, folder.parent):  # it is not ours, so its owner must not change
        raise TargetError(f"{there} cannot be written by this user: {remedy}.")
    owner = f"{os.getuid()}:{os.getgid()}"
    raise TargetError(
        f"{there} cannot be written by this user, perhaps because ringcross ran with sudo: run "
        f"`sudo chown -R {owner} {shlex.quote(str(there))}`, or {remedy}."
    )


def nearest(folder: Path) -> Path:
    """*folder*, or the nearest folder above it that exists."""
    return next((path for path in (folder, *folder.parents) if _exists(path)), folder)


# Not the methods of Path, which fail below a folder that this user cannot enter.
def _exists(path: Path) -> bool:
    return os.path.lexists(path)


def _is_folder(path: Path, access: int) -> bool:
    return os.access(f"{path}/.", access)


def _is_no_folder(path: Path) -> bool:
    try:
        return not stat.S_ISDIR(path.stat().st_mode)
    except OSError:
        return path.is_symlink()


def check_cache(folder: Path) -> None:
    """Raise an error if *folder*, the cache or a part of it, neither exists nor can be created.

    Raises:
        TargetError: it can neither be used nor be created.
    """
    if not usable(folder):
        check_writable(folder, "set RINGCROSS_CACHE to another directory")


def discard_future(folder: Path) -> None:
    """Remove files in *folder* that are newer than the clock, which was set back since.

    make would take them for newer than a source that changes now.
    """
    now = time.time()
    for path in folder.rglob("*"):
        if path.is_file() and path.stat().st_mtime > now + 1:
            path.unlink()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make a second ringcross wait while this one uses *folder*.

    There is no lock in a folder that this user cannot write, because nothing changes there.
    """
    path = folder / ".lock"
    try:
        # Not for writing: the file may belong to root.
        number = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError:
        if writable(folder):
            raise
        yield
        return
    try:
        fcntl.flock(number, fcntl.LOCK_EX)
        yield
    finally:
        os.close(number)


def _folders(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_dir()]
    except OSError:
        return []
