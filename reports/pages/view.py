"""What the pages print, made ready: templates look up attributes and no more."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from reports.analysis import selection
from reports.data.run import OPERATIONS, Channel, Measured, Run
from reports.text import words

SHADES = 8
"""Steps of the heat map's colour that the style sheet knows, ``heat-0`` and on."""


WAITS = {
    "block": "sleeps in a call that waits",
    "poll": "sleeps in poll()",
    "busy": "never sleeps",
}
"""Ways to wait for an event."""


@dataclass(frozen=True)
class HeatCell:
    """One field of the heat map."""

    operation: str
    text: str
    note: str
    kind: str
    shade: int
    lossy: bool
    title: str
    link: str


@dataclass(frozen=True)
class HeatRow:
    """One channel of the heat map."""

    channel: str
    summary: str
    tag: str
    link: str
    cells: tuple[HeatCell, ...]


@dataclass(frozen=True)
class Fact:
    """A named thing about the machine or the harness."""

    name: str
    value: str


@dataclass(frozen=True)
class ResultRow:
    """One row of a table of cells; texts for people, numbers for sorting."""

    row: Measured
    link: str
    median: str
    interval: str
    minimum: str
    p99: str
    messages: str
    bytes: str
    lost: str
    note: str


@dataclass(frozen=True)
class StreamRow:
    """One stream and what became of it."""

    row: Measured
    link: str
    pace: str
    rate: str
    offered: str
    delivered: str
    lost: str
    share: float
    share_text: str
    reordered: str
    duplicated: str


def page_of(channel: str) -> str:
    """File name of a channel's page."""
    return f"channel-{channel}.html"


def heat_map(run: Run) -> tuple[HeatRow, ...]:
    """All channels by all operations, each with a number or a reason."""
    spots = {
        channel.name: [selection.spot(run, channel, operation) for operation in OPERATIONS]
        for channel in selection.ordered(run)
    }
    values = [
        spot.row.median
        for row in spots.values()
        for spot in row
        if spot.row and spot.row.median and spot.row.median > 0
    ]
    low, high = (min(values), max(values)) if values else (1.0, 1.0)
    return tuple(
        HeatRow(
            channel=name,
            summary=run.channel(name).summary,
            tag=run.channel(name).tag,
            link=page_of(name),
            cells=tuple(_heat_cell(run, spot, low, high) for spot in row),
        )
        for name, row in spots.items()
    )


def _heat_cell(run: Run, spot: selection.CellSummary, low: float, high: float) -> HeatCell:
    link = f"{page_of(spot.channel)}#{spot.operation}"
    if not spot.row or spot.row.median is None:
        text = {"fail": "failed", "open": "not run"}.get(spot.state, "no")
        return HeatCell(
            spot.operation, text, "", spot.state, 0, False, spot.reason, f"{link}-reason"
        )
    row, value = spot.row, spot.row.median
    clock = words.clock_words(run.clock)
    title = f"{spot.channel} {spot.operation}, {row.mode}, {words.size(row.size)}: "
    title += f"{words.number(value)} {clock.unit} per operation"
    if row.ci_low is not None and row.ci_high is not None:
        title += f" ({words.number(row.ci_low)} to {words.number(row.ci_high)})"
    if spot.losses:
        title += ". Loss: " + "; ".join(spot.losses)
    return HeatCell(
        operation=spot.operation,
        text=words.number(value),
        note=row.mode,
        kind="ok",
        shade=_shade(value, low, high),
        lossy=bool(spot.losses),
        title=title,
        link=link,
    )


def _shade(value: float, low: float, high: float) -> int:
    if value <= 0 or high <= low:
        return 0
    place = math.log(value / low) / math.log(high / low)
    return min(SHADES - 1, int(place * SHADES))


def answer(run: Run) -> str:
    """The run in two sentences: the cheapest way to do each thing, and the floor."""
    clock = words.clock_words(run.clock)
    found: list[str] = []
    for operation, what in (
        ("push", "handing the kernel a message takes"),
        ("pull", "getting a fresh one from it"),
        ("call", "a request with its reply"),
        ("notify", "being woken by an event"),
    ):
        rows = [
            row
            for channel in run.channels
            if not channel.tag and channel.name not in ("null", "syscall")
            if (row := selection.best(_asleep(run, channel, operation)))
        ]
        if rows:
            cheapest = min(rows, key=lambda row: row.median or 0.0)
            unit = "" if found else f" {clock.unit}"
            found.append(f"{what} {words.number(cheapest.median)}{unit} ({cheapest.channel})")
    if not found:
        return "No channel has a number yet; the reasons stand below."
    null = selection.floor(run)
    text = f"At best, and with the smallest message, {words.listed(found)}."
    if null:
        text += f" A call to an empty handler takes {words.number(null)}."
    return text


def _asleep(run: Run, channel: Channel, operation: str) -> list[Measured]:
    """Rows of modes whose reader, if it waits, sleeps until the message comes."""
    limits = {mode["name"]: (mode.get("operations") or {}).get(operation) for mode in channel.modes}
    rows = selection.whole(run, channel, operation)
    return [row for row in rows if (limits.get(row.mode) or {}).get("waits") != ["busy"]]


def machine(run: Run) -> tuple[Fact, ...]:
    """Where and how the run was made; what is missing says so."""
    env = run.environment
    accelerator = {
        "icount": "TCG, counting instructions (-icount)",
        "tcg-icount": "TCG, counting instructions (-icount)",
        "tcg": "TCG, emulated without counting",
        "kvm": "KVM",
        "none": "none: the kernel runs on the hardware",
    }
    target = {"vm": "virtual machine", "local": "the running kernel"}
    names = (
        ("Kernel", _text(env, "kernel")),
        ("Target", _text(env, "target", target)),
        ("Architecture", _text(env, "machine")),
        ("Processor", _text(env, "cpu_model")),
        ("Accelerator", _text(env, "accelerator", accelerator)),
        ("QEMU", _text(env, "qemu")),
        ("Clock source", _text(env, "clocksource")),
        ("Plan", _text(env, "plan")),
        ("Boots", _text(env, "boots")),
        ("Seed", _text(env, "seed")),
        ("Started", _text(env, "started")),
        ("Finished", _text(env, "finished")),
        ("Kernel command line", _text(env, "cmdline")),
    )
    return tuple(Fact(name, value) for name, value in names)


def _text(env: dict[str, Any], key: str, names: dict[str, str] | None = None) -> str:
    value = env.get(key)
    if value is None or value == "":
        return "not recorded"
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    return (names or {}).get(str(value), str(value))


def pairs(run: Run, key: str) -> tuple[Fact, ...]:
    """A table of environment.json, e.g. ``mitigations``."""
    table = run.environment.get(key)
    if not isinstance(table, dict):
        return ()
    return tuple(Fact(str(name), _plain(value)) for name, value in sorted(table.items()))


def _plain(value: Any) -> str:
    return "not recorded" if value is None else str(value).strip() or "empty"


def warnings(run: Run) -> tuple[str, ...]:
    """What the harness warned of, and what the run lacks."""
    told = run.environment.get("warnings") or []
    found = [str(one) for one in told] if isinstance(told, list) else [str(told)]
    if not run.environment:
        found.append(
            "environment.json is missing: the run ended early, or the file was lost. "
            "Machine, warnings and limits are not recorded."
        )
    elif not run.environment.get("finished"):
        found.append("The run is not finished; cells that were not reached are shown as not run.")
    failed = [row for row in run.rows if row.status == "fail"]
    if failed:
        were = "cell failed and has" if len(failed) == 1 else "cells failed and have"
        found.append(f"{len(failed)} {were} no number; the reasons are in the full table.")
    return tuple(words.sentence(one) for one in found)


def banner(run: Run) -> str:
    """The warning that every page of a forced run carries."""
    if not run.environment.get("forced"):
        return ""
    return (
        "These times were taken under emulation, by force. They tell how fast QEMU runs the code, "
        "not how fast any machine does. Do not quote them."
    )


def overhead(run: Run) -> tuple[Fact, ...]:
    """What the harness costs, next to what it may cost."""
    clock = words.clock_words(run.clock)
    told = run.environment.get("overhead")
    told = told if isinstance(told, dict) else {}
    found = [
        Fact("One reading of the clock", _amount(told.get("read"), clock.unit)),
        Fact("One turn of the empty loop", _amount(told.get("loop"), clock.unit)),
    ]
    loop = told.get("loop")
    if run.clock == "instructions" and isinstance(loop, int | float):
        verdict = "kept" if loop <= 5 else "broken"
        found.append(Fact("Promise: at most 5 instructions per operation", verdict))
    null, bare = selection.floor(run), _bare(run)
    found.append(Fact("Empty handler (null)", _amount(null, clock.unit)))
    if bare:
        value = f"{words.number(bare.median)} {clock.unit}"
        found.append(Fact(f"System call without a kernel half (syscall, {bare.mode})", value))
    return tuple(found)


def _bare(run: Run) -> Measured | None:
    rows = [row for row in run.of("syscall") if row.measured and row.operation != "stream"]
    return min(rows, key=lambda row: row.median or 0.0, default=None)


def _amount(value: Any, unit: str) -> str:
    if not isinstance(value, int | float):
        return "not recorded"
    return f"{words.number(float(value))} {unit}"


def results(run: Run, channel: str = "") -> tuple[ResultRow, ...]:
    """Rows for the full table, or those of one channel."""
    place = {entry.name: at for at, entry in enumerate(selection.ordered(run))}
    rows = [row for row in run.rows if channel in ("", row.channel)]
    rows.sort(
        key=lambda row: (
            place[row.channel],
            OPERATIONS.index(row.operation) if row.operation in OPERATIONS else 9,
            row.mode,
            row.size,
            str(row.key),
        )
    )
    return tuple(_result(row) for row in rows)


def _result(row: Measured) -> ResultRow:
    interval = ""
    if row.ci_low is not None and row.ci_high is not None:
        low, high = words.number(row.ci_low), words.number(row.ci_high)
        interval = low if low == high else f"{low} … {high}"
    note = words.sentence(row.reason)
    if row.measured and (row.factors or row.interval or row.burst > 1):
        note = ", ".join(setting(row))
    return ResultRow(
        row=row,
        link=f"{page_of(row.channel)}#{row.operation}",
        median=words.number(row.median) if row.status == "ok" else row.status,
        interval=interval,
        minimum=words.number(row.min),
        p99=words.number(row.p99),
        messages=words.number(row.messages_per_unit),
        bytes=words.number(row.bytes_per_unit),
        lost=words.number(row.lost) if row.operation == "stream" else "",
        note=note,
    )


def setting(row: Measured) -> list[str]:
    """How the operation was done: its factors, and what a stream's producer did."""
    found = []
    if row.operation == "stream":
        found.append(words.nanoseconds(row.interval))
    if row.burst > 1:
        found.append(f"bursts of {row.burst}")
    if row.context and row.operation in ("notify", "stream"):
        found.append(f"from {row.context} context")
    if row.wait:
        found.append(WAITS.get(row.wait, row.wait))
    if row.queue:
        found.append(f"queue set to {row.queue}")
    if row.threads > 1:
        found.append(f"{row.threads} threads at once")
    return found


def streams(run: Run, channel: str = "") -> tuple[StreamRow, ...]:
    """Every usual stream with its losses."""
    found = []
    shown = {row for one in run.channels for row in run.of(one.name, "stream")}
    for result in results(run, channel):
        row = result.row
        if not row.measured or row not in shown:
            continue
        share = words.percent(row.missing, row.offered)
        found.append(
            StreamRow(
                row=row,
                link=result.link,
                pace=", ".join(setting(row)),
                rate=words.number(row.messages_per_unit),
                offered=words.number(row.offered),
                delivered=words.number(row.delivered),
                lost=words.number(row.lost),
                share=share or 0.0,
                share_text=words.MISSING if share is None else f"{share:.2g} %",
                reordered=words.number(row.reordered),
                duplicated=words.number(row.duplicated),
            )
        )
    return tuple(found)


@dataclass(frozen=True)
class Limit:
    """How large a message of a mode may be in some of its operations, and who says so."""

    mode: str
    operations: str
    smallest: str
    largest: str
    limit: str


def limits(channel: Channel) -> tuple[Limit, ...]:
    """The limits a channel declares; operations with the same ones share a row."""
    found: dict[tuple[str, str, str, str], list[str]] = {}
    for mode in channel.modes:
        for operation, told in (mode.get("operations") or {}).items():
            low, high = (told or {}).get("min"), (told or {}).get("max")
            same = (
                str(mode.get("name", "")),
                words.MISSING if low is None else words.size(low),
                words.MISSING if high is None else words.size(high),
                words.sentence(str((told or {}).get("limit") or "")),
            )
            found.setdefault(same, []).append(operation)
    return tuple(
        Limit(mode, ", ".join(operations), smallest, largest, limit)
        for (mode, smallest, largest, limit), operations in found.items()
    )


@dataclass(frozen=True)
class Refusal:
    """Why there is no number."""

    operation: str
    what: str
    reason: str


def refusals(run: Run, channel: Channel) -> tuple[Refusal, ...]:
    """What a channel cannot do, by operation, and which of its cells failed."""
    found = []
    for operation in OPERATIONS:
        spot = selection.spot(run, channel, operation)
        if spot.state != "ok":
            found.append(Refusal(operation, operation, spot.reason))
    for row in run.rows:
        if row.channel == channel.name and row.status == "fail":
            what = f"{row.operation}, {row.mode}, {words.size(row.size)}, failed"
            found.append(Refusal("", what, words.sentence(row.reason)))
    return tuple(found)
