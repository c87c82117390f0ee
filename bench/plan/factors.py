"""Factors besides size: the axes of a plan, and which values an operation can have.

A set of values is a :class:`Factors`.  A plan varies some such sets, one after another,
around the usual case; who runs it may instead name exactly the values to measure.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from bench.errors import UsageError, unknown
from bench.plan.cells import SEARCH, Cell, Operation, usual_context

CONTEXTS = ("process", "softirq", "hardirq")
WAITS = ("block", "poll", "busy")
MAX = "max"
"""How a user writes the rate of a producer that goes as fast as it can."""
EACH = -1
"""A queue length that stands for each one that a mode suggests."""
MAX_BURST = 4096
MAX_THREADS = 64

_ASKING = ("threads",)
_STARTED = ("contexts", "waits")
AXES: dict[Operation, tuple[str, ...]] = {
    "push": _ASKING,
    "pull": _ASKING,
    "call": _ASKING,
    "notify": _STARTED,
    "stream": (*_STARTED, "bursts", "rates", "queues"),
}
"""Which axes an operation has."""
_FIELD = {axis: axis.removesuffix("s") for axis in AXES["stream"]} | {"threads": "threads"}
"""The field of a cell that an axis sets."""


@dataclass(frozen=True)
class Factors:
    """Values of each axis; an axis without values stays as usual.

    Attributes:
        contexts: where the kernel raises events, of :data:`CONTEXTS`.
        waits: how the user waits, of :data:`WAITS`.
        bursts: events of a stream in a row.
        rates: of a stream: :data:`MAX`, ``search``, or messages per second or per million
            instructions.
        queues: lengths of a queue, in the channel's own unit, or :data:`EACH`.
        threads: threads that do the same at once.
    """

    contexts: tuple[str, ...] = ()
    waits: tuple[str, ...] = ()
    bursts: tuple[int, ...] = ()
    rates: tuple[str, ...] = ()
    queues: tuple[int, ...] = ()
    threads: tuple[int, ...] = ()

    @property
    def used(self) -> tuple[str, ...]:
        """The axes that have values."""
        return tuple(field.name for field in fields(self) if getattr(self, field.name))

    def fit(self, operation: Operation) -> bool:
        """Whether the operation has each axis that is used."""
        return set(self.used) <= set(AXES[operation])

    def to_json(self) -> dict[str, list[Any]]:
        """The axes that have values."""
        return {name: list(getattr(self, name)) for name in self.used}

    @classmethod
    def from_json(cls, values: dict[str, Sequence[Any]]) -> Factors:
        """What :meth:`to_json` made; axes that are not known are dropped."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: tuple(given) for name, given in values.items() if name in known})


USUAL = Factors()
"""Nothing is varied."""
FACTORS = tuple(field.name for field in fields(Factors))
"""The names of all axes."""


def read_factors(**texts: str | None) -> Factors:
    """Factors from the words a user gives for each axis, e.g. ``bursts="1,16"``.

    Raises:
        UsageError: a word that is no value of its axis.
    """
    readers: dict[str, Callable[[str], Any]] = {
        "contexts": lambda word: _one_of("context", word, CONTEXTS),
        "waits": lambda word: _one_of("wait", word, WAITS),
        "bursts": lambda word: _number("burst", word, MAX_BURST),
        "rates": _rate,
        "queues": lambda word: _number("queue length", word, (1 << 31) - 1),
        "threads": lambda word: _number("number of threads", word, MAX_THREADS),
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


def _number(what: str, word: str, most: int) -> int:
    if not word.isdecimal() or not 1 <= int(word) <= most:
        raise UsageError(f"{word!r} is no {what}: write a whole number from 1 to {most}.")
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
            f"{word!r} is no rate: write {MAX}, {SEARCH}, or messages per second, or per million "
            "instructions."
        )
    return str(int(value)) if value.is_integer() else repr(value)


def varied(cell: Cell, factors: Factors, mode: dict[str, Any]) -> Iterator[Cell]:
    """The cell with each combination of those factors that its operation has.

    One that the mode cannot have is a cell to skip, with its reason.

    Args:
        cell: as usual in all that is not varied.
        factors: values to combine.
        mode: of the cell, as the agent lists it.
    """
    can = mode["operations"][cell.operation]
    names = [axis for axis in AXES[cell.operation] if axis in factors.used]
    for values in itertools.product(*(_values(axis, factors, can) for axis in names)):
        changes = dict(zip((_FIELD[axis] for axis in names), values, strict=True))
        context = usual_context(cell.operation, changes.get("rate", cell.rate))
        made = replace(cell, **{"context": context} | changes)
        yield replace(made, skip=made.skip or why_not(made, mode))


def _values(axis: str, factors: Factors, can: dict[str, Any]) -> list[Any]:
    """An axis's values as an operation has them."""
    found: Sequence[Any] = getattr(factors, axis)
    if axis == "queues":
        suggested = can.get("queue", {}).get("values", ())
        return [one for value in found for one in (suggested if value == EACH else [value])]
    usual = {"waits": usual_wait(can), "rates": MAX}.get(axis)
    return ["" if value == usual else value for value in found]


def usual_wait(can: dict[str, Any]) -> str:
    """How the user waits in an operation unless asked otherwise; empty when not told."""
    return str(next(iter(can.get("waits", ())), ""))


def why_not(cell: Cell, mode: dict[str, Any]) -> str:
    """Why a mode cannot have these factors, in one sentence; empty when it can."""
    can = mode["operations"][cell.operation]
    queue = can.get("queue")
    if cell.wait and cell.wait not in can.get("waits", ()):
        ways = " or ".join(can.get("waits", ())) or "in one way only"
        return f"Its user half cannot wait by {cell.wait}, only {ways}."
    if cell.queue and not queue:
        return "The length of its queue cannot be set."
    if queue and cell.queue and not queue["min"] <= cell.queue <= queue["max"]:
        return f"Its queue can be {queue['min']} to {queue['max']} {queue['what']}."
    if cell.threads > 1 and mode.get("single_threaded_reason"):
        return str(mode["single_threaded_reason"])
    if cell.operation == "stream" and not cell.rate and cell.context not in ("process", "default"):
        return "Only a thread can raise events as fast as it goes; an interrupt needs a rate."
    return ""
