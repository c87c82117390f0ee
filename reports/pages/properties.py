"""What kind of channel each one is: the matrix of all modes, and the list of one channel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reports.analysis import selection
from reports.data.properties import Property
from reports.data.run import Run
from reports.text import words

HOW = {
    "counted": "Counted",
    "documented": "Documented, not tried",
    "failed": "The probe came to no answer",
}
NONE, FAILED, DAGGER = "–", "failed", "†"


# ---- values as people read them ------------------------------------------------


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return words.number(value) if isinstance(value, int | float) else str(value)


def _contexts(value: Any) -> str:
    found = str(value).split()
    return "any" if len(found) == 3 else ", ".join(found) or "none"


def _opens(value: Any) -> str:
    """Capabilities that override file permissions mean that the file's owner and mode decide."""
    caps = str(value).split()
    if all(cap in ("CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH") for cap in caps):
        return "file mode"
    return {"uid 0": "root"}.get(str(value), " ".join(cap.removeprefix("CAP_") for cap in caps))


def _bytes(value: float) -> str:
    return words.size(value) if value < 1024 or not value % 1024 else f"{value:,.0f} B"


def _count(value: float) -> str:
    return f"{value:g}"


Show = Callable[[Any], str]


@dataclass(frozen=True)
class Column:
    """A property in the matrix, and on a channel's page.

    Attributes:
        name: of the property.
        group: the heading that several share.
        title: its own heading.
        ask: what it answers.
        show: its value in a word or two; of one operation, where each has one.
        rare: few modes have it: it stands on their channels' pages alone.
    """

    name: str
    group: str
    title: str
    ask: str
    show: Show = _plain
    rare: bool = False


COLUMNS: tuple[Column, ...] = (
    Column("kernel_initiated", "Events", "kernel starts",
           "Can the kernel start the conversation?"),
    Column("contexts", "Events", "emits from",
           "From which contexts can the kernel half emit?", _contexts),
    Column("poll", "Events", "poll",
           "Does an event make poll() and epoll return?"),
    Column("readers", "Events", "two readers",
           "Who gets what when two processes read?"),
    Column("size_limit", "Messages", "size_limit",
           "How many bytes of body were carried, and what does a byte more do?", _bytes),
    Column("boundaries", "Messages", "boundaries",
           "Do two messages stay two?"),
    Column("ordering", "Messages", "order",
           "Do messages arrive in the order in which they went?"),
    Column("load_parameter", "Messages", "one-shot",
           "When does the only value arrive of a mode that repeats nothing?", rare=True),
    Column("queue_full", "Nobody reads", "when full",
           "What happens to an event when those before it were not read?"),
    Column("queue_capacity", "Nobody reads", "full after",
           "How many small messages wait before it is full?"),
    Column("producer_error", "Nobody reads", "producer told",
           "What is the producer told of an event that was not taken?"),
    Column("reader_error", "Nobody reads", "reader told",
           "Which error tells the reader that something was lost?"),
    Column("permissions", "Life", "who may",
           "Who may open and use it?", _opens),
    Column("reader_exit", "Life", "reader killed",
           "What when a reader is killed in its wait?"),
    Column("module_unload", "Life", "unload",
           "What does an unload do under an open session?"),
    Column("syscalls", "Cost", "system calls",
           "How many system calls does an operation take?", _count),
    Column("copies", "Cost", "copies ≤",
           "How many copies of the body would explain the slope of cost against size?", _count),
    Column("lines_kernel", "Lines of code", "kernel half",
           "How many lines of code has the kernel half here?"),
    Column("lines_user", "Lines of code", "user half",
           "How many lines of code has the user half here?"),
    Column("since", "Kernel", "since",
           "Which kernel is the first to have it?"),
)  # fmt: skip


def _text(column: Column, one: Property | None, *, short: bool) -> str:
    """A property in a word or two; not ``short`` tells of each operation."""
    if one is None or one.how == "none":
        return NONE
    if one.how == "failed" or one.value is None:
        return FAILED
    if isinstance(one.value, dict):
        return _span(one.value, column.show) if short else _each(one.value, column.show)
    return column.show(one.value) + (DAGGER if one.how == "documented" else "")


def _span(value: dict[str, float], show: Show) -> str:
    """What the operations have in common, or from the least to the most: ``1``, ``1–3``."""
    if not value:
        return NONE
    low, high = show(min(value.values())), show(max(value.values()))
    if low == high:
        return low
    same_unit = " " in low and low.split()[-1] == high.split()[-1]
    return f"{low.split()[0] if same_unit else low}–{high}"


def _each(value: dict[str, float], show: Show) -> str:
    """``1``, or ``push 1, pull 2`` where they differ."""
    if len(set(value.values())) < 2:
        return _span(value, show)
    return ", ".join(f"{operation} {show(one)}" for operation, one in value.items())


# ---- the matrix ------------------------------------------------------------------


@dataclass(frozen=True)
class Field:
    """One field of a table.

    Attributes:
        text: the value in a word or two.
        kind: its class: ``yes``, ``no``, ``none``, ``failed``, ``documented`` or empty.
        title: how it was found, in sentences.
        whole: it holds for all modes of the channel.
    """

    text: str
    kind: str
    title: str
    whole: bool = False


@dataclass(frozen=True)
class Line:
    """One mode in the matrix."""

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
        groups: headings over several columns, and how many.
        columns: the columns.
        lines: one for each mode.
        same: what holds for all of them, in sentences.
        documented: something in it is not tried.
    """

    groups: tuple[tuple[str, int], ...]
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    same: tuple[str, ...]
    documented: bool


def _field(column: Column, one: Property | None, *, short: bool = True) -> Field:
    text = _text(column, one, short=short)
    if one is None:
        return Field(text, "none", "Not recorded in this run.")
    kind = {"none": "none", "failed": "failed", "documented": "documented"}.get(one.how, "")
    if not kind and isinstance(one.value, bool):
        kind = "yes" if one.value else "no"
    return Field(text, kind, _told(one), whole=not one.mode)


def _told(one: Property) -> str:
    """What was done and came of it; how it was found, unless it was tried."""
    how = HOW.get(one.how, "")
    return words.sentence(one.detail) + (f" ({how}.)" if how else "")


def matrix(run: Run, found: Sequence[Property]) -> Matrix | None:
    """The comparison of all probed modes that carry messages; None when there is none."""
    table = list(_table(run, found))
    if not table:
        return None
    rows = [fields for _, fields in table]
    common = [at for at, column in enumerate(COLUMNS) if not column.rare]
    apart = [at for at in common if len(rows) == 1 or _differ(rows, at)]
    columns = tuple(COLUMNS[at] for at in apart)
    lines = tuple(replace(line, fields=tuple(fields[at] for at in apart)) for line, fields in table)
    return Matrix(
        groups=_groups(columns),
        columns=columns,
        lines=lines,
        same=_same(rows, [at for at in common if at not in apart]),
        documented=any(field.kind == "documented" for fields in rows for field in fields),
    )


def _table(run: Run, found: Sequence[Property]) -> Iterator[tuple[Line, tuple[Field, ...]]]:
    """Each mode with all its fields."""
    values = {(one.channel, one.mode, one.name): one for one in found}
    probed = {one.channel for one in found}
    for channel in selection.ordered(run):
        if channel.baseline or channel.name not in probed:
            continue
        for at, mode in enumerate(str(mode["name"]) for mode in channel.modes):
            link = f"channel-{channel.name}.html#properties"
            line = Line(channel.name, mode, len(channel.modes), at == 0, link, ())
            keys = [((channel.name, mode, it.name), (channel.name, "", it.name)) for it in COLUMNS]
            ones = [values.get(own) or values.get(whole) for own, whole in keys]
            yield line, tuple(map(_field, COLUMNS, ones))


def _differ(table: Sequence[Sequence[Field]], at: int) -> bool:
    """A column tells something: those modes that have an answer do not all have the same."""
    answers = {row[at].text for row in table if row[at].kind != "none"}
    return len(answers) > 1


def _same(table: Sequence[Sequence[Field]], columns: Sequence[int]) -> tuple[str, ...]:
    told = []
    for at in columns:
        answers = {row[at].text for row in table if row[at].kind != "none"}
        if answers:
            told.append(
                f"{COLUMNS[at].title.capitalize()}: {words.sentence(answers.pop()).lower()}"
            )
    return tuple(told)


def _groups(columns: Sequence[Column]) -> tuple[tuple[str, int], ...]:
    names = [column.group for column in columns]
    return tuple((name, names.count(name)) for name in dict.fromkeys(names))


# ---- one channel -------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One property of a channel, in each of its modes or for the whole."""

    column: Column
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Detail:
    """How one property was found."""

    title: str
    told: str


@dataclass(frozen=True)
class Sheet:
    """All properties of one channel.

    Attributes:
        modes: its modes, in the order of the fields.
        rows: the properties.
        details: for each mode, and for the whole channel under an empty name, what was done.
        documented: something in it is not tried.
    """

    modes: tuple[str, ...]
    rows: tuple[Row, ...]
    details: tuple[tuple[str, tuple[Detail, ...]], ...]
    documented: bool


def sheet(run: Run, channel: str, found: Sequence[Property]) -> Sheet | None:
    """The properties of one channel; None when nothing was recorded."""
    mine = {(one.mode, one.name): one for one in found if one.channel == channel}
    if not mine:
        return None
    modes = tuple(str(mode["name"]) for mode in run.channel(channel).modes)
    rows = []
    for column in COLUMNS:
        of_all = mine.get(("", column.name))
        own = [of_all] if of_all else [mine.get((mode, column.name)) for mode in modes]
        if any(own):
            rows.append(Row(column, tuple(_field(column, one, short=False) for one in own)))
    details = [(mode, _details(mine, mode)) for mode in (*modes, "")]
    return Sheet(
        modes=modes,
        rows=tuple(rows),
        details=tuple((mode, told) for mode, told in details if told),
        documented=any(one.how == "documented" for one in mine.values()),
    )


def _details(mine: dict[tuple[str, str], Property], mode: str) -> tuple[Detail, ...]:
    """What was done for each property of a mode, those without a column last."""
    known = [column.name for column in COLUMNS]
    titles = {column.name: f"{column.group}: {column.title}" for column in COLUMNS}
    names = [name for at, name in mine if at == mode and mine[at, name].how != "none"]
    names.sort(key=lambda name: known.index(name) if name in known else len(known))
    return tuple(
        Detail(titles.get(name, name.replace("_", " ")), _told(mine[mode, name])) for name in names
    )
