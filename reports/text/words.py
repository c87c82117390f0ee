"""Numbers and units as people read them, and what a clock tells in plain words."""

from __future__ import annotations

import math
from dataclasses import dataclass

MISSING = "–"


@dataclass(frozen=True)
class ClockWords:
    """How a report speaks of a clock.

    Attributes:
        title: what it is called in a heading.
        unit: the unit of a cost, e.g. ``ns``.
        axis: the unit of a cost, on an axis.
        per: what a rate is given per.
        tells: what a number means, in sentences.
        silent: what it does not tell, in sentences.
    """

    title: str
    unit: str
    axis: str
    per: str
    tells: tuple[str, ...]
    silent: tuple[str, ...]


INSTRUCTIONS = ClockWords(
    title="guest instructions",
    unit="instructions",
    axis="instructions per operation",
    per="million instructions",
    tells=(
        "Every figure here counts the machine instructions that the guest executed, kernel and "
        "user space together. QEMU runs with -icount shift=0, so the guest's clock is that count.",
        "The same kernel, image, QEMU and seed give the same counts on a laptop, in CI or on a "
        "busy server. That makes the counts good for comparing channels, kernels and builds.",
    ),
    silent=(
        "An instruction is not a nanosecond. The count is blind to caches, TLBs and memory, to "
        "the price of the mode switch itself, to interrupts between CPUs, and to what mitigations "
        "do inside the processor.",
        "Where an event is awaited, instructions executed while waiting count too.",
        "Rounds are kept clear of the kernel's timer ticks, and so of what it puts off to them, "
        "such as memory that it gives back after files were closed. The tail of the samples has "
        "both.",
        "A string copy (rep movsb) counts each repetition. Fast string copies are therefore hidden "
        "from the guest (-cpu max,-erms,-fsrm …), so the kernel copies 8 bytes per instruction, "
        "which is nearer to what copies cost on hardware.",
    ),
)
TIME = ClockWords(
    title="nanoseconds",
    unit="ns",
    axis="nanoseconds per operation",
    per="second",
    tells=(
        "Every figure here is elapsed time on the machine named below, read from "
        "CLOCK_MONOTONIC, which is the same clock in the kernel and in user space.",
        "It includes everything that happens on that machine: caches, TLBs, the mode switch, "
        "mitigations, wake-ups.",
    ),
    silent=(
        "It holds for this machine in this state. Another CPU, governor or neighbour on the same "
        "host gives other numbers, so compare channels within one run, and runs only where the "
        "machine is the same.",
    ),
)
UNKNOWN = ClockWords(
    "an unnamed clock", "units", "units per operation", "unit of rate",
    ("The run did not record which clock it used.",), ("So its numbers have no unit.",),
)  # fmt: skip


def clock_words(clock: str) -> ClockWords:
    """How to speak of the clock called so in a run."""
    return {"instructions": INSTRUCTIONS, "time": TIME}.get(clock, UNKNOWN)


def number(value: float | None) -> str:
    """About four digits: ``12.5``, ``337``, ``1,204``, ``1.23 M``."""
    if value is None or not math.isfinite(value):
        return MISSING
    size = abs(value)
    if size >= 1e9:
        return f"{value / 1e9:,.3g} G" if size < 1e12 else f"{value / 1e9:,.0f} G"
    if size >= 1e6:
        return f"{value / 1e6:,.3g} M" if size < 999.5e6 else "1 G"
    if size >= 99.95 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 1 else f"{value:.2g}"


def short(value: float) -> str:
    """For an axis: ``1``, ``20``, ``1k``, ``5M``."""
    for step, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= step:
            return f"{value / step:g}{letter}"
    return f"{value:g}"


def size(value: float) -> str:
    """Bytes in binary units: ``64 B``, ``4 KiB``, ``1 MiB``."""
    for step, letter in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if value >= step:
            return f"{value / step:.4g} {letter}"
    return f"{value:g} B"


def ratio(value: float | None) -> str:
    """``1.50×``, with as many digits as tell something."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{value:.0f}×" if value >= 99.5 else f"{value:.3g}×"


def percent(part: float | None, whole: float | None) -> float | None:
    """``part`` of ``whole`` in percent."""
    if part is None or not whole:
        return None
    return min(100.0, max(0.0, 100 * part / whole))


def nanoseconds(value: float) -> str:
    """A set interval: ``0`` is as fast as it goes."""
    if not value:
        return "as fast as it goes"
    for step, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if value >= step:
            return f"every {value / step:g} {unit}"
    return f"every {value:g} ns"


def sentence(text: str) -> str:
    """With a full stop, and a capital letter unless it starts with the name of a thing."""
    text = text.strip()
    if not text:
        return text
    start = text[0].upper() if text.split()[0].strip(",:").isalpha() else text[0]
    return start + text[1:] + ("" if text[-1] in ".!?" else ".")


def listed(words: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)
