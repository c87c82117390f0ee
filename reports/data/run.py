"""Read a run folder into data; nothing here draws or prints."""

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
from reports.text import words

OPERATIONS = ("push", "pull", "call", "notify", "stream")

NEEDED = ("channel", "operation", "size", "mode", "clock", "status")
"""Columns of ``cells.csv`` without which a row means nothing."""

KEY = (
    "channel", "mode", "operation", "size", "threads", "context", "rate", "burst", "wait", "queue",
)  # fmt: skip
"""What makes two rows the same point, in two boots or in two runs."""

NUMBERS = (
    "rounds n min median mean p50 p90 p99 p999 max ci_low ci_high overhead messages_per_unit "
    "bytes_per_unit offered delivered lost boots raw_median reordered duplicated loads p9999 mad "
    "low_severe low_mild high_mild high_severe spread refused overruns offered_per_unit "
    "cpu_user_side cpu_other_side"
).split()
WHOLE = {"size": 0, "threads": 1, "interval": 0, "burst": 1, "queue": 0}
WORDS = {
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
}


class DamagedRun(Exception):
    """A run folder that cannot be read; the message says which file and what to do."""


@dataclass(frozen=True)
class Measured:
    """One row of ``cells.csv``; what was not recorded is None."""

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

    @property
    def key(self) -> tuple[str | int, ...]:
        """The values of :data:`KEY`."""
        return tuple(getattr(self, name) for name in KEY)

    @property
    def title(self) -> str:
        """Channel, mode, operation and size, and the factors that are not as usual."""
        first = f"{self.channel} {self.mode} {self.operation} {words.size(self.size)}"
        return f"{first}, {self.factors}" if self.factors else first

    @property
    def measured(self) -> bool:
        """It has a number."""
        return self.status == "ok" and self.median is not None

    @property
    def usual(self) -> bool:
        """No factor but the size was varied: what tables and figures of all channels show."""
        return not self.factors

    @property
    def outliers(self) -> float:
        """Rounds beyond Tukey's fences, mild and severe."""
        found = (self.low_severe, self.low_mild, self.high_mild, self.high_severe)
        return sum(value or 0 for value in found)

    @property
    def missing(self) -> float | None:
        """Messages offered and not delivered, be it a gap or the end that never came."""
        short = None
        if self.offered is not None and self.delivered is not None:
            short = self.offered - self.delivered
        known = [value for value in (self.lost, short) if value is not None]
        return max(0.0, *known) if known else None

    @property
    def lossy(self) -> bool:
        """It delivered less than was offered."""
        return bool(self.missing)


@dataclass(frozen=True)
class Channel:
    """What the agent says of a channel; empty where the run did not record it."""

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
        """What it is when it is no channel to choose; empty else."""
        return "floor" if self.baseline else "reference" if self.reference else ""


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
        """Raw samples, read when first asked for; None where there are none."""
        return _parquet(
            self.path / "samples.parquet", ("channel", "mode", "operation", "size", "value")
        )

    @cached_property
    def rounds(self) -> pd.DataFrame | None:
        """Value per operation of each round; None where there are none."""
        return _parquet(
            self.path / "rounds.parquet", ("channel", "mode", "operation", "size", "value")
        )

    def channel(self, name: str) -> Channel:
        """The channel called so."""
        return next(channel for channel in self.channels if channel.name == name)

    def of(self, channel: str, operation: str = "") -> Iterator[Measured]:
        """Usual rows of a channel, of one operation or of all; others where none is usual."""
        rows = [
            row for row in self.rows if row.channel == channel and operation in ("", row.operation)
        ]
        plain = {row.operation for row in rows if row.usual}
        return (row for row in rows if row.usual or row.operation not in plain)


def load_run(path: Path | str) -> Run:
    """Read the run folder at ``path``.

    Raises:
        DamagedRun: a file is missing or cannot be understood.
    """
    path = Path(path)
    if not path.is_dir():
        raise DamagedRun(f"{path} is not a folder; give a run folder from reports/runs/.")
    cells = _cells(path / "cells.csv")
    environment = _environment(path / "environment.json")
    rows = tuple(_row(record) for record in cells.to_dict("records"))
    clock = str(environment.get("clock") or (cells["clock"].iloc[0] if len(cells) else ""))
    strange = sorted({str(c) for c in cells["clock"] if str(c) != clock})
    if strange:
        raise DamagedRun(
            f"{path / 'cells.csv'} holds rows of the clock {strange[0]!r} in a run of "
            f"{clock!r}; measure into a new folder, since clocks do not mix."
        )
    return Run(
        path=path,
        name=path.resolve().name,
        clock=clock,
        cells=cells,
        rows=rows,
        environment=environment,
        channels=_channels(environment, rows),
    )


def _cells(path: Path) -> pd.DataFrame:
    """The table of cells, all columns there, the newest row where one was measured twice."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DamagedRun(
            f"{path} is missing; give a run folder, or measure again with `make bench`."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DamagedRun(f"{path} cannot be read ({error}); measure again.") from None
    _whole(path, text)
    frame = pd.read_csv(path, keep_default_na=False, na_values=["", "nan", "NaN"],
                        dtype=dict.fromkeys(WORDS, str))  # fmt: skip
    for name, word in WORDS.items():
        frame[name] = frame[name].astype(object).fillna(word).astype(str) if name in frame else word
    frame["marks"] = frame["marks"].map(formats.marks)
    for name in NUMBERS:
        frame[name] = _numbers(path, frame, name) if name in frame else math.nan
    for name, default in WHOLE.items():
        column = _numbers(path, frame, name) if name in frame else None
        frame[name] = default if column is None else column.fillna(default).astype(int)
    frame["channel"] = frame["channel"].astype(str)
    return frame.drop_duplicates(list(KEY), keep="last").reset_index(drop=True)


def _whole(path: Path, text: str) -> None:
    """Check that no row is cut and no column that counts is missing."""
    if "\0" in text:
        raise DamagedRun(
            f"{path} holds zero bytes, as a crash of the machine leaves them; measure again."
        )
    records = list(csv.reader(text.splitlines()))
    header = records[0] if records else []
    missing = [name for name in NEEDED if name not in header]
    if missing:
        raise DamagedRun(
            f"{path} has no column {missing[0]!r}; restore its first line or measure again."
        )
    for number, record in enumerate(records[1:], start=2):
        if record and len(record) != len(header):
            raise DamagedRun(
                f"{path} line {number} has {len(record)} of {len(header)} columns; delete that "
                f"line and go on with `ringcross run --resume {path.parent}`."
            )
    if not text.endswith("\n"):
        raise DamagedRun(
            f"{path} line {len(records)} ends without a line break, so it may be cut; delete "
            f"that line and go on with `ringcross run --resume {path.parent}`."
        )


def _numbers(path: Path, frame: pd.DataFrame, name: str) -> pd.Series[float]:
    """A column as floats, NaN where empty."""
    try:
        return pd.to_numeric(frame[name]).astype(float).replace([math.inf, -math.inf], math.nan)
    except (ValueError, TypeError):
        raise DamagedRun(
            f"{path} has a value in column {name!r} that is no number; correct it or measure again."
        ) from None


def _row(record: dict[Any, Any]) -> Measured:
    values: dict[str, Any] = {name: record[name] for name in ("channel", "operation")}
    values |= {name: record[name] for name in WORDS if name not in ("clock", "unit")}
    values |= {name: int(record[name]) for name in WHOLE}
    for name in NUMBERS:
        values[name] = float(record[name]) if math.isfinite(record[name]) else None
    return Measured(**values)


def _environment(path: Path) -> dict[str, Any]:
    """What ``environment.json`` holds; empty when the run ended before it was written."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise DamagedRun(
            f"{path} is not valid JSON ({error}); correct it, or delete it to see the run "
            "without its machine."
        ) from None
    if not isinstance(value, dict):
        raise DamagedRun(f"{path} holds no JSON object; correct it or delete it.")
    written = value.get("format", 1)
    if written not in range(1, formats.FORMAT + 1):
        raise DamagedRun(
            f"{path} states format {written!r}, and this ringcross reads up to {formats.FORMAT}: "
            "render it with the version that wrote it, or update."
        )
    return formats.environment(value)


def _channels(environment: dict[str, Any], rows: tuple[Measured, ...]) -> tuple[Channel, ...]:
    """The agent's list for the channels that have rows, and those that only have rows."""
    told = environment.get("channels") or []
    if isinstance(told, dict):
        told = told.get("channels") or []
    entries = {str(e["name"]): e for e in told if isinstance(e, dict) and e.get("name")}
    asked = {row.channel for row in rows}
    names = [name for name in entries if not asked or name in asked]
    names += sorted(asked - set(names))
    return tuple(_channel(name, entries.get(name, {})) for name in names)


def _channel(name: str, entry: dict[str, Any]) -> Channel:
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
    except (OSError, ValueError) as error:  # pyarrow's own errors are both
        raise DamagedRun(
            f"{path} cannot be read ({str(error).splitlines()[0]}); delete it to see the run "
            "without its samples, or measure again."
        ) from None
    missing = [name for name in needed if name not in frame]
    if missing:
        raise DamagedRun(f"{path} has no column {missing[0]!r}; delete it or measure again.")
    return frame
