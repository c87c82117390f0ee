"""What kind of channel each one is: found by probes, counted in the sources, or documented.

The probes are the agent's (``bench/agent/probe*.c``); ``PROTOCOL.md`` there names the
properties and their values. This module asks for them, adds what the host knows, and checks
what the channels claim of themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.kernels.build import AGENT
from bench.paths import ROOT
from bench.plan.plans import Listing
from bench.targets.kernel_log import verdict

MODULES = ROOT / "modules"
_VERSION = 2
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/|(\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*')", re.DOTALL)
_INCLUDE = re.compile(r'^#include "(rcx_\w+)\.h"', re.MULTILINE)


@dataclass(frozen=True)
class Property:
    """One property of one mode of a channel, or of the channel as a whole.

    Attributes:
        channel: its name.
        mode: one of its modes; empty for what holds for all of them.
        name: of the property.
        value: a word, a number, a bool, or one of these per operation; None when there is none.
        how: ``probe`` (tried), ``counted``, ``documented``, ``none`` (the question does not
            arise) or ``failed`` (no answer).
        detail: in sentences, what was done and what came of it.
    """

    channel: str
    mode: str
    name: str
    value: Any
    how: str
    detail: str


# ---- asking and collecting --------------------------------------------------


def requests(channels: Sequence[Listing], _brief: bool = False) -> list[dict[str, Any]]:
    """A probe of every mode of ``channels``."""
    return [
        {"do": "probe", "channel": channel["name"], "mode": mode["name"]}
        for channel in channels
        for mode in channel["modes"]
    ]


def document(
    answers: Sequence[dict[str, Any]],
    trouble: str,
    channels: Sequence[Listing],
    _brief: bool = False,
) -> dict[str, Any]:
    """What ``properties.json`` holds: a flat list of properties, each with how it was found."""
    found = [one for channel in channels for one in of_channel(channel, answers, trouble)]
    return {"version": _VERSION, "properties": [asdict(one) for one in found]}


def of_channel(
    channel: Listing, answers: Sequence[dict[str, Any]], trouble: str = "", modules: Path = MODULES
) -> Iterator[Property]:
    """All that is known of one channel; ``trouble`` is why answers may be missing."""
    name = channel["name"]
    told = {
        (answer["channel"], answer["mode"]): answer for answer in answers if answer["re"] == "probe"
    }
    for mode in (mode["name"] for mode in channel["modes"]):
        if (name, mode) in told:
            yield from of_answer(told[name, mode])
        else:
            why = trouble or _refused(answers) or "The agent ended without an answer."
            yield Property(name, mode, "probed", None, "failed", why)
    yield from of_sources(name, modules / name)
    yield since(channel)


def of_answer(answer: dict[str, Any]) -> Iterator[Property]:
    """The properties that one answer of the agent tells, and what the kernel said to it."""
    channel, mode = answer["channel"], answer["mode"]
    for name, told in answer["properties"].items():
        yield Property(channel, mode, name, told["value"], told["how"], told["detail"])
    if complaint := verdict(tuple(answer.get("log", ()))):
        yield Property(channel, mode, "kernel_log", None, "failed", complaint)


def _refused(answers: Sequence[dict[str, Any]]) -> str:
    reasons = [str(answer.get("reason", "")) for answer in answers if answer["re"] == "error"]
    return f"The agent refused a request: {reasons[0]}" if reasons else ""


# ---- what the host knows ------------------------------------------------------


def code_lines(text: str) -> int:
    """Lines of C that are neither blank nor comment alone."""
    bare = _COMMENT.sub(lambda match: match[1] or "\n" * match[0].count("\n"), text)
    return sum(1 for line in bare.splitlines() if line.strip())


def of_sources(channel: str, folder: Path) -> Iterator[Property]:
    """Lines of code of both halves, without blanks and comments."""
    user = folder / "user.c"
    halves = {
        "lines_kernel": sorted(path for path in folder.glob("*.c") if path.name not in AGENT),
        "lines_user": [user] if user.exists() else [],
    }
    abi = folder / "abi.h"
    both = code_lines(abi.read_text()) if abi.exists() else 0
    for name, files in halves.items():
        if not files:
            reason = "It has no such half, or its sources are not here."
            yield Property(channel, "", name, None, "none", reason)
            continue
        told = f"Without blank lines and comments: {', '.join(path.name for path in files)}"
        told += f"; abi.h, which both halves read, has {both} more" if both else ""
        shared = _shared(files, folder.parent / "core")
        told += f"; it also uses {', '.join(shared)}" if shared else ""
        lines = sum(code_lines(path.read_text()) for path in files)
        yield Property(channel, "", name, lines, "counted", told + ".")


def _shared(files: Sequence[Path], core: Path) -> list[str]:
    """Code that several channels share and this one includes, with its lines."""
    names = {name for path in files for name in _INCLUDE.findall(path.read_text())}
    sources = [core / f"{name.removeprefix('rcx_')}.c" for name in sorted(names)]
    return [
        f"core/{path.name} ({code_lines(path.read_text())})" for path in sources if path.exists()
    ]


def since(channel: Listing) -> Property:
    """The first kernel that has the mechanism, as the channel's registration tells."""
    version, _, what = str(channel.get("since") or "").partition(": ")
    if not what:
        reason = "Its registration does not say."
        return Property(channel["name"], "", "since", None, "none", reason)
    return Property(channel["name"], "", "since", version, "documented", f"{what}.")


# ---- claims -------------------------------------------------------------------


def contradictions(channels: Sequence[Listing], found: Sequence[Property]) -> list[str]:
    """Each claim of a mode that its probe did not bear out, as a sentence."""
    values = {(one.channel, one.mode, one.name): one for one in found}
    wrong = []
    for channel in channels:
        for mode in channel["modes"]:
            for name, claimed in mode.get("claims", {}).items():
                one = values.get((channel["name"], mode["name"], name))
                if one is None or one.value != claimed:
                    was = "was not probed" if one is None else f"is {one.value!r}: {one.detail}"
                    wrong.append(
                        f"{channel['name']} {mode['name']} claims {name} {claimed!r}, which {was}"
                    )
    return wrong
