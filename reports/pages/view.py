# SPDX-License-Identifier: GPL-2.0-only
"""Prepare the values that the templates print."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from reports.analysis import selection
from reports.data.run import OPERATIONS, Channel, Measured, Run
from reports.text import words

SHADES = 8
"""Number of colours of the heat map in the style sheet: ``heat-0``, ``heat-1`` …"""


WAITS = {
    "block": "reader sleeps in a blocking call",
    "poll": "reader sleeps in poll()",
    "busy": "reader never sleeps",
}
"""Text for each way to wait for an event."""


@dataclass(frozen=True)
class HeatCell:
    """One cell of the heat map; ``kind`` is the state of its :class:`CellSummary`."""

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
    """One row of the heat map: a channel."""

    channel: str
    summary: str
    tag: str
    link: str
    cells: tuple[HeatCell, ...]


@dataclass(frozen=True)
class Fact:
    """A named value about the machine or the harness."""

    name: str
    value: str


@dataclass(frozen=True)
class ResultRow:
    """One row of a table of cells, as texts; ``row`` has the numbers."""

    row: Measured
    link: str
    median: str
    interval: str
    ratio: str
    minimum: str
    p99: str
    messages: str
    bytes: str
    lost: str
    note: str


@dataclass(frozen=True)
class StreamRow:
    """One row of the table of streams, as texts; ``row`` has the numbers."""

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
    cost: str
    producer: str
    consumer: str
    overhead: str


def page_of(channel: str) -> str:
    """File name of the page of a channel."""
    return f"channel-{channel}.html"


def heat_map(run: Run) -> tuple[HeatRow, ...]:
    """All channels by all operations; each cell has a number or a reason."""
    summaries = {
        channel.name: [selection.summarize(run, channel, operation) for operation in OPERATIONS]
        for channel in selection.ordered(run)
    }
    values = [
        cell.row.median
        for cells in summaries.values()
        for cell in cells
        if cell.row and cell.row.median and cell.row.median > 0
    ]
    low, high = (min(values), max(values)) if values else (1.0, 1.0)
    return tuple(
        HeatRow(
            channel=name,
            summary=run.channel(name).summary,
            tag=run.channel(name).tag,
            link=page_of(name),
            cells=tuple(_heat_cell(run, cell, low, high) for cell in cells),
        )
        for name, cells in summaries.items()
    )


def _heat_cell(run: Run, cell: selection.CellSummary, low: float, high: float) -> HeatCell:
    link = f"{page_of(cell.channel)}#{cell.operation}"
    if not cell.row or cell.row.median is None:
        text = {"fail": "failed", "open": "not run"}.get(cell.state, "no")
        return HeatCell(
            cell.operation, text, "", cell.state, 0, False, cell.reason, f"{link}-reason"
        )
    row, value = cell.row, cell.row.median
    clock = words.clock_words(run.clock)
    size = f"{words.number(row.records)} records" if row.records else words.size(row.size)
    title = f"{cell.channel} {cell.operation}, {row.mode}, {size}: "
    title += f"{words.number(value)} {clock.unit} per operation"
    if row.ci_low is not None and row.ci_high is not None:
        title += f" (95 % interval {words.number(row.ci_low)} to {words.number(row.ci_high)})"
    if row.excluded:
        title += ". Not contained: " + "; ".join(each.text for each in row.excluded)
    if cell.losses:
        title += ". Loss: " + "; ".join(cell.losses)
    return HeatCell(
        operation=cell.operation,
        text=words.number(value),
        note=" · ".join([row.mode, *(each.tag for each in row.excluded)]),
        kind="ok",
        shade=_shade(value, low, high),
        lossy=bool(cell.losses),
        title=title,
        link=link,
    )


def _shade(value: float, low: float, high: float) -> int:
    if value <= 0 or high <= low:
        return 0
    place = math.log(value / low) / math.log(high / low)
    return min(SHADES - 1, int(place * SHADES))


def answer(run: Run) -> str:
    """The run in two sentences: the cheapest channel per operation, and the empty handler."""
    clock = words.clock_words(run.clock)
    cheapest_per_operation: list[str] = []
    for operation, purpose in (
        ("push", "to send a message to the kernel"),
        ("pull", "to request a message from it"),
        ("call", "for a request with a reply"),
        ("notify", "to wake a sleeping reader with an event"),
        ("upcall", "for the kernel to ask a sleeping process and to get its reply"),
    ):
        rows = [
            row
            for channel in run.channels
            if not channel.tag and channel.name not in ("null", "syscall")
            if (row := selection.best(_without_busy_modes(run, channel, operation)))
        ]
        if rows:
            cheapest = min(rows, key=lambda row: row.median or 0.0)
            cheapest_per_operation.append(
                f"{words.number(cheapest.median)} {purpose} ({cheapest.channel})"
            )
    if not cheapest_per_operation:
        return "No channel has a number yet; the reasons are below."
    null = selection.floor(run)
    text = (
        f"Lowest costs with the smallest message, in {clock.unit}: "
        f"{words.listed(cheapest_per_operation)}."
    )
    if null:
        text += f" For comparison, a call to an empty handler costs {words.number(null)}."
    return text


def _without_busy_modes(run: Run, channel: Channel, operation: str) -> list[Measured]:
    """Rows of all modes but those whose reader can only wait by busy polling."""
    limits = {mode["name"]: (mode.get("operations") or {}).get(operation) for mode in channel.modes}
    rows = selection.message_rows(run, channel, operation)
    return [row for row in rows if (limits.get(row.mode) or {}).get("waits") != ["busy"]]


def machine(run: Run) -> tuple[Fact, ...]:
    """The machine and the settings of the run; missing values read "not recorded"."""
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
    facts = [Fact(name, value) for name, value in names]
    if run.clock == "time":
        facts.append(Fact("CPUs", _cpus(env)))
        facts.append(Fact("Hardware events", _events(run)))
    return tuple(facts)


def _cpus(env: dict[str, Any]) -> str:
    """The CPUs that the measured kernel sees; those of a virtual machine are threads of QEMU."""
    session = env.get("session") or {}
    topology = str(session.get("topology") or "").replace(",", ", ")
    if env.get("target") != "vm" or not topology:
        return _text(env, "cpus")
    return (
        f"{session['cpus']}, which the guest sees as {topology.replace('=', ' ')}. They are "
        "threads of QEMU, which the host's scheduler places."
    )


def _events(run: Run) -> str:
    """Whether cycles and instructions were counted, and if not, why."""
    if any(row.cycles_user is not None for row in run.rows):
        return "cycles and instructions of the user side stand in the table of all cells"
    reason = str(run.environment.get("no_events") or "")
    return f"not counted. {words.sentence(reason)}" if reason else "not recorded"


def _text(env: dict[str, Any], key: str, names: dict[str, str] | None = None) -> str:
    value = env.get(key)
    if value is None or value == "":
        return "not recorded"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return (names or {}).get(str(value), str(value))


def pairs(run: Run, key: str) -> tuple[Fact, ...]:
    """The entries of a table of environment.json, e.g. ``mitigations``."""
    table = run.environment.get(key)
    if not isinstance(table, dict):
        return ()
    return tuple(Fact(str(name), _plain(value)) for name, value in sorted(table.items()))


def _plain(value: Any) -> str:
    return "not recorded" if value is None else str(value).strip() or "empty"


def warnings(run: Run) -> tuple[str, ...]:
    """The warnings of the harness, and warnings about missing parts of the run."""
    recorded = run.environment.get("warnings") or []
    texts = [str(text) for text in recorded] if isinstance(recorded, list) else [str(recorded)]
    if not run.environment:
        texts.append(
            "environment.json is missing: the run ended early, or the file was lost. "
            "Machine, warnings and limits are not recorded."
        )
    elif not run.environment.get("finished"):
        texts.append("The run is not finished. Cells that it did not reach are shown as not run.")
    failed = [row for row in run.rows if row.status == "fail"]
    if failed:
        have = "cell failed and has" if len(failed) == 1 else "cells failed and have"
        texts.append(f"{len(failed)} {have} no number. The table of all cells shows the reasons.")
    return tuple(words.sentence(text) for text in texts)


def banner(run: Run) -> str:
    """The warning on every page of a forced run; empty for other runs."""
    if not run.environment.get("forced"):
        return ""
    return (
        "These times were measured under emulation, because --force-time was given. They show how "
        "fast QEMU runs the code, not how fast a machine runs it. Do not quote them."
    )


def overhead(run: Run) -> tuple[Fact, ...]:
    """The cost of the harness, its limit, and the baselines."""
    clock = words.clock_words(run.clock)
    recorded = run.environment.get("overhead")
    costs = recorded if isinstance(recorded, dict) else {}
    facts = [
        Fact("One reading of the clock", _amount(costs.get("read"), clock.unit)),
        Fact("One iteration of the empty loop", _amount(costs.get("loop"), clock.unit)),
    ]
    if harness := stream_overhead(run):
        low, high = (words.number(value) for value in harness)
        value = f"{low} {clock.unit}" if low == high else f"{low} to {high} {clock.unit}"
        facts.append(Fact("Producing and checking one message of a stream", value))
    loop = costs.get("loop")
    if run.clock == "instructions" and isinstance(loop, int | float):
        verdict = "met" if loop <= 5 else "not met"
        facts.append(Fact("Limit for one iteration: 5 instructions", verdict))
    null, system_call = selection.floor(run), _cheapest_system_call(run)
    facts.append(Fact("Empty handler (null)", _amount(null, clock.unit)))
    if system_call:
        value = f"{words.number(system_call.median)} {clock.unit}"
        facts.append(
            Fact(f"System call without a kernel half (syscall, {system_call.mode})", value)
        )
    return tuple(facts)


def stream_overhead(run: Run) -> tuple[float, float] | None:
    """The least and the most that was taken off a message of a stream with default factors."""
    costs = [
        row.overhead
        for channel in run.channels
        for row in run.of(channel.name, "stream")
        if row.measured and row.overhead is not None and not row.interval
    ]
    return (min(costs), max(costs)) if costs else None


def _cheapest_system_call(run: Run) -> Measured | None:
    rows = [row for row in run.of("syscall") if row.measured and row.operation != "stream"]
    return min(rows, key=lambda row: row.median or 0.0, default=None)


def _amount(value: Any, unit: str) -> str:
    if not isinstance(value, int | float):
        return "not recorded"
    return f"{words.number(float(value))} {unit}"


def results(run: Run, channel: str = "") -> tuple[ResultRow, ...]:
    """Rows for the table of all cells, or of one channel."""
    place = {entry.name: at for at, entry in enumerate(selection.ordered(run))}
    rows = [row for row in run.rows if channel in ("", row.channel)]
    rows.sort(
        key=lambda row: (
            place[row.channel],
            OPERATIONS.index(row.operation) if row.operation in OPERATIONS else 9,
            row.mode,
            row.size,
            row.records,
            str(row.key),
        )
    )
    return tuple(_result(row, run.clock) for row in rows)


def ratio_text(row: Measured) -> str:
    """The ratio of a cell to its control round, with its interval; empty if there is none."""
    ratio, low, high = row.control_ratio, row.control_ratio_low, row.control_ratio_high
    if ratio is None:
        return ""
    return (
        f"{ratio:.3g}" if low is None or high is None else f"{ratio:.3g} ({low:.3g} … {high:.3g})"
    )


def _result(row: Measured, clock: str) -> ResultRow:
    interval = ""
    if row.ci_low is not None and row.ci_high is not None:
        low, high = words.number(row.ci_low), words.number(row.ci_high)
        interval = low if low == high else f"{low} … {high}"
    note = words.sentence(row.reason)
    if row.measured and (row.factors or row.interval or row.burst > 1 or row.placement):
        note = ", ".join(setting(row, clock))
    return ResultRow(
        row=row,
        link=f"{page_of(row.channel)}#{row.operation}",
        median=words.number(row.median) if row.status == "ok" else row.status,
        interval=interval,
        ratio=ratio_text(row),
        minimum=words.number(row.min),
        p99=words.number(row.p99),
        messages=words.number(row.messages_per_unit),
        bytes=words.number(row.bytes_per_unit),
        lost=words.number(row.lost) if row.operation == "stream" else "",
        note=note,
    )


def setting(row: Measured, clock: str) -> list[str]:
    """The factors of a cell as phrases; for a stream, also the interval of its producer."""
    phrases = []
    if row.operation == "stream":
        phrases.append(words.interval(row.interval, clock))
    if row.burst > 1:
        phrases.append(f"bursts of {row.burst}")
    if row.context and row.operation in ("notify", "stream"):
        phrases.append(f"from {row.context} context")
    if row.wait:
        phrases.append(WAITS.get(row.wait, row.wait))
    if row.records:
        phrases.append(f"{words.number(row.records)} records")
    if row.queue:
        phrases.append(f"queue set to {row.queue}")
    if row.threads > 1:
        phrases.append(f"{row.threads} threads in parallel")
    if row.placement:
        where = words.PLACEMENTS.get(row.placement, row.placement)
        numbers = list(dict.fromkeys(cpu for cpu in (row.user_cpu, row.other_cpu) if cpu))
        phrases.append(f"{where} (CPU {' and '.join(numbers)})" if numbers else where)
    return phrases


def streams(run: Run, channel: str = "") -> tuple[StreamRow, ...]:
    """A row for every stream with default factors."""
    rows = []
    default = {row for listed in run.channels for row in run.of(listed.name, "stream")}
    for result in results(run, channel):
        row = result.row
        if not row.measured or row not in default:
            continue
        share = words.percent(row.missing, row.offered)
        rows.append(
            StreamRow(
                row=row,
                link=result.link,
                pace=", ".join(setting(row, run.clock)),
                rate=words.number(row.messages_per_unit),
                offered=words.number(row.offered),
                delivered=words.number(row.delivered),
                lost=words.number(row.lost),
                share=share or 0.0,
                share_text=words.MISSING if share is None else f"{share:.2g} %",
                reordered=words.number(row.reordered),
                duplicated=words.number(row.duplicated),
                cost=words.number(row.median),
                producer=words.number(row.producer),
                consumer=words.number(row.consumer),
                overhead=words.number(row.overhead),
            )
        )
    return tuple(rows)


@dataclass(frozen=True)
class Limit:
    """The size limits of a mode for some of its operations, and what sets them."""

    mode: str
    operations: str
    smallest: str
    largest: str
    limit: str


def limits(channel: Channel) -> tuple[Limit, ...]:
    """The size limits that a channel declares; operations with equal limits share a row."""
    rows: dict[tuple[str, str, str, str], list[str]] = {}
    for mode in channel.modes:
        for operation, declared in (mode.get("operations") or {}).items():
            low, high = (declared or {}).get("min"), (declared or {}).get("max")
            key = (
                str(mode.get("name", "")),
                words.MISSING if low is None else words.exact_size(low),
                words.MISSING if high is None else words.exact_size(high),
                words.sentence(str((declared or {}).get("limit") or "")),
            )
            rows.setdefault(key, []).append(operation)
    return tuple(
        Limit(mode, ", ".join(operations), smallest, largest, limit)
        for (mode, smallest, largest, limit), operations in rows.items()
    )


@dataclass(frozen=True)
class Refusal:
    """The reason why there is no number."""

    operation: str
    what: str
    reason: str


def refusals(run: Run, channel: Channel) -> tuple[Refusal, ...]:
    """The operations of a channel that have no number, and its failed cells."""
    refused = []
    for operation in OPERATIONS:
        summary = selection.summarize(run, channel, operation)
        if summary.state != "ok":
            refused.append(Refusal(operation, operation, summary.reason))
    for row in run.rows:
        if row.channel == channel.name and row.status == "fail":
            what = f"{row.operation}, {row.mode}, {words.size(row.size)}, failed"
            refused.append(Refusal("", what, words.sentence(row.reason)))
    return tuple(refused)
