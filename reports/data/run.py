# SPDX-License-Identifier: GPL-2.0-only
"""Read a run folder into dataclasses."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from reports.data import formats
from reports.text import markup, words
from reports.text.excluded import Excluded, excluded

OPERATIONS = ("push", "pull", "call", "notify", "stream", "upcall", "dump")

REQUIRED = ("channel", "operation", "size", "mode", "clock", "status")
"""Required columns of ``cells.csv``."""

KEY = (
    "channel", "mode", "operation", "size", "threads", "context", "rate", "burst", "wait", "queue",
    "placement", "records",
)  # fmt: skip
"""Columns that identify a cell, within a run and between runs."""

NUMBERS = (
    "rounds n min median mean p50 p90 p99 p999 max ci_low ci_high overhead messages_per_unit "
    "bytes_per_unit offered delivered lost boots raw_median reordered duplicated loads p9999 mad "
    "low_severe low_mild high_mild high_severe spread refused overruns offered_per_unit "
    "cpu_user_side cpu_other_side "
    "cycles_user cycles_kernel instructions_user instructions_kernel producer consumer "
    "control control_ratio control_ratio_low control_ratio_high"
).split()
INTEGERS = {"size": 0, "threads": 1, "interval": 0, "burst": 1, "queue": 0, "records": 0}
TEXTS = {
    "mode": "",
    "clock": "",
    "unit": "",
    "status": "",
    "reason": "",
    "context": "",
    "marks": "",
    "rate": "",
    "wait": "",
    "bound": "",
    "factors": "",
    "placement": "",
    "user_cpu": "",
    "other_cpu": "",
}


class DamagedRun(Exception):
    """A run folder that cannot be read; the message names the file and the next step."""


@dataclass(frozen=True)
class Measured:
    """One row of ``cells.csv``; numbers that were not recorded are None.

    ``excluded`` is what its figure does not contain; it comes from ``environment.json``.
    """

    channel: str
    mode: str
    operation: str
    size: int
    threads: int = 1
    context: str = ""
    interval: int = 0
    burst: int = 1
    status: str = "ok"
    reason: str = ""
    rounds: float | None = None
    n: float | None = None
    min: float | None = None
    median: float | None = None
    mean: float | None = None
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None
    p999: float | None = None
    max: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    overhead: float | None = None
    messages_per_unit: float | None = None
    bytes_per_unit: float | None = None
    offered: float | None = None
    delivered: float | None = None
    lost: float | None = None
    boots: float | None = None
    raw_median: float | None = None
    reordered: float | None = None
    duplicated: float | None = None
    loads: float | None = None
    p9999: float | None = None
    mad: float | None = None
    low_severe: float | None = None
    low_mild: float | None = None
    high_mild: float | None = None
    high_severe: float | None = None
    spread: float | None = None
    marks: str = ""
    rate: str = ""
    wait: str = ""
    queue: int = 0
    bound: str = ""
    factors: str = ""
    refused: float | None = None
    overruns: float | None = None
    offered_per_unit: float | None = None
    cpu_user_side: float | None = None
    cpu_other_side: float | None = None
    placement: str = ""
    user_cpu: str = ""
    other_cpu: str = ""
    cycles_user: float | None = None
    cycles_kernel: float | None = None
    instructions_user: float | None = None
    instructions_kernel: float | None = None
    records: int = 0
    producer: float | None = None
    consumer: float | None = None
    control: float | None = None
    control_ratio: float | None = None
    control_ratio_low: float | None = None
    control_ratio_high: float | None = None
    excluded: tuple[Excluded, ...] = ()

    @property
    def key(self) -> tuple[str | int, ...]:
        """The values of :data:`KEY`."""
        return tuple(getattr(self, name) for name in KEY)

    @property
    def title(self) -> str:
        """Channel, mode, operation and size, and the factors that differ from the default."""
        first = f"{self.channel} {self.mode} {self.operation} {words.size(self.size)}"
        return f"{first}, {self.factors}" if self.factors else first

    @property
    def measured(self) -> bool:
        """The cell succeeded and has a median."""
        return self.status == "ok" and self.median is not None

    @property
    def has_default_factors(self) -> bool:
        """All factors but the size have their default; tables of all channels show these rows."""
        return not self.factors

    @property
    def outliers(self) -> float:
        """Number of rounds outside Tukey's fences, mild and severe."""
        classes = (self.low_severe, self.low_mild, self.high_mild, self.high_severe)
        return sum(value or 0 for value in classes)

    @property
    def missing(self) -> float | None:
        """Messages offered and not delivered, as a gap or at the end of the stream."""
        undelivered = None
        if self.offered is not None and self.delivered is not None:
            undelivered = self.offered - self.delivered
        known = [value for value in (self.lost, undelivered) if value is not None]
        return max(0.0, *known) if known else None

    @property
    def lossy(self) -> bool:
        """Fewer messages were delivered than offered."""
        return bool(self.missing)


@dataclass(frozen=True)
class Channel:
    """What the agent lists about a channel; fields that were not recorded are empty."""

    name: str
    summary: str = ""
    baseline: bool = False
    reference: bool = False
    module: str | None = None
    needs: tuple[str, ...] = ()
    unsupported_reason: dict[str, str] = field(default_factory=dict)
    modes: tuple[dict[str, Any], ...] = ()

    @property
    def tag(self) -> str:
        """``baseline`` or ``reference``; empty for a channel to the kernel."""
        return "baseline" if self.baseline else "reference" if self.reference else ""


@dataclass(frozen=True)
class Run:
    """A run folder in memory."""

    path: Path
    name: str
    clock: str
    cells: pd.DataFrame
    rows: tuple[Measured, ...]
    environment: dict[str, Any]
    channels: tuple[Channel, ...]

    @cached_property
    def samples(self) -> pd.DataFrame | None:
        """Raw samples, read on first use; None if the run has none."""
        return _parquet(
            self.path / "samples.parquet", ("channel", "mode", "operation", "size", "value")
        )

    @cached_property
    def rounds(self) -> pd.DataFrame | None:
        """Cost per operation of each round, read on first use; None if the run has none."""
        return _parquet(
            self.path / "rounds.parquet", ("channel", "mode", "operation", "size", "value")
        )

    def channel(self, name: str) -> Channel:
        """The channel of this name.

        Raises:
            StopIteration: the run has no such channel.
        """
        return next(channel for channel in self.channels if channel.name == name)

    def of(self, channel: str, operation: str = "") -> Iterator[Measured]:
        """Rows of a channel with default factors, or all its rows of an operation without such."""
        rows = [
            row for row in self.rows if row.channel == channel and operation in ("", row.operation)
        ]
        plain = {row.operation for row in rows if row.has_default_factors}
        return (row for row in rows if row.has_default_factors or row.operation not in plain)


def load_run(path: Path | str) -> Run:
    """Read the run folder at ``path``.

    Raises:
        DamagedRun: a file is missing or cannot be parsed.
    """
    path = Path(path)
    if not path.is_dir():
        raise DamagedRun(f"{path} is not a folder. Give a run folder from reports/runs/.")
    cells = _cells(path / "cells.csv")
    environment = _environment(path / "environment.json")
    channels = _channels(environment, {str(name) for name in cells["channel"]})
    rows = tuple(_row(record, channels) for record in cells.to_dict("records"))
    clock = str(environment.get("clock") or (cells["clock"].iloc[0] if len(cells) else ""))
    other_clocks = sorted({str(c) for c in cells["clock"] if str(c) != clock})
    if other_clocks:
        raise DamagedRun(
            f"{path / 'cells.csv'} has rows of the clock {other_clocks[0]!r} in a run of the "
            f"clock {clock!r}. A run has one clock: measure into a new folder."
        )
    return Run(
        path=path,
        name=path.resolve().name,
        clock=clock,
        cells=cells,
        rows=rows,
        environment=environment,
        channels=channels,
    )


def _cells(path: Path) -> pd.DataFrame:
    """The table of cells with all columns; the newest row if a cell was measured twice."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        runs = sorted(str(run.parent) for run in path.parent.glob("*/cells.csv"))
        if runs and (path.parent / "set.json").exists():
            raise DamagedRun(
                f"{path.parent} is a run set. Give its runs instead: {', '.join(runs)}."
            ) from None
        raise DamagedRun(
            f"{path} is missing. Give a run folder, or measure again with `make bench`."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DamagedRun(f"{path} cannot be read ({error}). Measure again.") from None
    _check_complete(path, text)
    frame = pd.read_csv(path, keep_default_na=False, na_values=["", "nan", "NaN"],
                        dtype=dict.fromkeys(TEXTS, str))  # fmt: skip
    for name, word in TEXTS.items():
        frame[name] = frame[name].astype(object).fillna(word).astype(str) if name in frame else word
    frame["marks"] = frame["marks"].map(formats.marks)
    for name in NUMBERS:
        frame[name] = _numbers(path, frame, name) if name in frame else math.nan
    for name, default in INTEGERS.items():
        column = _numbers(path, frame, name) if name in frame else None
        frame[name] = default if column is None else column.fillna(default).astype(int)
    frame["channel"] = frame["channel"].astype(str)
    return frame.drop_duplicates(list(KEY), keep="last").reset_index(drop=True)


def _check_complete(path: Path, text: str) -> None:
    """Check that no row is truncated and no required column is missing.

    Raises:
        DamagedRun: the table is not complete.
    """
    if "\0" in text:
        raise DamagedRun(
            f"{path} contains zero bytes, as after a crash of the machine. Measure again."
        )
    records = list(csv.reader(text.splitlines()))
    header = records[0] if records else []
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        raise DamagedRun(
            f"{path} has no column {missing[0]!r}. Restore its first line, or measure again."
        )
    for number, record in enumerate(records[1:], start=2):
        if record and len(record) != len(header):
            raise DamagedRun(
                f"{path} line {number} has {len(record)} of {len(header)} columns. Delete that "
                f"line and continue with `ringcross run --resume {path.parent}`."
            )
    if not text.endswith("\n"):
        raise DamagedRun(
            f"{path} line {len(records)} ends without a line break and may be truncated. "
            f"Delete that line and continue with `ringcross run --resume {path.parent}`."
        )


def _numbers(path: Path, frame: pd.DataFrame, name: str) -> pd.Series[float]:
    """A column as floats, NaN where empty."""
    try:
        return pd.to_numeric(frame[name]).astype(float).replace([math.inf, -math.inf], math.nan)
    except (ValueError, TypeError):
        raise DamagedRun(
            f"{path} has a value in column {name!r} that is not a number. Correct it, or measure "
            "again."
        ) from None


def _row(record: dict[Any, Any], channels: tuple[Channel, ...]) -> Measured:
    values: dict[str, Any] = {name: record[name] for name in ("channel", "operation")}
    values |= {name: record[name] for name in TEXTS if name not in ("clock", "unit")}
    values["reason"] = markup.plain(values["reason"])
    values |= {name: int(record[name]) for name in INTEGERS}
    for name in NUMBERS:
        values[name] = float(record[name]) if math.isfinite(record[name]) else None
    values["excluded"] = excluded(_limits(channels, values), values["wait"])
    return Measured(**values)


def _limits(channels: tuple[Channel, ...], values: dict[str, Any]) -> dict[str, Any]:
    """The operation of a row in the agent's listing; empty if it was not recorded."""
    for channel in channels:
        for mode in channel.modes if channel.name == values["channel"] else ():
            if mode.get("name") == values["mode"]:
                return (mode.get("operations") or {}).get(values["operation"]) or {}
    return {}


def _environment(path: Path) -> dict[str, Any]:
    """The content of ``environment.json``; empty if the run ended before it was written."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise DamagedRun(
            f"{path} is not valid JSON ({error}). Correct it, or delete it to render the run "
            "without its machine."
        ) from None
    if not isinstance(value, dict):
        raise DamagedRun(f"{path} does not contain a JSON object. Correct it, or delete it.")
    format_number = value.get("format", 1)
    if format_number not in range(1, formats.FORMAT + 1):
        raise DamagedRun(
            f"{path} has format {format_number!r}, but this ringcross reads formats up to "
            f"{formats.FORMAT}. Render it with the version that wrote it, or update ringcross."
        )
    return formats.environment(value)


def _channels(environment: dict[str, Any], with_rows: set[str]) -> tuple[Channel, ...]:
    """The channels that have rows, or all listed ones if the run has no rows."""
    listing = environment.get("channels") or []
    if isinstance(listing, dict):
        listing = listing.get("channels") or []
    entries = {str(e["name"]): e for e in listing if isinstance(e, dict) and e.get("name")}
    names = [name for name in entries if not with_rows or name in with_rows]
    names += sorted(with_rows - set(names))
    return tuple(_channel(name, entries.get(name, {})) for name in names)


def _channel(name: str, listed: dict[str, Any]) -> Channel:
    entry: Any = markup.plain_texts(listed)
    unsupported = entry.get("unsupported_reason") or {}
    return Channel(
        name=name,
        summary=str(entry.get("summary") or ""),
        baseline=bool(entry.get("baseline", name == "null")),
        reference=bool(entry.get("reference", False)),
        module=entry.get("module"),
        needs=tuple(entry.get("needs") or ()),
        unsupported_reason={op: str(why) for op, why in unsupported.items() if why},
        modes=tuple(entry.get("modes") or ()),
    )


def _parquet(path: Path, needed: tuple[str, ...]) -> pd.DataFrame | None:
    if not path.exists():
        return None
    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as error:  # pyarrow's errors derive from these
        raise DamagedRun(
            f"{path} cannot be read ({str(error).splitlines()[0]}). Delete it to render the run "
            f"without its {path.stem}, or measure again."
        ) from None
    missing = [name for name in needed if name not in frame]
    if missing:
        raise DamagedRun(f"{path} has no column {missing[0]!r}. Delete it, or measure again.")
    return frame
