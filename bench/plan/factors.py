# SPDX-License-Identifier: GPL-2.0-only
"""Factors besides size, and the values that each operation supports.

A :class:`Factors` is a set of values. A plan has several such sets and varies them one after
another, while the other factors keep their usual values. A user can give the values instead.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from bench.errors import UsageError, unknown
from bench.plan.cells import SEARCH, Cell, Operation, usual_context

CONTEXTS = ("process", "softirq", "hardirq")
WAITS = ("block", "poll", "busy")
SAME_CPU = "same-cpu"
PLACEMENTS = (SAME_CPU, "smt-sibling", "same-llc", "same-socket", "cross-socket")
"""Where the two ends of a conversation run relative to each other, from near to far."""
MAX = "max"
"""The rate of a producer that emits as fast as it can, as a user writes it."""
EACH = -1
"""A queue length that stands for all lengths that a mode suggests."""
MAX_BURST = 4096
MAX_THREADS = 64
MAX_RECORDS = 65536

_USER_STARTED = ("threads", "placements")
_KERNEL_STARTED = ("contexts", "waits", "placements")
AXES: dict[Operation, tuple[str, ...]] = {
    "push": _USER_STARTED,
    "pull": _USER_STARTED,
    "call": _USER_STARTED,
    "notify": _KERNEL_STARTED,
    "stream": (*_KERNEL_STARTED, "bursts", "rates", "queues"),
    "upcall": ("waits", "placements"),  # only a thread can wait for a reply
    "dump": ("records",),
}
"""The axes of each operation."""
_FIELD = {axis: axis.removesuffix("s") for axis in AXES["stream"]} | {"threads": "threads"}
"""The field of a cell that each axis sets."""


@dataclass(frozen=True)
class Factors:
    """The values of each axis; an axis without values is not varied.

    Attributes:
        contexts: where the kernel emits events, from :data:`CONTEXTS`.
        waits: how the reader waits, from :data:`WAITS`.
        bursts: numbers of events that a stream emits together.
        rates: rates of a stream: :data:`MAX`, ``search``, or messages per second or per million
            instructions.
        queues: lengths of the queue, in the channel's own unit, or :data:`EACH`.
        threads: numbers of concurrent threads.
        placements: where the other end runs, from :data:`PLACEMENTS`; only for an operation
            with two ends.
        records: numbers of records of a dump's table. They take the place of sizes: a plan has
            its own, and measures a dump with each of them.
    """

    contexts: tuple[str, ...] = ()
    waits: tuple[str, ...] = ()
    bursts: tuple[int, ...] = ()
    rates: tuple[str, ...] = ()
    queues: tuple[int, ...] = ()
    threads: tuple[int, ...] = ()
    placements: tuple[str, ...] = ()
    records: tuple[int, ...] = ()

    @property
    def used(self) -> tuple[str, ...]:
        """The names of the axes that have values."""
        return tuple(field.name for field in fields(self) if getattr(self, field.name))

    def fit(self, operation: Operation) -> bool:
        """Whether the operation has all axes that are used."""
        return set(self.used) <= set(AXES[operation])

    def to_json(self) -> dict[str, list[Any]]:
        """The values of each axis that has some."""
        return {name: list(getattr(self, name)) for name in self.used}

    @classmethod
    def from_json(cls, values: dict[str, Sequence[Any]]) -> Factors:
        """The factors that :meth:`to_json` wrote; unknown axes are ignored."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: tuple(given) for name, given in values.items() if name in known})


USUAL = Factors()
"""No axis is varied."""
FACTORS = tuple(field.name for field in fields(Factors))
"""The names of all axes."""


def read_factors(**texts: str | None) -> Factors:
    """Parse the values that a user gives for each axis, e.g. ``bursts="1,16"``.

    Raises:
        UsageError: a word is not a value of its axis.
    """
    readers: dict[str, Callable[[str], Any]] = {
        "contexts": lambda word: _one_of("context", word, CONTEXTS),
        "waits": lambda word: _one_of("wait", word, WAITS),
        "bursts": lambda word: _number("burst", word, MAX_BURST),
        "rates": _rate,
        "queues": lambda word: _number("queue length", word, (1 << 31) - 1),
        "threads": lambda word: _number("number of threads", word, MAX_THREADS),
        "placements": lambda word: _one_of("placement", word, PLACEMENTS),
        "records": lambda word: _number("number of records", word, MAX_RECORDS),
    }
    given = {name: (text or "").replace(",", " ").split() for name, text in texts.items()}
    values: dict[str, tuple[Any, ...]] = {
        name: tuple(dict.fromkeys(readers[name](word) for word in words))
        for name, words in given.items()
    }
    return Factors(**values)


def _one_of(what: str, word: str, known: Iterable[str]) -> str:
    if word not in known:
        raise unknown(what, word, known)
    return word


def _number(what: str, word: str, highest: int) -> int:
    if not word.isdecimal() or not 1 <= int(word) <= highest:
        raise UsageError(
            f"{word!r} is not a valid {what}: write a whole number from 1 to {highest}."
        )
    return int(word)


def _rate(word: str) -> str:
    if word in (MAX, SEARCH):
        return word
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise UsageError(
            f"{word!r} is not a valid rate: write {MAX}, {SEARCH}, or a number of messages per "
            "second or per million instructions."
        )
    return str(int(value)) if value.is_integer() else repr(value)


def varied(cell: Cell, factors: Factors, mode: dict[str, Any]) -> Iterator[Cell]:
    """Yield the cell with each combination of the factors that its operation has.

    If the mode does not support a combination, the cell has a reason to skip it.

    Args:
        cell: the cell with usual factors.
        factors: values to combine.
        mode: the mode of the cell, from the agent's listing.
    """
    limits = mode["operations"][cell.operation]
    names = [axis for axis in AXES[cell.operation] if axis in factors.used]
    if not limits.get("two_ends"):
        names = [axis for axis in names if axis != "placements"]
    for values in itertools.product(*(_values(axis, factors, limits) for axis in names)):
        changes = dict(zip((_FIELD[axis] for axis in names), values, strict=True))
        context = usual_context(cell.operation, changes.get("rate", cell.rate))
        variant = replace(cell, **{"context": context} | changes)
        yield replace(variant, skip=variant.skip or why_not(variant, mode))


def _values(axis: str, factors: Factors, limits: dict[str, Any]) -> list[Any]:
    """The values of an axis, as fields of a cell have them; the usual value is empty."""
    values: Sequence[Any] = getattr(factors, axis)
    if axis == "queues":
        suggested = limits.get("queue", {}).get("values", ())
        return [length for value in values for length in (suggested if value == EACH else [value])]
    usual = {"waits": usual_wait(limits), "rates": MAX, "placements": SAME_CPU}.get(axis)
    return ["" if value == usual else value for value in values]


def second_placement(available: Container[str]) -> tuple[str, ...]:
    """The placement that a plan varies besides the same CPU; empty if there is no other.

    Cores that share a cache are the common case on a machine that is not loaded. Without such
    cores it is the nearest placement of those that are available.
    """
    order = ("same-llc", *PLACEMENTS[1:])
    return next(((name,) for name in order if name in available), ())


def usual_wait(limits: dict[str, Any]) -> str:
    """How the reader of an operation waits by default; empty if the listing does not say."""
    return str(next(iter(limits.get("waits", ())), ""))


def why_not(cell: Cell, mode: dict[str, Any]) -> str:
    """Why a mode does not support these factors, in one sentence; empty if it does."""
    limits = mode["operations"][cell.operation]
    queue, waits = limits.get("queue"), limits.get("waits", ())
    if cell.wait and cell.wait not in waits:
        if not waits:
            return f"The user half waits in one way only and cannot use {cell.wait}."
        return f"The user half can wait with {' or '.join(waits)}, but not with {cell.wait}."
    if cell.queue and not queue:
        return "The queue length cannot be set."
    if queue and cell.queue and not queue["min"] <= cell.queue <= queue["max"]:
        return f"The queue length can be {queue['min']} to {queue['max']} {queue['what']}."
    if cell.threads > 1 and mode.get("single_threaded_reason"):
        return str(mode["single_threaded_reason"])
    if cell.threads > 1 and cell.placement:
        return "Several threads use all CPUs, so they have no placement."
    if cell.operation == "stream" and not cell.rate and cell.context not in ("process", "default"):
        return "Only a thread can emit events at the maximum rate; an interrupt needs a rate."
    return ""
