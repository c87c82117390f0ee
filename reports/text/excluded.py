# SPDX-License-Identifier: GPL-2.0-only
"""What a figure does not contain, although that of most channels does, in words.

The registration of a channel declares it per operation (``excludes`` and ``batch`` in the agent's
listing).  A reader that spins is known from the factors of the cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Excluded:
    """One thing that a figure does not contain.

    Attributes:
        tag: two or three words, to stand beside the figure.
        text: the same as a clause.
    """

    tag: str
    text: str


WORDS = {
    "copy": Excluded("no copy", "nobody copies the body: both ends use it where it is"),
    "wake-up": Excluded(
        "no wake-up", "nobody is woken: the waiting end spins, yields or sleeps for a time"
    ),
    "call": Excluded("no call", "no system call: the message crosses by memory alone"),
}
"""The words of ``excludes`` that the agent can list."""


def excluded(limits: Mapping[str, Any], wait: str = "") -> tuple[Excluded, ...]:
    """What the figure of an operation does not contain.

    Args:
        limits: the operation in the agent's listing.
        wait: how the reader of the cell waits; empty for the default of the operation.
    """
    words = [str(word) for word in limits.get("excludes") or ()]
    if wait == "busy" and "wake-up" not in words:
        words.append("wake-up")
    found = [WORDS.get(word, Excluded(f"no {word}", f"no {word}")) for word in words]
    batch = limits.get("batch") or 1
    if isinstance(batch, int) and batch > 1:
        text = f"up to {batch} messages share one wake-up or one call"
        found.append(Excluded(f"batch of {batch}", text))
    return tuple(found)
