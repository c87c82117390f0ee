# SPDX-License-Identifier: GPL-2.0-only
"""Search a kernel log for messages that invalidate a measurement."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_BAD = re.compile(
    r"""\bWARNING:|\bBUG:|\bBUG\ at\b|\bOops\b|\bCall\ Trace\b|\bKernel\ panic\b
    |\bgeneral\ protection\ fault\b|\b(?:soft|hard)\ lockup\b|\bblocked\ for\ more\ than\b
    |\bdetected\ stalls?\b|\bself-detected\ stall\b|\bmemory\ leak|\bleaked\b|\bkmemleak\b
    |\bstill\ has\ \d+\ objects|\bObjects\ remaining\b|\brefcount_t:|\bKASAN\b|\bUBSAN\b
    |\bBUG\ \S+\ \(|\bRedzone\ overwritten\b|\bPoison\ overwritten\b
    |\bpossible\ (?:circular|recursive)\ locking\b|\bscheduling\ while\ atomic\b
    |\bINFO:\ (?:task|rcu|trying)\b""",
    re.VERBOSE | re.IGNORECASE,
)
# Healthy machines log these lines at boot.
_HARMLESS = re.compile(
    r"\bkmemleak: (?:Kernel memory leak detector|Automatic memory scanning)"
    r"|lockup detector|NMI watchdog|Spectre|MDS:|MMIO Stale Data|TAA:",
    re.IGNORECASE,
)
_PREFIX = re.compile(r"^(?:<\d+>)?\s*(?:\[[^\]]*\]\s*)*")
# A place in the kernel's code; segment 0010 is the kernel's, unlike 0033 of user space.
_PLACE = r"(?P<function>[\w.]+\+0x[0-9a-f]+)/0x[0-9a-f]+(?P<module> \[\w+\])?"
_RIP = re.compile(rf"\bRIP: 0010:{_PLACE}")
# A line of a call trace; "?" marks an address that was only found on the stack.
_CALLER = re.compile(rf"^{_PLACE}")
_OURS = " [ringcross_"


def complaints(lines: Iterable[str]) -> list[str]:
    """Return lines that report a warning, bug, oops, lockup or leak, without their timestamps."""
    return [
        _PREFIX.sub("", line).strip()
        for line in lines
        if _BAD.search(line) and not _HARMLESS.search(line)
    ]


def verdict(lines: Iterable[str]) -> str:
    """Return why these lines fail a cell, as one sentence; empty if they do not."""
    lines = list(lines)
    problems = complaints(lines)
    return f"The kernel logged: {problems[0]}{place(lines)}" if problems else ""


def place(lines: Sequence[str]) -> str:
    """Return where the first crash in a log happened, to append to a sentence; empty if nowhere.

    For example ``, at netlink_emit+0xb [ringcross_netlink]``.  If the function is not ours, the
    last of our functions that led to it follows.
    """
    number, found = next(
        ((n, match) for n, line in enumerate(lines) if (match := _RIP.search(line))), (0, None)
    )
    if found is None:
        return ""
    text = f", at {_name(found)}"
    if _OURS in text:
        return text
    traced = (_CALLER.match(_PREFIX.sub("", line).strip()) for line in lines[number:])
    ours = next((_name(match) for match in traced if match and _OURS in _name(match)), "")
    return f"{text}, called from {ours}" if ours else text


def _name(found: re.Match[str]) -> str:
    return found["function"] + (found["module"] or "")
