# SPDX-License-Identifier: GPL-2.0-only
"""A knob is one machine setting that affects results, and how to improve it.

A knob judges the text of files that it is given. :mod:`bench.host.knobs.setter` reads, writes and
restores the files of all knobs, so a test can describe any machine with a dictionary.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Literal

from bench.plan.cells import Clock

Files = Mapping[str, str | None]
"""Text by absolute path; ``None`` or no entry if there is no such file."""
Place = Literal["machine", "kernel"]
State = Literal["good", "poor", "unknown"]

CPU = "/sys/devices/system/cpu"
BY_DOCTOR = "or run ringcross doctor --apply as root, which does this until the next boot"


@dataclass(frozen=True)
class Setting:
    """The state of a knob on one machine.

    Attributes:
        state: ``poor`` shifts results or makes them vary; ``unknown`` if the files do not show it.
        found: the present setting, in a few words.
        problem: if poor, the effect on results, as a sentence without its full stop.
        advice: if poor, what to do, as a clause without its full stop.
    """

    state: State
    found: str
    problem: str = ""
    advice: str = ""


def good(found: str) -> Setting:
    """Return the setting of a knob that needs no change."""
    return Setting("good", found)


def poor(found: str, problem: str, advice: str) -> Setting:
    """Return the setting of a knob that should be changed."""
    return Setting("poor", found, problem, advice)


def unknown(found: str) -> Setting:
    """Return the setting of a knob whose state the files do not show."""
    return Setting("unknown", found)


class Knob(ABC):
    """One machine setting to check, to show and, if possible, to set.

    Attributes:
        name: one or two words.
        place: ``machine`` if the setting belongs to the hardware whose time is measured (for a
            virtual machine, its host); ``kernel`` if it belongs to the kernel under test.
        clocks: the clocks whose results it affects.
        paths: the files it reads; ``*`` matches anything except a slash.
    """

    name: ClassVar[str]
    place: ClassVar[Place] = "machine"
    clocks: ClassVar[tuple[Clock, ...]] = ("time",)
    paths: ClassVar[tuple[str, ...]]

    @abstractmethod
    def check(self, files: Files) -> Setting:
        """Return the knob's state, from the text of its files."""

    def changes(self, files: Files) -> dict[str, str]:
        """Return the text to write as root, by path, to make the knob good.

        Empty if it is good already, or if writing files cannot make it good.
        """
        del files
        return {}


@dataclass(frozen=True)
class KnobReport:
    """The state of a knob, for ``environment.json`` and ``ringcross doctor``.

    Attributes:
        problem: the effect on results; empty unless poor.
        advice: what to do; empty unless poor.
        settable: whether ``ringcross doctor --apply`` can set it.
    """

    name: str
    place: Place
    state: State
    found: str
    problem: str
    advice: str
    settable: bool

    @property
    def warning(self) -> str:
        """Problem and advice in one sentence; empty unless poor."""
        return f"{self.problem}: {self.advice}." if self.problem else ""

    def to_json(self) -> dict[str, Any]:
        """Return the fields for ``environment.json``."""
        return asdict(self) | {"warning": self.warning}


def show(knob: Knob, files: Files, *, here: bool = False) -> KnobReport:
    """Return the state of *knob*; *here* is true if *files* are those of this machine."""
    setting = knob.check(files)
    settable = here and setting.state == "poor" and bool(knob.changes(files))
    return KnobReport(
        name=knob.name,
        place=knob.place,
        state=setting.state,
        found=setting.found,
        problem=setting.problem,
        advice=setting.advice + (f", {BY_DOCTOR}" if settable else ""),
        settable=settable,
    )


def texts(files: Files, pattern: str) -> dict[str, str]:
    """Return the stripped text of the files that match *pattern*, by path; skip empty files."""
    depth = pattern.count("/")
    return {
        path: (text or "").strip()
        for path, text in sorted(files.items())
        if (text or "").strip() and path.count("/") == depth and fnmatchcase(path, pattern)
    }


def text(files: Files, path: str) -> str:
    """Return the stripped text of one file; empty if there is no such file."""
    return (files.get(path) or "").strip()


def parse_cpus(text: str) -> set[int]:
    """Parse the kernel's format of CPU lists, such as ``0-3,8``; skip parts that are invalid."""
    numbers: set[int] = set()
    for part in text.split(","):
        low, _, high = part.partition("-")
        if low.isdigit() and (not high or high.isdigit()):
            numbers |= set(range(int(low), int(high or low) + 1))
    return numbers


def format_cpus(numbers: set[int]) -> str:
    """Format CPU numbers as the kernel does, for example ``0-3,8``."""
    parts: list[str] = []
    for number in sorted(numbers):
        if number - 1 not in numbers:
            parts.append(str(number))
        elif number + 1 not in numbers:
            parts[-1] += f"-{number}"
    return ",".join(parts)
