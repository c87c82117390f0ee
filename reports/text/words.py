# SPDX-License-Identifier: GPL-2.0-only
"""Numbers and units as text, and the fixed sentences about each clock."""

from __future__ import annotations

import math
from dataclasses import dataclass

MISSING = "–"

PLACEMENTS = {
    "same-cpu": "both ends on one CPU",
    "smt-sibling": "ends on two threads of one core",
    "same-llc": "ends on two cores that share a last-level cache",
    "same-socket": "ends on two cores of one socket without a common cache",
    "cross-socket": "ends on two sockets",
}
"""Where the two ends of a conversation run, from near to far, in words."""


@dataclass(frozen=True)
class ClockWords:
    """The words a report uses for a clock.

    Attributes:
        title: its name in a heading.
        unit: the unit of a cost, e.g. ``ns``.
        axis: the unit of a cost, as the label of an axis.
        per: the denominator of a rate.
        shows: what a number means, in sentences.
        omits: what a number does not include, in sentences.
    """

    title: str
    unit: str
    axis: str
    per: str
    shows: tuple[str, ...]
    omits: tuple[str, ...]


INSTRUCTIONS = ClockWords(
    title="guest instructions",
    unit="instructions",
    axis="instructions per operation",
    per="million instructions",
    shows=(
        "Each number is a count of the machine instructions that the guest executed, in the "
        "kernel and in user space together. QEMU runs with -icount shift=0, so this count is the "
        "guest's clock.",
        "The same kernel, image, QEMU and seed give the same counts on a laptop, in CI and on a "
        "busy server. This makes the counts suitable for comparing channels, kernels and builds.",
    ),
    omits=(
        "An instruction is not a nanosecond. The count does not include the cost of caches, TLBs "
        "and memory, of the mode switch itself, of interrupts between CPUs, or of what "
        "mitigations do inside the processor.",
        "A notify is timed from its event, and an upcall from its request, so the wait before "
        "that does not count. The "
        "instructions that another process executes during an operation do count. When the guest "
        "sleeps during an operation, each nanosecond of its clock counts as one instruction.",
        "Short rounds contain no tick of the kernel's timer; long rounds contain their ticks at "
        "the same places. Short rounds therefore also miss the work that the kernel defers to a "
        "tick, such as freeing memory after files were closed. The tail of the samples includes "
        "both.",
        "A string copy (rep movsb) counts every repetition. Fast string copies are therefore "
        "hidden from the guest (-cpu max,-erms,-fsrm …), and the kernel copies 8 bytes per "
        "instruction. This is closer to the cost of a copy on hardware.",
    ),
)
TIME = ClockWords(
    title="nanoseconds",
    unit="ns",
    axis="nanoseconds per operation",
    per="second",
    shows=(
        "Each number is elapsed time on the machine described above. It is read from "
        "CLOCK_MONOTONIC, which is the same clock in the kernel and in user space.",
        "It includes everything that happens on that machine: caches, TLBs, the mode switch, "
        "mitigations and wake-ups.",
    ),
    omits=(
        "The numbers hold for this machine in this state. Another CPU, another governor or "
        "another load on the same host gives other numbers. Compare channels within one run, and "
        "compare runs only if the machine is the same.",
    ),
)
UNKNOWN = ClockWords(
    "an unnamed clock", "units", "units per operation", "unit of rate",
    ("The run did not record which clock it used.",), ("Its numbers therefore have no unit.",),
)  # fmt: skip


def clock_words(clock: str) -> ClockWords:
    """The words for the clock that a run names ``clock``."""
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
    """A tick label: ``1``, ``20``, ``1k``, ``5M``."""
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


def exact_size(value: float) -> str:
    """Bytes without rounding: ``64 B``, ``4 KiB``, ``16,359 B``."""
    return size(value) if value < 1024 or not value % 1024 else f"{value:,.0f} B"


def ratio(value: float | None) -> str:
    """Three digits: ``1.50×``; without decimals from 100 on."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{value:.0f}×" if value >= 99.5 else f"{value:.3g}×"


def percent(part: float | None, total: float | None) -> float | None:
    """``part`` of ``total`` in percent."""
    if part is None or not total:
        return None
    return min(100.0, max(0.0, 100 * part / total))


def interval(value: float, clock: str) -> str:
    """The interval between two bursts of a producer; ``0`` means no pause.

    ``value`` is in units of the run's clock: the guest's clock advances by one
    nanosecond per instruction under ``instructions``.
    """
    if not value:
        return "as fast as possible"
    if clock != "time":
        return f"every {value:,.0f} {clock_words(clock).unit}"
    for step, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if value >= step:
            return f"every {value / step:g} {unit}"
    return f"every {value:g} ns"


def sentence(text: str) -> str:
    """``text`` with a full stop, and with a capital letter unless it starts with an identifier."""
    text = text.strip()
    if not text:
        return text
    start = text[0].upper() if text.split()[0].strip(",:").isalpha() else text[0]
    return start + text[1:] + ("" if text[-1] in ".!?" else ".")


def listed(words: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)
