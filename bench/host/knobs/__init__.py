"""The machine's knobs: each a small class that can check, show and, on request, apply."""

from __future__ import annotations

from bench.host.knobs import cpu, kernel, noise
from bench.host.knobs.base import Files, Knob, Place, Setting, Shown, show
from bench.host.knobs.kernel import CONFIG
from bench.host.knobs.setter import Applied, apply, read, undo
from bench.plan.cells import Clock

__all__ = [
    "CONFIG",
    "Applied",
    "Files",
    "Knob",
    "Place",
    "Setting",
    "Shown",
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
    """All knobs, or those that matter under a clock and are found at a place."""
    knobs = (kind() for kind in Knob.__subclasses__())
    return tuple(
        knob
        for knob in knobs
        if (clock is None or clock in knob.clocks) and (place is None or place == knob.place)
    )
