# SPDX-License-Identifier: GPL-2.0-only
"""Knobs, the machine settings that affect results: check, show and set them.

Each knob is a small class, registered by being a subclass of :class:`Knob`.
"""

from __future__ import annotations

from bench.host.knobs import cpu, kernel, noise
from bench.host.knobs.base import Files, Knob, KnobReport, Place, Setting, show
from bench.host.knobs.kernel import CONFIG
from bench.host.knobs.setter import Applied, apply, read, undo
from bench.plan.cells import Clock

__all__ = [
    "CONFIG",
    "Applied",
    "Files",
    "Knob",
    "KnobReport",
    "Place",
    "Setting",
    "apply",
    "cpu",
    "every",
    "kernel",
    "noise",
    "read",
    "show",
    "undo",
]


def every(clock: Clock | None = None, place: Place | None = None) -> tuple[Knob, ...]:
    """Return the knobs that affect results under *clock* and belong to *place*; by default all."""
    knobs = (kind() for kind in Knob.__subclasses__())
    return tuple(
        knob
        for knob in knobs
        if (clock is None or clock in knob.clocks) and (place is None or place == knob.place)
    )
