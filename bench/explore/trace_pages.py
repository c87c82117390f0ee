"""Pages of the kernel's trace ring buffer, as functions that begin and end.

A page starts with the stamp of its first event and the number of bytes used; events follow,
each with the time since the one before it.  Where an event keeps what, the kernel says
in the ``format`` files of its events.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

PAGE = 4096
ENTRY = "/sys/kernel/tracing/events/ftrace/funcgraph_entry/format"
EXIT = "/sys/kernel/tracing/events/ftrace/funcgraph_exit/format"
FORMATS = (ENTRY, EXIT)
"""The files that :meth:`Layout.parse` wants the text of."""

_HEADER = struct.Struct("<QQ")
_USED = (1 << 20) - 1
_MISSED = 1 << 31
_PADDING, _TIME_EXTEND, _TIME_STAMP = 29, 30, 31  # kinds; below is a length in words


class TraceError(Exception):
    """A trace that cannot be understood, or that is not whole; the message says why."""


@dataclass(frozen=True)
class Event:
    """A function was entered or left.

    Attributes:
        at: when, in units of the tracer's clock.
        entry: entered, else left.
        address: of the function.
        task: process that ran it; 0 is the idle task.
        name: of the function; empty until :func:`name_events` has told it.
        module: that has it; empty for the kernel itself.
        opens_page: the first of a page, for which the tracer took longer.
    """

    at: int
    entry: bool
    address: int
    task: int
    name: str = ""
    module: str = ""
    opens_page: bool = False


@dataclass(frozen=True)
class _Fields:
    number: int
    function: int
    task: int


@dataclass(frozen=True)
class Layout:
    """Where this kernel's events keep their fields."""

    entry: _Fields
    exit: _Fields

    @classmethod
    def parse(cls, files: dict[str, str | None]) -> Layout:
        """From the text of :data:`FORMATS`.

        Raises:
            TraceError: a file is missing, or says nothing of a field.
        """
        return cls(_fields(ENTRY, files.get(ENTRY)), _fields(EXIT, files.get(EXIT)))


def _fields(path: str, text: str | None) -> _Fields:
    number = re.search(r"^ID: (\d+)$", text or "", re.MULTILINE)
    offsets = dict(re.findall(r"(\w+);\s*offset:(\d+);", text or ""))
    try:
        return _Fields(int(number[1]), int(offsets["func"]), int(offsets["common_pid"]))  # type: ignore[index]
    except (TypeError, KeyError):
        raise TraceError(f"The kernel does not say what its trace means ({path}).") from None


def decode(pages: bytes, layout: Layout) -> list[Event]:
    """The events of one CPU's pages, in order.

    Raises:
        TraceError: the pages are cut or inconsistent, or the kernel lost events.
    """
    if len(pages) % PAGE:
        raise TraceError(f"The trace is cut: {len(pages)} bytes are no whole pages.")
    found: list[Event] = []
    for start in range(0, len(pages), PAGE):
        page = pages[start : start + PAGE]
        stamp, used = _HEADER.unpack_from(page)
        if used & _MISSED:
            raise TraceError("The tracer's buffer was too small: it lost events.")
        end = _HEADER.size + (used & _USED)
        if end > PAGE:
            raise TraceError(f"A page of the trace says that it holds {used & _USED} bytes.")
        try:
            found.extend(_page(page[:end], stamp, layout, first=bool(found)))
        except struct.error:
            raise TraceError("An event of the trace is cut.") from None
    return found


def _page(page: bytes, stamp: int, layout: Layout, *, first: bool) -> Iterator[Event]:
    """One page's events; the first of a page is marked unless the trace itself starts there."""
    for at, payload in _records(page, stamp):
        event = _event(at, payload, layout, opens_page=first)
        if event:
            yield event
        first = False


def _records(page: bytes, stamp: int) -> Iterator[tuple[int, bytes]]:
    """Stamp and payload of each record of a page; padding and clock records are followed."""
    at = _HEADER.size
    while at < len(page):
        (word,) = struct.unpack_from("<I", page, at)
        kind, delta = word & 31, word >> 5
        at += 4
        if kind == _PADDING and not delta:
            return  # the rest of the page is empty
        if 0 < kind < _PADDING:
            length, skip = 4 * kind, 0
        else:
            (value,) = struct.unpack_from("<I", page, at)
            length, skip = (4 if kind in (_TIME_EXTEND, _TIME_STAMP) else value), 4
        if length < skip or at + length > len(page):
            raise struct.error
        if kind == _TIME_EXTEND:
            stamp += (value << 27) + delta
        elif kind == _TIME_STAMP:  # absolute, but for its highest bits
            stamp = (stamp >> 59 << 59) | (value << 27) + delta
        elif kind != _PADDING:
            stamp += delta
            yield stamp, page[at + skip : at + length]
        at += length


def _event(at: int, payload: bytes, layout: Layout, *, opens_page: bool) -> Event | None:
    (number,) = struct.unpack_from("<H", payload)
    for fields, entry in ((layout.entry, True), (layout.exit, False)):
        if number == fields.number:
            (address,) = struct.unpack_from("<Q", payload, fields.function)
            (task,) = struct.unpack_from("<i", payload, fields.task)
            return Event(at, entry, address, task, opens_page=opens_page)
    return None  # of another kind, e.g. a marker


def name_events(events: Sequence[Event], lines: Sequence[str]) -> list[Event]:
    """The events with their names.

    Args:
        events: entries and exits.
        lines: for each entry, in order, the function's name as the kernel prints it:
            ``vfs_read``, or ``null_read [ringcross_null]`` when it is in a module.

    Raises:
        TraceError: there are not as many lines as entries.
    """
    entries = [event for event in events if event.entry]
    if len(entries) != len(lines):
        raise TraceError(
            f"The kernel recorded {len(entries)} functions and named {len(lines)} of them."
        )
    names = {event.address: line for event, line in zip(entries, lines, strict=True)}
    return [_named(event, names.get(event.address, hex(event.address))) for event in events]


def _named(event: Event, line: str) -> Event:
    name, _, module = line.partition(" [")
    return Event(
        event.at,
        event.entry,
        event.address,
        event.task,
        name,
        module.removesuffix("]"),
        event.opens_page,
    )
