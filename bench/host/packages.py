# SPDX-License-Identifier: GPL-2.0-only
"""The system packages that ringcross needs, and the command that installs them.

``packages.txt`` lists them for the package managers of several distributions. ``make setup`` reads
the same file.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench import child
from bench.paths import ROOT

LIST = ROOT / "packages.txt"


@dataclass(frozen=True)
class Manager:
    """A package manager.

    Attributes:
        name: as in ``packages.txt``; empty if no known manager is on this machine.
        command: the command with which root installs packages; the packages follow it.
    """

    name: str = ""
    command: tuple[str, ...] = ()

    def install(self, packages: Iterable[str]) -> str:
        """Return the command that installs *packages*; empty for none of them."""
        names = list(dict.fromkeys(packages))
        if not names or not self.command:
            return ""
        sudo = () if os.geteuid() == 0 else ("sudo",)
        return " ".join([*sudo, *self.command, *names])


@dataclass(frozen=True)
class Requirement:
    """Something that must be installed.

    Attributes:
        sign: what shows that it is installed: a command, a file (a path, with ``*`` as wildcard) or
            a Python module (``interpreter:module``); a ``|`` separates signs that serve equally.
        packages: the package that contains it, by the name of the manager.
    """

    sign: str
    packages: Mapping[str, str]


def managers(text: str) -> list[Manager]:
    """Parse the lines of ``packages.txt`` that begin with ``@``."""
    lines = [words for words in _lines(text) if words[0].startswith("@")]
    return [Manager(words[0].removeprefix("@"), tuple(words[1:])) for words in lines]


def requirements(text: str) -> Iterator[Requirement]:
    """Parse the other lines of ``packages.txt``.

    Raises:
        ValueError: a line does not have one package for each manager.
    """
    names = [manager.name for manager in managers(text)]
    for words in _lines(text):
        if not words[0].startswith("@"):
            yield Requirement(words[0], dict(zip(names, words[1:], strict=True)))


def manager(text: str) -> Manager:
    """Return the package manager of this machine."""
    here = (one for one in managers(text) if _on_path(one.command[0]))
    return next(here, Manager())


def present(sign: str) -> bool:
    """Whether what *sign* stands for is installed."""
    if "|" in sign:
        return any(present(one) for one in sign.split("|"))
    if sign.startswith("/"):
        return any(Path("/").glob(sign[1:]))
    if ":" in sign:
        interpreter, module = sign.split(":")
        found = _on_path(interpreter)
        return found and child.run([interpreter, "-c", f"import {module}"]).returncode == 0
    return _on_path(sign)


def _on_path(command: str) -> bool:
    return shutil.which(command, path=child.search_path()) is not None


def _lines(text: str) -> list[list[str]]:
    """The words of each line that is not a comment."""
    lines = (line.partition("#")[0].split() for line in text.splitlines())
    return [words for words in lines if words]
