# SPDX-License-Identifier: GPL-2.0-only
"""Decodes pages of the kernel's trace ring buffer to entries and exits of functions.

A page starts with the timestamp of its first event and the number of bytes used.  Events
follow, each with the time since the previous event.  The offsets of an event's fields are in
the kernel's ``format`` file for this kind of event.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

PAGE = 4096
"""Size of a page in bytes."""
ENTRY = "/sys/kernel/tracing/events/ftrace/funcgraph_entry/format"
EXIT = "/sys/kernel/tracing/events/ftrace/funcgraph_exit/format"
FORMATS = (ENTRY, EXIT)
"""Paths of the files whose text :meth:`Layout.parse` needs."""

_HEADER = struct.Struct("<QQ")
_USED = (1 << 20) - 1
_MISSED = 1 << 31
_PADDING, _TIME_EXTEND, _TIME_STAMP = 29, 30, 31  # kinds; a smaller number is a length in words


class TraceError(Exception):
    """A trace that cannot be decoded or is incomplete."""


@dataclass(frozen=True)
class Event:
    """The entry or the exit of a function.

    Attributes:
        at: timestamp in units of the tracer's clock.
        entry: True for an entry, False for an exit.
        address: address of the function.
        task: process ID of the task that ran the function; 0 is the idle task.
        name: name of the function; empty before :func:`name_events`.
        module: module that contains the function; empty for the kernel itself.
        opens_page: whether the event is the first of a page, which costs the tracer more.  The
            first event of the trace does not count.
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
    """ID of a kind of event, and the offsets of two of its fields in bytes."""

    number: int
    function: int
    task: int


@dataclass(frozen=True)
class Layout:
    """IDs and field offsets of this kernel's entry and exit events."""

    entry: _Fields
    exit: _Fields

    @classmethod
    def parse(cls, files: dict[str, str | None]) -> Layout:
        """Parse the text of the files :data:`FORMATS`, given by path.

        Raises:
            TraceError: a file or a field in it is missing.
        """
        return cls(_fields(ENTRY, files.get(ENTRY)), _fields(EXIT, files.get(EXIT)))


def _fields(path: str, text: str | None) -> _Fields:
    number = re.search(r"^ID: (\d+)$", text or "", re.MULTILINE)
    offsets = dict(re.findall(r"(\w+);\s*offset:(\d+);", text or ""))
    try:
        return _Fields(int(number[1]), int(offsets["func"]), int(offsets["common_pid"]))  # type: ignore[index]
    except (TypeError, KeyError):
        raise TraceError(f"The format of trace events cannot be read from {path}.") from None


def decode(pages: bytes, layout: Layout) -> list[Event]:
    """The events of one CPU, in order.

    Args:
        pages: whole pages of :data:`PAGE` bytes, in order.
        layout: where this kernel's events have their fields.

    Raises:
        TraceError: the pages are truncated or inconsistent, or the kernel lost events.
    """
    if len(pages) % PAGE:
        raise TraceError(
            f"The trace is truncated: {len(pages)} bytes are not a multiple of {PAGE}."
        )
    events: list[Event] = []
    for start in range(0, len(pages), PAGE):
        page = pages[start : start + PAGE]
        timestamp, used = _HEADER.unpack_from(page)
        if used & _MISSED:
            raise TraceError("The tracer lost events because its buffer was too small.")
        end = _HEADER.size + (used & _USED)
        if end > PAGE:
            raise TraceError(f"A page of the trace claims {used & _USED} bytes, more than fit.")
        try:
            events.extend(_page_events(page[:end], timestamp, layout, first=bool(events)))
        except struct.error:
            raise TraceError("An event of the trace is truncated.") from None
    return events


def _page_events(page: bytes, timestamp: int, layout: Layout, *, first: bool) -> Iterator[Event]:
    """The events of one page; ``first`` sets ``opens_page`` for the first of them."""
    for at, payload in _records(page, timestamp):
        event = _event(at, payload, layout, opens_page=first)
        if event:
            yield event
        first = False


def _records(page: bytes, timestamp: int) -> Iterator[tuple[int, bytes]]:
    """Timestamp and payload of each event record; padding and time records are skipped."""
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
            timestamp += (value << 27) + delta
        elif kind == _TIME_STAMP:  # absolute, except for the five highest bits
            timestamp = (timestamp >> 59 << 59) | (value << 27) + delta
        elif kind != _PADDING:
            timestamp += delta
            yield timestamp, page[at + skip : at + length]
        at += length


def _event(at: int, payload: bytes, layout: Layout, *, opens_page: bool) -> Event | None:
    (number,) = struct.unpack_from("<H", payload)
    for fields, entry in ((layout.entry, True), (layout.exit, False)):
        if number == fields.number:
            (address,) = struct.unpack_from("<Q", payload, fields.function)
            (task,) = struct.unpack_from("<i", payload, fields.task)
            return Event(at, entry, address, task, opens_page=opens_page)
    return None  # another kind of event, e.g. a marker


def name_events(events: Sequence[Event], lines: Sequence[str]) -> list[Event]:
    """The events with the names and modules of their functions.

    The name of an exit without a recorded entry is its address in hexadecimal.

    Args:
        events: entries and exits.
        lines: for each entry, in order, the function's name as the kernel prints it:
            ``vfs_read``, or ``null_read [ringcross_null]`` for a function of a module.

    Raises:
        TraceError: the number of lines differs from the number of entries.
    """
    entries = [event for event in events if event.entry]
    if len(entries) != len(lines):
        raise TraceError(f"The trace has {len(entries)} function entries, but {len(lines)} names.")
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
