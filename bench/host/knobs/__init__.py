"""The machine's knobs: each a small class that can check, show and, on request, apply."""

from __future__ import annotations

from bench.cells import Clock
from bench.knobs import cpu, kernel, neighbours
from bench.knobs.base import Files, Knob, Place, Setting, Shown, show
from bench.knobs.hands import Applied, apply, read, undo
from bench.knobs.kernel import CONFIG

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
    "neighbours",
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
