# SPDX-License-Identifier: GPL-2.0-only
"""The names that ``--kernel`` accepts for kernels of a distribution."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bench.kernels import suites
from bench.kernels.kernel import ARCHES

STOCK = "stock"
RUNNING = "running"


def is_path(spec: str) -> bool:
    """Whether *spec* names a file or folder. A folder in the current one is written ``./NAME``."""
    return "/" in spec or spec.startswith("~") or spec in (".", "..")


@dataclass(frozen=True)
class Wanted:
    """A kernel as the user named it.

    Attributes:
        suite: the suite to look in; empty for the system's sources, then all others.
        series: beginning of the kernel's version, such as ``6.12``; empty for the kernel that the
            suite's metapackage names.
        flavour: such as ``cloud``, ``rt`` or ``generic``; empty for the default one.
        release: exact release, such as ``6.1.0-56-amd64``; empty if the other fields say it.
    """

    suite: str = ""
    series: str = ""
    flavour: str = ""
    release: str = ""

    @property
    def stays_here(self) -> bool:
        """Whether only the system's own sources are searched."""
        return not (self.suite or self.series or self.release)


def parse(spec: str) -> Wanted | None:
    """Return the kernel that *spec* names; ``None`` if no kernel can have this name.

    A word that is no suite is a flavour, since only the package index knows all flavours.
    """
    word = re.sub(r"^linux-(?:image|headers)-(?:unsigned-)?", "", spec)
    if word == STOCK:
        return Wanted()
    if match := re.fullmatch(r"(\d+\.\d+(?:\.\d+)*)(?:-([a-z][a-z0-9.-]*))?", word):
        release = word if match[2] else ""  # as many kernels are named that a user has built
        return Wanted(series=match[1], flavour=_flavour(match[2] or ""), release=release)
    if re.fullmatch(r"\d+\.\d+[A-Za-z0-9.+~-]*-[a-z0-9.-]+", word):
        return Wanted(release=word)
    for suite in sorted(suites.names(), key=len, reverse=True):
        if word == suite or word.startswith(f"{suite}-"):
            return Wanted(suite=suite, flavour=_flavour(word[len(suite) + 1 :]))
    if re.fullmatch(r"[a-z][a-z0-9.-]*", word):
        return Wanted(flavour=_flavour(word))
    return None


def _flavour(word: str) -> str:
    """Return ``cloud`` for ``cloud-amd64``, and the empty string for ``amd64``."""
    for arch in ARCHES.values():
        word = re.sub(rf"(?:^|-){arch.debian}$", "", word)
    return word
