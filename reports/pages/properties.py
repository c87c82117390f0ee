# SPDX-License-Identifier: GPL-2.0-only
"""Properties of the channels: the matrix of all modes, and the table of one channel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reports.analysis import selection
from reports.data.properties import Property
from reports.data.run import Run
from reports.text import words

HOW = {
    "counted": "Counted or calculated",
    "documented": "Documented or declared, not tested",
    "failed": "The probe got no answer",
}
NONE, FAILED = "–", "failed"
DAGGER = "\u202f†"  # with a space: without it, an italic "no†" looks like "not"


# ---- values as text ------------------------------------------------------------


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return words.number(value) if isinstance(value, int | float) else str(value)


def _contexts(value: Any) -> str:
    contexts = str(value).split()
    return "any" if len(contexts) == 3 else ", ".join(contexts) or "none"


def _permissions(value: Any) -> str:
    """If only capabilities that override file permissions are needed, the file mode decides."""
    caps = str(value).split()
    if all(cap in ("CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH") for cap in caps):
        return "file mode"
    return {"uid 0": "root"}.get(str(value), " ".join(cap.removeprefix("CAP_") for cap in caps))


def _count(value: float) -> str:
    return f"{value:g}"


Show = Callable[[Any], str]


@dataclass(frozen=True)
class Column:
    """A property in the matrix and in the table of a channel.

    Attributes:
        name: name of the property in ``properties.json``.
        group: heading of a group of columns.
        title: heading of the column.
        ask: the question that the property answers.
        show: converts a value, or the value of one operation, to text.
        rare: few modes have the property; only the pages of their channels show it.
    """

    name: str
    group: str
    title: str
    ask: str
    show: Show = _plain
    rare: bool = False


COLUMNS: tuple[Column, ...] = (
    Column("kernel_initiated", "Events", "kernel initiated",
           "Can the kernel (for a reference, the peer) send a message that was not requested?"),
    Column("contexts", "Events", "contexts",
           "From which contexts can the kernel half (or the peer) emit an event?", _contexts),
    Column("poll", "Events", "poll",
           "Does an event make poll() and epoll return?"),
    Column("readers", "Events", "two readers",
           "Which events does each of two readers get?"),
    Column("size_limit", "Messages", "size limit",
           "What is the largest body that works, and what happens with one byte more?",
           words.exact_size),
    Column("boundaries", "Messages", "boundaries",
           "Do two messages remain separate?"),
    Column("ordering", "Messages", "order",
           "Do messages arrive in the order in which they were sent?"),
    Column("load_parameter", "Messages", "one-shot",
           "When does the single value of a one-shot mode arrive?", rare=True),
    Column("queue_full", "Full queue", "new event",
           "What happens to an event when the queue is full?"),
    Column("queue_capacity", "Full queue", "capacity",
           "How many small messages fit into the queue?"),
    Column("producer_error", "Full queue", "producer error",
           "Which error does the producer get for an event that was not accepted?"),
    Column("reader_error", "Full queue", "reader error",
           "Which error reports to the reader that messages were lost?"),
    Column("permissions", "Access and lifetime", "permissions",
           "Which permission does a user of the channel need?", _permissions),
    Column("reader_exit", "Access and lifetime", "reader killed",
           "What happens after a reader was killed while it waited?"),
    Column("module_unload", "Access and lifetime", "module unload",
           "What happens when the module is unloaded while a session is open?"),
    Column("syscalls", "Cost", "system calls",
           "How many system calls does one operation take?", _count),
    Column("copies", "Cost", "copies ≤",
           "How many copies of the body would explain the slope of cost against size?", _count),
    Column("lines_kernel", "Lines of code", "kernel half",
           "How many lines of code does the kernel half have?"),
    Column("lines_user", "Lines of code", "user half",
           "How many lines of code does the user half have?"),
    Column("since", "Kernel", "since",
           "Which kernel version was the first to have the mechanism?"),
)  # fmt: skip


def _text(column: Column, record: Property | None, *, short: bool) -> str:
    """The value of a property; if not ``short``, with the value of each operation."""
    if record is None or record.how == "none":
        return NONE
    if record.how == "failed" or record.value is None:
        return FAILED
    if isinstance(record.value, dict):
        text = _span(record.value, column.show) if short else _each(record.value, column.show)
    else:
        text = column.show(record.value)
    return text + (DAGGER if record.how == "documented" else "")


def _span(value: dict[str, float], show: Show) -> str:
    """The value that all operations share, or the range of their values: ``1``, ``1–3``."""
    if not value:
        return NONE
    low, high = show(min(value.values())), show(max(value.values()))
    if low == high:
        return low
    same_unit = " " in low and low.split()[-1] == high.split()[-1]
    return f"{low.split()[0] if same_unit else low}–{high}"


def _each(value: dict[str, float], show: Show) -> str:
    """``1``, or ``push 1, pull 2`` if the operations differ."""
    if len(set(value.values())) < 2:
        return _span(value, show)
    return ", ".join(f"{operation} {show(each)}" for operation, each in value.items())


# ---- the matrix ------------------------------------------------------------------


@dataclass(frozen=True)
class Field:
    """One field of a table.

    Attributes:
        text: the value.
        kind: its class: ``yes``, ``no``, ``none``, ``failed``, ``documented`` or empty.
        title: its tooltip: how the value was determined, in sentences.
        all_modes: the value holds for all modes of the channel.
    """

    text: str
    kind: str
    title: str
    all_modes: bool = False


@dataclass(frozen=True)
class Line:
    """One mode in the matrix; ``first`` marks the first mode of its channel."""

    channel: str
    mode: str
    modes: int
    first: bool
    link: str
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Matrix:
    """All modes by the properties in which they differ.

    Attributes:
        groups: headings of groups of columns, each with its number of columns.
        columns: the columns.
        lines: one for each mode.
        same: the properties that are equal for all modes, in sentences.
        documented: some values are from documentation.
    """

    groups: tuple[tuple[str, int], ...]
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    same: tuple[str, ...]
    documented: bool


def _field(column: Column, record: Property | None, *, short: bool = True) -> Field:
    text = _text(column, record, short=short)
    if record is None:
        return Field(text, "none", "Not recorded in this run.")
    kind = {"none": "none", "failed": "failed", "documented": "documented"}.get(record.how, "")
    if not kind and isinstance(record.value, bool):
        kind = "yes" if record.value else "no"
    return Field(text, kind, _explanation(record), all_modes=not record.mode)


def _explanation(record: Property) -> str:
    """How the value was determined, and the source of the value unless it is a probe."""
    how = HOW.get(record.how, "")
    return words.sentence(record.detail) + (f" ({how}.)" if how else "")


def matrix(run: Run, properties: Sequence[Property]) -> Matrix | None:
    """The matrix of all probed modes except baselines; None if there are none."""
    table = list(_table(run, properties))
    if not table:
        return None
    rows = [fields for _, fields in table]
    common = [at for at, column in enumerate(COLUMNS) if not column.rare]
    shown = [at for at in common if len(rows) == 1 or _differ(rows, at)]
    columns = tuple(COLUMNS[at] for at in shown)
    lines = tuple(replace(line, fields=tuple(fields[at] for at in shown)) for line, fields in table)
    return Matrix(
        groups=_groups(columns),
        columns=columns,
        lines=lines,
        same=_same(rows, [at for at in common if at not in shown]),
        documented=any(field.kind == "documented" for fields in rows for field in fields),
    )


def _table(run: Run, properties: Sequence[Property]) -> Iterator[tuple[Line, tuple[Field, ...]]]:
    """Each mode with its fields for all columns."""
    values = {(record.channel, record.mode, record.name): record for record in properties}
    probed = {record.channel for record in properties}
    for channel in selection.ordered(run):
        if channel.baseline or channel.name not in probed:
            continue
        for at, mode in enumerate(str(mode["name"]) for mode in channel.modes):
            link = f"channel-{channel.name}.html#properties"
            line = Line(channel.name, mode, len(channel.modes), at == 0, link, ())
            keys = [((channel.name, mode, it.name), (channel.name, "", it.name)) for it in COLUMNS]
            recorded = [values.get(own) or values.get(shared) for own, shared in keys]
            yield line, tuple(map(_field, COLUMNS, recorded))


def _differ(table: Sequence[Sequence[Field]], at: int) -> bool:
    """Whether the modes that have an answer have different ones."""
    answers = {row[at].text for row in table if row[at].kind != "none"}
    return len(answers) > 1


def _same(table: Sequence[Sequence[Field]], columns: Sequence[int]) -> tuple[str, ...]:
    sentences = []
    for at in columns:
        answers = {row[at].text for row in table if row[at].kind != "none"}
        if answers:
            sentences.append(f"{COLUMNS[at].title.capitalize()}: {answers.pop()}.")
    return tuple(sentences)


def _groups(columns: Sequence[Column]) -> tuple[tuple[str, int], ...]:
    names = [column.group for column in columns]
    return tuple((name, names.count(name)) for name in dict.fromkeys(names))


# ---- one channel -------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One property of a channel, for each of its modes or for the channel as a whole."""

    column: Column
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Detail:
    """How the value of one property was determined."""

    title: str
    text: str


@dataclass(frozen=True)
class Sheet:
    """All properties of one channel.

    Attributes:
        modes: its modes, in the order of the fields.
        rows: the properties.
        details: by mode, how the values were determined; the empty mode is the channel as a whole.
        documented: some values are from documentation.
    """

    modes: tuple[str, ...]
    rows: tuple[Row, ...]
    details: tuple[tuple[str, tuple[Detail, ...]], ...]
    documented: bool


def sheet(run: Run, channel: str, properties: Sequence[Property]) -> Sheet | None:
    """The properties of one channel; None if the run recorded none."""
    recorded = {
        (record.mode, record.name): record for record in properties if record.channel == channel
    }
    if not recorded:
        return None
    modes = tuple(str(mode["name"]) for mode in run.channel(channel).modes)
    rows = []
    for column in COLUMNS:
        shared = recorded.get(("", column.name))
        values = [shared] if shared else [recorded.get((mode, column.name)) for mode in modes]
        if any(values):
            rows.append(
                Row(column, tuple(_field(column, record, short=False) for record in values))
            )
    details = [(mode, _details(recorded, mode)) for mode in (*modes, "")]
    return Sheet(
        modes=modes,
        rows=tuple(rows),
        details=tuple((mode, entries) for mode, entries in details if entries),
        documented=any(record.how == "documented" for record in recorded.values()),
    )


def _details(recorded: dict[tuple[str, str], Property], mode: str) -> tuple[Detail, ...]:
    """How each property of a mode was determined; properties without a column come last."""
    known = [column.name for column in COLUMNS]
    titles = {column.name: f"{column.group}: {column.title}" for column in COLUMNS}
    names = [name for at, name in recorded if at == mode and recorded[at, name].how != "none"]
    names.sort(key=lambda name: known.index(name) if name in known else len(known))
    return tuple(
        Detail(titles.get(name, name.replace("_", " ")), _explanation(recorded[mode, name]))
        for name in names
    )
