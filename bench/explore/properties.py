# SPDX-License-Identifier: GPL-2.0-only
"""Properties of channels: determined by probes, counted in the sources, or documented.

The probes are part of the agent (``bench/agent/probes/``).  The properties and their values
are listed in ``bench/agent/protocol/PROTOCOL.md``.  This module requests the probes, adds what
the host knows, and checks the claims in the channels' registrations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.kernels.module_sources import AGENT
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
        channel: name of the channel.
        mode: name of the mode; empty for a property of the channel as a whole.
        name: name of the property.
        value: a word, a number, a bool, or one of these per operation; None without a value.
        how: ``probe`` (tested), ``counted``, ``documented``, ``none`` (does not apply) or
            ``failed`` (no answer).
        detail: sentences that describe the test and its outcome.
    """

    channel: str
    mode: str
    name: str
    value: Any
    how: str
    detail: str


# ---- requests and answers -----------------------------------------------------


def requests(channels: Sequence[Listing], _brief: bool = False) -> list[dict[str, Any]]:
    """A request for a probe of every mode of ``channels``."""
    return [
        {"do": "probe", "channel": channel["name"], "mode": mode["name"]}
        for channel in channels
        for mode in channel["modes"]
    ]


def document(
    answers: Sequence[dict[str, Any]],
    error_text: str,
    channels: Sequence[Listing],
    _brief: bool = False,
) -> dict[str, Any]:
    """The content of ``properties.json``: a version and a flat list of properties.

    Args:
        answers: all answers of the boot; those to other requests are ignored.
        error_text: why answers are missing; empty if the boot did not end early.
        channels: listing of the measured channels.
    """
    rows = [asdict(row) for channel in channels for row in of_channel(channel, answers, error_text)]
    return {"version": _VERSION, "properties": rows}


def of_channel(
    channel: Listing,
    answers: Sequence[dict[str, Any]],
    error_text: str = "",
    modules: Path = MODULES,
) -> Iterator[Property]:
    """All properties of one channel.

    Args:
        channel: listing of the channel.
        answers: all answers of the boot.
        error_text: why answers are missing; empty if the boot did not end early.
        modules: the folder with one folder of sources per channel.
    """
    name = channel["name"]
    probed = {
        (answer["channel"], answer["mode"]): answer for answer in answers if answer["re"] == "probe"
    }
    for mode in (mode["name"] for mode in channel["modes"]):
        if (name, mode) in probed:
            yield from of_answer(probed[name, mode])
        else:
            reason = error_text or _refusal(answers) or "The agent ended without an answer."
            yield Property(name, mode, "probed", None, "failed", reason)
    yield from of_sources(name, modules / name)
    yield since(channel)


def of_answer(answer: dict[str, Any]) -> Iterator[Property]:
    """The properties in one answer of the agent, and a failed one if the kernel log is bad."""
    channel, mode = answer["channel"], answer["mode"]
    for name, row in answer["properties"].items():
        yield Property(channel, mode, name, row["value"], row["how"], row["detail"])
    if complaint := verdict(tuple(answer.get("log", ()))):
        yield Property(channel, mode, "kernel_log", None, "failed", complaint)


def _refusal(answers: Sequence[dict[str, Any]]) -> str:
    reasons = [str(answer.get("reason", "")) for answer in answers if answer["re"] == "error"]
    return f"The agent refused a request: {reasons[0]}" if reasons else ""


# ---- what the host knows ------------------------------------------------------


def code_lines(text: str) -> int:
    """Number of lines of C in ``text`` that are neither blank nor only a comment."""
    code = _COMMENT.sub(lambda match: match[1] or "\n" * match[0].count("\n"), text)
    return sum(1 for line in code.splitlines() if line.strip())


def of_sources(channel: str, folder: Path) -> Iterator[Property]:
    """Lines of code of the kernel half and of the user half of ``channel``.

    Args:
        channel: name of the channel.
        folder: its sources; shared code is in ``core`` beside it.
    """
    user = folder / "user.c"
    halves = {
        "lines_kernel": sorted(path for path in folder.glob("*.c") if path.name not in AGENT),
        "lines_user": [user] if user.exists() else [],
    }
    abi = folder / "abi.h"
    both = code_lines(abi.read_text()) if abi.exists() else 0
    for name, files in halves.items():
        if not files:
            reason = "The channel has no such half, or its sources are not available here."
            yield Property(channel, "", name, None, "none", reason)
            continue
        detail = f"Without blank lines and comments: {', '.join(path.name for path in files)}"
        detail += f"; abi.h, which both halves include, has {both} more lines" if both else ""
        shared = _shared(files, folder.parent / "core")
        detail += f"; this half also uses {', '.join(shared)}" if shared else ""
        lines = sum(code_lines(path.read_text()) for path in files)
        yield Property(channel, "", name, lines, "counted", detail + ".")


def _shared(files: Sequence[Path], core: Path) -> list[str]:
    """Files in ``core`` whose header ``files`` include, each with its lines of code."""
    names = {name for path in files for name in _INCLUDE.findall(path.read_text())}
    sources = [core / f"{name.removeprefix('rcx_')}.c" for name in sorted(names)]
    return [
        f"core/{path.name} ({code_lines(path.read_text())})" for path in sources if path.exists()
    ]


def since(channel: Listing) -> Property:
    """The first kernel version with this mechanism, from the channel's registration."""
    version, _, mechanism = str(channel.get("since") or "").partition(": ")
    if not mechanism:
        reason = "The registration of the channel does not name a kernel version."
        return Property(channel["name"], "", "since", None, "none", reason)
    return Property(channel["name"], "", "since", version, "documented", f"{mechanism}.")


# ---- claims -------------------------------------------------------------------


def contradictions(channels: Sequence[Listing], properties: Sequence[Property]) -> list[str]:
    """One sentence for each claim or exclusion of a mode that its probe does not confirm."""
    by_name = {(row.channel, row.mode, row.name): row for row in properties}
    sentences = list(_wrong_exclusions(channels, by_name))
    for channel in channels:
        for mode in channel["modes"]:
            initiated = by_name.get((channel["name"], mode["name"], "kernel_initiated"))
            if initiated is not None and initiated.how == "none":
                continue  # this kernel lacks the mode
            for name, claimed in mode.get("claims", {}).items():
                row = by_name.get((channel["name"], mode["name"], name))
                if row is None or row.value != claimed:
                    result = "was not probed" if row is None else f"is {row.value!r}: {row.detail}"
                    sentences.append(
                        f"{channel['name']} {mode['name']} claims {name} {claimed!r}, "
                        f"but it {result}"
                    )
    return sentences


def _wrong_exclusions(
    channels: Sequence[Listing], by_name: Mapping[tuple[str, str, str], Property]
) -> Iterator[str]:
    """Sentences about ``excludes`` and ``batch`` of operations, against what was counted."""
    for channel in channels:
        for mode in channel["modes"]:
            key = channel["name"], mode["name"]
            for operation, limits in mode.get("operations", {}).items():
                for wrong in (
                    _wrong_copies(limits, _counted(by_name, (*key, "copies"), operation)),
                    _wrong_calls(
                        operation, limits, _counted(by_name, (*key, "syscalls"), operation)
                    ),
                ):
                    if wrong:
                        yield f"{channel['name']} {mode['name']} {operation} {wrong}"


def _counted(
    by_name: Mapping[tuple[str, str, str], Property], key: tuple[str, str, str], operation: str
) -> float | None:
    """The number that the probe counted for an operation; None if it counted none."""
    row = by_name.get(key)
    value = row.value.get(operation) if row and isinstance(row.value, dict) else None
    return None if value is None else float(value)


def _wrong_copies(limits: Listing, copies: float | None) -> str:
    excluded = "copy" in limits.get("excludes", ())
    if copies is None or excluded == (copies == 0):
        return ""
    if excluded:
        return f"says that its figure contains no copy of the body, but it has {copies:g}"
    return "has no copy of the body, but does not say so: add RCX_WITHOUT_COPY to .excludes"


def _wrong_calls(operation: str, limits: Listing, calls: float | None) -> str:
    """Whether the counted calls of the user half contradict ``excludes`` or ``batch``.

    A call that is missing in ``excludes`` is only found in an operation with one end. In one with
    two ends the other process may make the calls, and the reader of a stream also makes calls to
    wait, which are not counted.
    """
    batch, excluded = int(limits.get("batch", 1)), "call" in limits.get("excludes", ())
    if calls is None:
        return ""
    if batch > 1:
        return "" if calls < 1 else f"says that {batch} messages share a call, but it has {calls:g}"
    if excluded and operation != "stream" and calls > 0:
        return f"says that it makes no system call, but it has {calls:g}"
    if not excluded and calls == 0 and not limits.get("two_ends"):
        return "makes no system call, but does not say so: add RCX_WITHOUT_CALL to .excludes"
    return ""
