"""A kernel that is traced, in miniature: what it does is known, and so is what the tracer costs."""

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
    """A function: units before, between and after its calls, one more than calls."""

    name: str
    own: tuple[int, ...]
    calls: tuple[Call, ...] = ()
    module: str = ""
    task: int = 1


def call(name: str, *body: int | Call, module: str = "", task: int = 1) -> Call:
    """A function from its body, in which units and calls take turns: ``10, call(…), 5``."""
    own, calls = [0], []
    for part in body:
        if isinstance(part, Call):
            calls.append(part)
            own.append(0)
        else:
            own[-1] += part
    return Call(name, tuple(own), tuple(calls), module, task)


class Machine:
    """Runs calls, and records what the tracer would."""

    def __init__(self, tracer: Tracer = TRACER, now: int = 1000, page: int = 56) -> None:
        self.now = float(now)
        self.events: list[Event] = []
        self._tracer = tracer
        self._page = 2 * page  # events

    def spend(self, units: int) -> int:
        """Run untraced code, and tell the time."""
        self.now += units
        return round(self.now)

    def run(self, one: Call) -> None:
        """Call a function."""
        self._event(one, entry=True)
        for units, below in zip(one.own, (*one.calls, None), strict=True):
            self.now += units
            if below:
                self.run(below)
        self._event(one, entry=False)

    def _event(self, one: Call, *, entry: bool) -> None:
        opens = bool(self.events) and len(self.events) % self._page == 0
        event = Event(0, entry, hash(one.name) % 2**48, one.task, one.name, one.module, opens)
        self.now += self._tracer.before(event)
        self.events.append(Event(**vars(event) | {"at": round(self.now)}))
        self.now += self._tracer.after(event)


def record(at: int, words: Sequence[int], payload: bytes = b"") -> bytes:
    """A record: its kind and delta in ``at``, more words, and what it carries."""
    return struct.pack(f"<{1 + len(words)}I", at, *words) + payload


def event(delta: int, event: Event) -> bytes:
    """An entry or exit in its short form."""
    number, size = (11, 20) if event.entry else (10, 40)
    payload = struct.pack("<HBBiQ", number, 0, 0, event.task, event.address)
    return record(delta << 5 | size // 4, (), payload.ljust(size, b"\0"))


def page(stamp: int, records: bytes, flags: int = 0) -> bytes:
    """A whole page with these records, and nothing behind them."""
    return (struct.pack("<QQ", stamp, len(records) | flags) + records).ljust(PAGE, b"\0")


def pages(events: Sequence[Event], each: int = 100) -> bytes:
    """Events as the ring buffer has them, ``each`` to a page."""
    return b"".join(_pages(events, each))


def _pages(events: Sequence[Event], each: int) -> Iterator[bytes]:
    for first in range(0, len(events), each):
        some = events[first : first + each]
        before = [some[0], *some]
        records = (event(two.at - one.at, two) for one, two in zip(before, some, strict=False))
        yield page(some[0].at, b"".join(records))
