# SPDX-License-Identifier: GPL-2.0-only
"""Search a kernel log for messages that invalidate a measurement."""

from __future__ import annotations

import re
from collections.abc import Iterable

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


def complaints(lines: Iterable[str]) -> list[str]:
    """Return lines that report a warning, bug, oops, lockup or leak, without their timestamps."""
    return [
        _PREFIX.sub("", line).strip()
        for line in lines
        if _BAD.search(line) and not _HARMLESS.search(line)
    ]


def verdict(lines: Iterable[str]) -> str:
    """Return why these lines fail a cell, as one sentence; empty if they do not."""
    problems = complaints(lines)
    return f"The kernel logged: {problems[0]}" if problems else ""
