# SPDX-License-Identifier: GPL-2.0-only
"""Pages of the ring buffer: timestamps, names, and damaged pages."""

from __future__ import annotations

import struct

import pytest

from bench.explore.trace_pages import ENTRY, PAGE, Event, Layout, TraceError, decode, name_events
from tests.bench.explore import tracing

LAYOUT = Layout.parse(tracing.FORMATS)
ENTERED = Event(5000, True, 0xFFFFFFFF81000010, 7)
LEFT = Event(5300, False, 0xFFFFFFFF81000010, 7)


def test_events_come_back() -> None:
    machine = tracing.Machine()
    for _ in range(60):
        machine.run(tracing.call("a", 5, tracing.call("b", 3), 2))
    events = decode(tracing.pages(machine.events, each=50), LAYOUT)
    assert [(e.at, e.entry, e.address, e.task) for e in events] == [
        (e.at, e.entry, e.address, e.task) for e in machine.events
    ]
    assert [n for n, e in enumerate(events) if e.opens_page] == [50, 100, 150, 200]


def test_a_trace_of_nothing() -> None:
    assert decode(b"", LAYOUT) == []
    assert decode(tracing.page(1, b""), LAYOUT) == []


def test_time_that_passes_without_events() -> None:
    extend = tracing.record(30 | 5 << 5, [2])  # 5 + 2 * 2**27
    absolute = tracing.record(31 | 9 << 5, [1 << 20])
    records = extend + tracing.event(1, ENTERED) + absolute + tracing.event(2, LEFT)
    timestamp = (3 << 59) + 100
    events = decode(tracing.page(timestamp, records), LAYOUT)
    assert events[0].at == timestamp + 5 + (2 << 27) + 1
    assert events[1].at == (3 << 59) + 9 + (1 << 47) + 2, "the highest bits are the page's"


def test_long_records_others_and_padding_are_passed_over() -> None:
    long = tracing.record(4 << 5, [4 + 8], struct.pack("<HBBi", 99, 0, 0, 1))
    other = tracing.record(6 << 5 | 2, [], struct.pack("<HBBi", 98, 0, 0, 1))
    discarded = tracing.record(29 | 1 << 5, [4 + 12], bytes(12))
    end = tracing.record(29, [])
    records = long + other + discarded + tracing.event(10, ENTERED) + end + bytes(64)
    assert [event.at for event in decode(tracing.page(100, records), LAYOUT)] == [120]


@pytest.mark.parametrize("cut", [1, 100, PAGE - 1])
def test_pages_that_are_cut(cut: int) -> None:
    with pytest.raises(TraceError, match="not a multiple of 4096"):
        decode(tracing.pages([ENTERED, LEFT])[:-cut], LAYOUT)


@pytest.mark.parametrize("less", [1, 4, 20, 37])
def test_an_event_that_is_cut(less: int) -> None:
    records = tracing.event(0, ENTERED) + tracing.event(300, LEFT)
    with pytest.raises(TraceError, match="is truncated"):
        decode(tracing.page(5000, records[:-less]), LAYOUT)


def test_events_that_were_lost() -> None:
    with pytest.raises(TraceError, match="lost events"):
        decode(tracing.page(5000, tracing.event(0, ENTERED), flags=1 << 31), LAYOUT)


def test_a_page_of_impossible_length() -> None:
    with pytest.raises(TraceError, match="claims 4081 bytes"):
        decode(struct.pack("<QQ", 1, 4081).ljust(PAGE, b"\0"), LAYOUT)


def test_a_kernel_that_does_not_say_where_its_fields_are() -> None:
    with pytest.raises(TraceError, match="funcgraph_entry/format"):
        Layout.parse({**tracing.FORMATS, ENTRY: None})
    with pytest.raises(TraceError, match="cannot be read"):
        Layout.parse({**tracing.FORMATS, ENTRY: "ID: 11\n"})


def test_fields_lie_where_the_kernel_says() -> None:
    text = (tracing.FORMATS[ENTRY] or "").replace("offset:8", "offset:16")
    shifted = Layout.parse({**tracing.FORMATS, ENTRY: text})
    payload = struct.pack("<HBBiQQ", 11, 0, 0, 7, 0, 0xABC)
    (event,) = decode(tracing.page(1, tracing.record(6, [], payload)), shifted)
    assert event.address == 0xABC


def test_names_and_modules() -> None:
    other = Event(5100, True, 0xFFFFFFFFC0000000, 7)
    events = name_events([ENTERED, other, LEFT], ["vfs_read", "null_read [ringcross_null]"])
    assert [(e.name, e.module) for e in events] == [
        ("vfs_read", ""),
        ("null_read", "ringcross_null"),
        ("vfs_read", ""),
    ]


def test_an_exit_whose_entry_was_not_recorded_keeps_its_address() -> None:
    assert name_events([LEFT], [])[0].name == "0xffffffff81000010"


def test_names_that_do_not_fit() -> None:
    with pytest.raises(TraceError, match="has 1 function entries, but 2 names"):
        name_events([ENTERED, LEFT], ["a", "b"])
