"""What a knob is: something about a machine that moves figures, and what to do about it.

A knob is fed the text of files and judges it; reading, writing and undoing are the same for
all and happen in :mod:`bench.host.knobs.setter`.  So any machine will do for a test: a dictionary.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Literal

from bench.plan.cells import Clock

Files = Mapping[str, str | None]
"""Text by absolute path; None or no entry where there is no such file."""
Place = Literal["machine", "kernel"]
State = Literal["good", "poor", "unknown"]

CPU = "/sys/devices/system/cpu"
BY_DOCTOR = "`ringcross doctor --apply` (root, until the next boot)"


@dataclass(frozen=True)
class Setting:
    """How a knob stands.

    Attributes:
        state: ``poor`` moves or loosens figures; ``unknown`` cannot be told here.
        found: what there is, in a few words.
        problem: what that does to figures, a sentence without its full stop; when poor.
        advice: what to do about it, likewise.
    """

    state: State
    found: str
    problem: str = ""
    advice: str = ""


def good(found: str) -> Setting:
    """Nothing to do."""
    return Setting("good", found)


def poor(found: str, problem: str, advice: str) -> Setting:
    """Something to do."""
    return Setting("poor", found, problem, advice)


def unknown(found: str) -> Setting:
    """Nothing to tell."""
    return Setting("unknown", found)


class Knob(ABC):
    """One thing to check, to show and, where that can be done, to set.

    Attributes:
        name: a word or two.
        place: ``machine``: of the hardware that gives the time, the host of a virtual machine;
            ``kernel``: of the kernel under test.
        clocks: under which clocks it matters.
        paths: the files it looks at; ``*`` stands for anything but a slash.
    """

    name: ClassVar[str]
    place: ClassVar[Place] = "machine"
    clocks: ClassVar[tuple[Clock, ...]] = ("time",)
    paths: ClassVar[tuple[str, ...]]

    @abstractmethod
    def check(self, files: Files) -> Setting:
        """How the knob stands, going by the text of its files."""

    def changes(self, files: Files) -> dict[str, str]:
        """What to write where, as root, for the knob to be good; empty where that is not all."""
        del files
        return {}


@dataclass(frozen=True)
class Shown:
    """A knob as ``environment.json`` and the doctor have it.

    Attributes:
        problem: what it does to figures, empty unless poor.
        advice: what to do about it.
        settable: the doctor can do so.
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
        """Problem and advice in one or two sentences; empty unless poor."""
        return f"{self.problem}: {self.advice}." if self.problem else ""

    def to_json(self) -> dict[str, Any]:
        """For ``environment.json``."""
        return asdict(self) | {"warning": self.warning}


def show(knob: Knob, files: Files, *, here: bool = False) -> Shown:
    """The knob and how it stands; *here*, the files are those of this very machine."""
    setting = knob.check(files)
    settable = here and setting.state == "poor" and bool(knob.changes(files))
    return Shown(
        name=knob.name,
        place=knob.place,
        state=setting.state,
        found=setting.found,
        problem=setting.problem,
        advice=setting.advice + (f", as {BY_DOCTOR} does" if settable else ""),
        settable=settable,
    )


def texts(files: Files, pattern: str) -> dict[str, str]:
    """The files that match, by path, stripped; without those that are empty or not there."""
    depth = pattern.count("/")
    return {
        path: (text or "").strip()
        for path, text in sorted(files.items())
        if (text or "").strip() and path.count("/") == depth and fnmatchcase(path, pattern)
    }


def text(files: Files, path: str) -> str:
    """One file's text, stripped; empty where it is not there."""
    return (files.get(path) or "").strip()


def cpus(listed: str) -> set[int]:
    """CPU numbers from the kernel's way to list them, e.g. ``0-3,8``; none where it is odd."""
    found: set[int] = set()
    for part in listed.split(","):
        low, _, high = part.partition("-")
        if low.isdigit() and (not high or high.isdigit()):
            found |= set(range(int(low), int(high or low) + 1))
    return found


def listed(numbers: set[int]) -> str:
    """CPU numbers as the kernel lists them."""
    parts: list[str] = []
    for number in sorted(numbers):
        if number - 1 not in numbers:
            parts.append(str(number))
        elif number + 1 not in numbers:
            parts[-1] += f"-{number}"
    return ",".join(parts)
