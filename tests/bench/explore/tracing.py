# SPDX-License-Identifier: GPL-2.0-only
"""A small model of a traced kernel, with known calls and a known cost of the tracer."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.explore.call_tree import Tracer
from bench.explore.trace_pages import ENTRY, EXIT, PAGE, Event

TRACER = Tracer(before_entry=440, after_entry=265, before_exit=324, after_exit=242, page=187)

FORMATS: dict[str, str | None] = {
    path: f"name: {name}\nID: {number}\nformat:\n"
    "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
    "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"
    "\tfield:unsigned long func;\toffset:8;\tsize:8;\tsigned:0;\n"
    for path, name, number in ((ENTRY, "funcgraph_entry", 11), (EXIT, "funcgraph_exit", 10))
}


@dataclass(frozen=True)
class Call:
    """A function: the functions it calls, and its own units before, between and after them."""

    name: str
    own: tuple[int, ...]
    calls: tuple[Call, ...] = ()
    module: str = ""
    task: int = 1


def call(name: str, *body: int | Call, module: str = "", task: int = 1) -> Call:
    """A function from its body, a sequence of units and calls such as ``10, call(…), 5``."""
    own, calls = [0], []
    for part in body:
        if isinstance(part, Call):
            calls.append(part)
            own.append(0)
        else:
            own[-1] += part
    return Call(name, tuple(own), tuple(calls), module, task)


class Machine:
    """Runs calls, and records the events of the tracer."""

    def __init__(self, tracer: Tracer = TRACER, now: int = 1000, page: int = 56) -> None:
        self.now = float(now)
        self.events: list[Event] = []
        self._tracer = tracer
        self._page = 2 * page  # events

    def spend(self, units: int) -> int:
        """Run untraced code, and return the time afterwards."""
        self.now += units
        return round(self.now)

    def run(self, function: Call) -> None:
        """Call a function."""
        self._event(function, entry=True)
        for units, below in zip(function.own, (*function.calls, None), strict=True):
            self.now += units
            if below:
                self.run(below)
        self._event(function, entry=False)

    def _event(self, function: Call, *, entry: bool) -> None:
        opens = bool(self.events) and len(self.events) % self._page == 0
        event = Event(
            0,
            entry,
            hash(function.name) % 2**48,
            function.task,
            function.name,
            function.module,
            opens,
        )
        self.now += self._tracer.before(event)
        self.events.append(Event(**vars(event) | {"at": round(self.now)}))
        self.now += self._tracer.after(event)


def record(at: int, words: Sequence[int], payload: bytes = b"") -> bytes:
    """A record: kind and delta in ``at``, more words, and the payload."""
    return struct.pack(f"<{1 + len(words)}I", at, *words) + payload


def event(delta: int, event: Event) -> bytes:
    """A record of an entry or exit, in its short form."""
    number, size = (11, 20) if event.entry else (10, 40)
    payload = struct.pack("<HBBiQ", number, 0, 0, event.task, event.address)
    return record(delta << 5 | size // 4, (), payload.ljust(size, b"\0"))


def page(timestamp: int, records: bytes, flags: int = 0) -> bytes:
    """A page with these records; the rest of it is zero."""
    return (struct.pack("<QQ", timestamp, len(records) | flags) + records).ljust(PAGE, b"\0")


def pages(events: Sequence[Event], each: int = 100) -> bytes:
    """Pages of the ring buffer with ``each`` events per page."""
    return b"".join(_pages(events, each))


def _pages(events: Sequence[Event], each: int) -> Iterator[bytes]:
    for first in range(0, len(events), each):
        chunk = events[first : first + each]
        before = [chunk[0], *chunk]
        records = (event(b.at - a.at, b) for a, b in zip(before, chunk, strict=False))
        yield page(chunk[0].at, b"".join(records))
