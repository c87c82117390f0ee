# SPDX-License-Identifier: GPL-2.0-only
"""The sources of the kernel halves: which files they are, and a copy of them to build in."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path

AGENT = ("user.c", "program.c", "hostile.c")
"""Files in a channel's folder that are linked into the agent."""


def sources(source: Path) -> list[Path]:
    """Return the files of the kernel halves, relative to *source*, without the agent's files."""
    files = (f for f in source.rglob("*") if f.is_file() and f.name not in AGENT)
    kept = (f for f in files if f.suffix in (".c", ".h") or f.name in ("Kbuild", "Makefile"))
    return sorted(f.relative_to(source) for f in kept)


def fingerprint(source: Path, words: Sequence[str]) -> str:
    """Return a hash that changes when a source file or one of *words* changes."""
    digest = hashlib.sha256("\0".join(words).encode())
    for name in sources(source):
        data = (source / name).read_bytes()
        digest.update(f"\0{name}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()


def mirror(source: Path, tree: Path, left_out: Collection[str] = ()) -> None:
    """Make the sources in *tree* equal to *source*, without the folders *left_out*.

    Equal files keep their time, for make.
    """
    names = [name for name in sources(source) if name.parts[0] not in left_out]
    if tree.exists():
        remove_modules(tree)  # the channel of one may have been removed
        for stale in set(sources(tree)) - set(names):
            if not stale.name.endswith(".mod.c"):
                (tree / stale).unlink()
    for name in names:
        target = tree / name
        data = (source / name).read_bytes()
        if not target.exists() or target.read_bytes() != data:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)


def remove_modules(tree: Path) -> None:
    """Remove the modules that a build has left in *tree*."""
    for module in tree.glob("ringcross_*.ko"):
        module.unlink()
