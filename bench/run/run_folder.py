# SPDX-License-Identifier: GPL-2.0-only
"""The run folder.  It is written as results arrive, so that a crash loses one cell at most.

An unfinished run has a journal, from which the tables in the folder are made.  The first line
of ``journal.jsonl`` is the header: options, clock and cells.  Each further line holds the raw
result of one cell in one load of one boot; its samples are in ``journal.u64``.  The journal is
removed when the run is complete.
"""

from __future__ import annotations

import contextlib
import csv
import fcntl
import io
import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import numpy as np

from bench.errors import RingcrossError, UsageError, writing
from bench.plan.cells import UNITS, Cell, CellResult, Clock, interval_of
from bench.plan.options import RunOptions
from bench.run import estimates, ratios, stream_counts

COLUMNS = (
    "channel operation size threads mode clock unit status reason rounds n min median mean "
    "p50 p90 p99 p999 max ci_low ci_high overhead messages_per_unit bytes_per_unit offered "
    "delivered lost boots context interval burst raw_median reordered duplicated loads p9999 mad "
    "low_severe low_mild high_mild high_severe spread marks rate wait queue refused overruns "
    "offered_per_unit bound factors cpu_user_side cpu_other_side placement user_cpu other_cpu "
    "cycles_user cycles_kernel instructions_user instructions_kernel records producer consumer"
).split()
"""Columns of ``cells.csv``."""
_STAMP_FORMAT = "%Y%m%dT%H%M%SZ"
TIME_COLUMNS = "control control_ratio control_ratio_low control_ratio_high".split()
"""Further columns under the ``time`` clock, at the end."""
_VERSION = 3
FORMAT = 2
"""Version of the run folder's format; see docs/run-folder.md."""
_CELL_FIELDS = [field.name for field in fields(Cell) if field.compare]
_RESULT_FIELDS = (
    "boot load status reason n rounds round_overhead sample_overhead context placement user_cpu "
    "other_cpu stream costs interval bound trials cpu events controls control_n control_size "
    "control_overhead log"
).split()
_OLD_COUNTERS = {"raised": "emitted"}
"""Names of counters in journals of version 2, with their present names."""
_COUNTERS = {
    "offered": "emitted",
    "delivered": "delivered",
    "lost": "lost",
    "reordered": "reordered",
    "duplicated": "duplicated",
    "refused": "refused",
    "overruns": "overruns",
}


class DamagedFolder(RingcrossError):
    """A run folder that cannot be resumed because its journal is lost or damaged."""

    default_exit_code = 5


@dataclass(frozen=True)
class Header:
    """The header of a journal: the options as given, the clock and the cells of the run."""

    options: dict[str, Any]
    clock: Clock
    cells: tuple[Cell, ...]


def new_folder(base: Path, label: str, now: datetime | None = None) -> Path:
    """An unused path for the folder of a run or of a run set below ``base``; creates nothing.

    Names sort in the order of the runs, even if the clock was set back since the last one.

    Args:
        base: the parent folder.
        label: what stands behind the time in its name.
        now: start of the run in UTC; None for the present.

    Raises:
        UsageError: there are 999 runs with this name already.
    """
    timestamp = (now or datetime.now(UTC)).strftime(_STAMP_FORMAT)
    timestamp = max([timestamp, *_later(base, timestamp)])
    name = f"{timestamp}-{label}"
    for number in range(1, 1000):
        folder = base / (name if number == 1 else f"{name}-{number}")
        if not folder.exists():
            return folder
    raise UsageError(
        f"{base} already holds 999 runs that started in this second: give another --run-dir."
    )


def _later(base: Path, timestamp: str) -> list[str]:
    """One second after each run that begins after ``timestamp``, according to its name."""
    later = []
    for stamp in {path.name.partition("-")[0] for path in base.glob("*Z-*")}:
        with contextlib.suppress(ValueError, OverflowError):  # another folder of the user's
            if stamp > timestamp:
                time = datetime.strptime(stamp, _STAMP_FORMAT) + timedelta(seconds=1)
                later.append(time.strftime(_STAMP_FORMAT))
    return later


def columns(clock: Clock) -> list[str]:
    """Columns of ``cells.csv`` in a run of ``clock``."""
    return COLUMNS + TIME_COLUMNS if clock == "time" else COLUMNS


def row(cell: Cell, results: Sequence[CellResult], clock: Clock) -> dict[str, Any]:
    """One row of ``cells.csv``, by column; fields that do not apply are empty strings.

    Args:
        cell: the cell.
        results: its results, one per load and boot; at least one.
        clock: the clock of the run.
    """
    worst = next((r for r in results if r.status == "fail"), None)
    worst = worst or next((r for r in results if r.status == "skip"), results[0])
    values: dict[str, Any] = dict.fromkeys(columns(clock), "")
    values |= {
        "channel": cell.channel,
        "operation": cell.operation,
        "size": cell.size,
        "threads": cell.threads,
        "mode": cell.mode,
        "clock": clock,
        "unit": UNITS[clock],
        "status": worst.status,
        "reason": " ".join(worst.reason.split()),
        "boots": len({result.boot for result in results}),
        "loads": len({result.load for result in results}),
        "context": next((r.context for r in results if r.context), cell.context),
        "interval": _interval(cell, results, clock),
        "burst": cell.burst,
        "rate": cell.rate,
        "wait": cell.wait,
        "queue": cell.queue,
        "records": cell.records,
        "factors": " ".join(cell.factors),
        "placement": next((r.placement for r in results if r.placement), cell.placement),
        "user_cpu": _cpus(result.user_cpu for result in results),
        "other_cpu": _cpus(result.other_cpu for result in results),
        "bound": " ".join(dict.fromkeys(r.bound for r in results if r.bound)),
    }
    if worst.status == "ok":
        values |= asdict(estimates.summarise(results, clock))
        totals = {name: estimates.stream_total(results, key) for name, key in _COUNTERS.items()}
        values |= {name: "" if total is None else total for name, total in totals.items()}
        rates = [stream_counts.offered_rate(result, clock) for result in results]
        values["offered_per_unit"] = estimates.known_median(rates)
        if clock == "time":
            ratio = ratios.control_ratio(results)
            values |= asdict(ratio)
            values["marks"] = ratios.marks(ratio, values["marks"])
    return values


def _cpus(numbers: Iterable[int | None]) -> str:
    """The CPUs on which an end ran, mostly one, separated by blanks."""
    return " ".join(str(number) for number in dict.fromkeys(numbers) if number is not None)


def _interval(cell: Cell, results: Sequence[CellResult], clock: Clock) -> int:
    """Nanoseconds between bursts: the median of the results, else as the cell requests."""
    intervals = [float(result.interval) for result in results if result.interval]
    return round(estimates.known_median(intervals)) if intervals else interval_of(cell, clock)


class Recorder:
    """Writes one run folder.

    Construct it with :meth:`create` or :meth:`resume`; use it as a context manager.  All
    methods that write raise :class:`bench.errors.DiskFull` when there is no space left.  What
    was recorded before stays intact.

    Attributes:
        folder: path of the run folder.
        header: options, clock and cells of the run.
        results: the recorded results of each cell, one per load and boot.
    """

    def __init__(self, folder: Path, header: Header) -> None:
        self.folder = folder
        self.header = header
        self.results: dict[Cell, list[CellResult]] = {}
        self._numbers = {cell: number for number, cell in enumerate(header.cells)}
        self._order: list[CellResult] = []
        self._rows: dict[Cell, bytes] = {}
        self._journal: IO[bytes] | None = None
        self._samples: IO[bytes] | None = None

    @classmethod
    def create(cls, folder: Path, header: Header) -> Recorder:
        """Create ``folder`` if necessary, and start a new run in it.

        Raises:
            UsageError: the folder already holds a run, or another process is using it.
        """
        if any((folder / name).exists() for name in ("cells.csv", "journal.jsonl", "set.json")):
            raise UsageError(
                f"{folder} already holds a run: continue it with --resume {folder}, "
                "or give another --run-dir."
            )
        recorder = cls(folder, header)
        with writing("the run folder"):
            folder.mkdir(parents=True, exist_ok=True)
            recorder._open()
            header_line = {
                "version": _VERSION,
                "options": header.options,
                "clock": header.clock,
                "cells": [asdict(cell) for cell in header.cells],
            }
            recorder._append(recorder._journal, json.dumps(header_line).encode() + b"\n")
            recorder._rewrite_rows()
        return recorder

    @classmethod
    def resume(cls, folder: Path) -> Recorder:
        """Continue the run in ``folder``; incomplete entries at the end are dropped.

        Raises:
            UsageError: there is no run, the run is complete, or another process is writing it.
            DamagedFolder: the journal is lost or damaged.
        """
        header, results, sizes = _read_journal(folder)
        recorder = cls(folder, header)
        for result in results:
            recorder._remember(result)
        with writing("the run folder"):
            recorder._open()
            os.truncate(folder / "journal.jsonl", sizes[0])
            os.truncate(folder / "journal.u64", sizes[1])
            recorder._rewrite_rows()
        return recorder

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files; nothing can be recorded afterwards."""
        for file in (self._journal, self._samples):
            if file is not None:
                file.close()
        self._journal = self._samples = None

    def add(self, result: CellResult) -> None:
        """Record one result: first in the journal, then in ``cells.csv``."""
        with writing("the results"):
            samples = np.asarray(result.samples, dtype="<u8").tobytes()
            self._append(self._samples, samples)
            self._append(self._journal, self._line(result))
            self._remember(result)
            if len(self.results[result.cell]) == 1:
                self._append_row(result.cell)
            else:  # a further load or boot: the cell's row changes
                self._rewrite_rows()

    def marked(self) -> dict[str, int]:
        """Number of cells with a figure (key ``cells``) and, among those, with each mark."""
        counts = Counter({"cells": 0})
        for cell, results in self.results.items():
            values = row(cell, results, self.header.clock)
            if values["status"] == "ok":
                counts.update(["cells", *str(values["marks"]).split()])
        return dict(counts)

    def write_environment(self, environment: dict[str, Any]) -> None:
        """Replace ``environment.json``."""
        text = json.dumps(environment, indent=1, sort_keys=True, default=str)
        self._replace("environment.json", text.encode() + b"\n")

    def write(self, name: str, document: Any) -> None:
        """Replace the JSON file ``name`` of the run folder with ``document``."""
        self._replace(name, json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n")

    def add_kernel_log(self, title: str, text: str) -> None:
        """Append the kernel log ``text`` of one boot to ``kernel.log``, under ``title``."""
        with writing("the kernel log"), (self.folder / "kernel.log").open("a") as file:
            file.write(f"===== {title} =====\n{text.rstrip()}\n")

    def finish(self, *, complete: bool) -> None:
        """Write the Parquet files and ``trials.csv``; remove the journal if ``complete``."""
        with writing("the samples"):
            _write_parquet(self.folder / "samples.parquet", _sample_columns(self._order))
            _write_parquet(
                self.folder / "rounds.parquet", _round_columns(self._order, self.header.clock)
            )
            if trials := stream_counts.table(self._order, self.header.clock):
                self._replace("trials.csv", trials.encode())
        self.close()
        if complete:
            for name in ("journal.jsonl", "journal.u64"):
                (self.folder / name).unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove the files of a run without a measurement, and the folder if it is empty then."""
        self.close()
        for name in ("cells.csv", "environment.json", "journal.jsonl", "journal.u64"):
            (self.folder / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # other files are in it
            self.folder.rmdir()

    def _remember(self, result: CellResult) -> None:
        self.results.setdefault(result.cell, []).append(result)
        self._order.append(result)
        self._rows.pop(result.cell, None)

    def _open(self) -> None:
        # Unbuffered: the kernel has what was written even if this process dies.
        journal = (self.folder / "journal.jsonl").open("ab", buffering=0)
        try:
            fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            journal.close()
            raise UsageError(
                f"Another ringcross process is writing to {self.folder}: "
                "wait until it ends, or end it."
            ) from None
        self._journal = journal
        self._samples = (self.folder / "journal.u64").open("ab", buffering=0)

    def _append(self, file: IO[bytes] | None, data: bytes) -> None:
        """Append ``data``; on a full disk, append nothing."""
        if file is None:
            raise ValueError("the recorder is closed")
        _append_or_truncate(file, data)

    def _line(self, result: CellResult) -> bytes:
        values = {name: getattr(result, name) for name in _RESULT_FIELDS}
        values |= {"number": self._numbers[result.cell], "samples": len(result.samples)}
        return json.dumps(values).encode() + b"\n"

    def _row(self, cell: Cell) -> bytes:
        if cell not in self._rows:  # computing an interval takes milliseconds
            values = row(cell, self.results[cell], self.header.clock)
            self._rows[cell] = _csv(values)
        return self._rows[cell]

    def _append_row(self, cell: Cell) -> None:
        with (self.folder / "cells.csv").open("ab", buffering=0) as file:
            _append_or_truncate(file, self._row(cell))

    def _rewrite_rows(self) -> None:
        header = ",".join(columns(self.header.clock)).encode() + b"\n"
        self._replace("cells.csv", header + b"".join(self._row(cell) for cell in self.results))

    def _replace(self, name: str, data: bytes) -> None:
        """Replace a file with ``data``; on an error, leave it unchanged."""
        part = self.folder / f".{name}.part"
        with writing(name):
            try:
                part.write_bytes(data)
                part.replace(self.folder / name)
            except OSError:
                part.unlink(missing_ok=True)
                raise


def _append_or_truncate(file: IO[bytes], data: bytes) -> None:
    start = file.seek(0, os.SEEK_END)
    try:
        view = memoryview(data)
        while view:
            view = view[file.write(view) :]
    except OSError:
        file.truncate(start)
        raise


def _csv(values: dict[str, Any]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(values), lineterminator="\n")
    writer.writerow({name: _format_value(value) for name, value in values.items()})
    return text.getvalue().encode()


def _format_value(value: Any) -> Any:
    """A float with 9 significant digits, NaN as an empty field; other values unchanged."""
    if isinstance(value, float):
        return "" if value != value else f"{value:.9g}"
    return value


def _read_journal(folder: Path) -> tuple[Header, list[CellResult], tuple[int, int]]:
    """Header, results, and the number of valid bytes in the journal and in its samples."""
    if not (folder / "journal.jsonl").exists():
        raise _no_journal(folder)
    try:
        lines = (folder / "journal.jsonl").read_bytes().splitlines(keepends=True)
        raw = (folder / "journal.u64").read_bytes()
        header = _parse_header(json.loads(lines[0]))
        results: list[CellResult] = []
        journal_bytes, sample_bytes = len(lines[0]), 0
        for line in lines[1:]:
            if not line.endswith(b"\n"):
                break  # incomplete: the cell is measured again
            result, sample_bytes = _parse_line(json.loads(line), header.cells, raw, sample_bytes)
            results.append(result)
            journal_bytes += len(line)
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise DamagedFolder(
            f"{folder}/journal.jsonl is damaged ({type(error).__name__}: {error}). Start a new "
            "run; a report can still be made from cells.csv."
        ) from error
    return header, results, (journal_bytes, sample_bytes)


def _no_journal(folder: Path) -> RingcrossError:
    if not folder.is_dir():
        return UsageError(
            f"There is no run folder {folder}: reports/runs/ holds the recorded runs."
        )
    if (folder / "cells.csv").exists() and (folder / "samples.parquet").exists():
        return UsageError(
            f"The run in {folder} is complete: view it with `ringcross report {folder}`."
        )
    return DamagedFolder(
        f"{folder} has no journal.jsonl, so it is unknown which cells remain to be measured: "
        "start a new run."
    )


def _parse_header(values: dict[str, Any]) -> Header:
    RunOptions.from_json(values["options"])  # raises if a resumed run could not read them
    if values["version"] not in (_VERSION, _VERSION - 1):
        raise ValueError(f"version {values['version']} is not {_VERSION}")
    return Header(
        options=values["options"],
        clock=values["clock"],
        cells=tuple(Cell(**cell) for cell in values["cells"]),
    )


def _parse_line(
    values: dict[str, Any], cells: Sequence[Cell], raw: bytes, start: int
) -> tuple[CellResult, int]:
    """The result of one journal line, and the end of its samples, which begin at ``start``."""
    end = start + 8 * int(values["samples"])
    if end > len(raw):
        raise ValueError("journal.u64 is too short")
    result = CellResult(
        cell=cells[values.pop("number")],
        **values
        | {
            "samples": tuple(np.frombuffer(raw[start:end], dtype="<u8").tolist()),
            "rounds": tuple(values["rounds"]),
            "stream": {_OLD_COUNTERS.get(k, k): tuple(v) for k, v in values["stream"].items()},
            "costs": {k: tuple(v) for k, v in values.get("costs", {}).items()},
            "trials": {_OLD_COUNTERS.get(k, k): v for k, v in values["trials"].items()},
            "events": {k: tuple(v) for k, v in values.get("events", {}).items()},
            "controls": tuple(values.get("controls", ())),
            "log": tuple(values["log"]),
        },
    )
    return result, end


Placed = Sequence[tuple[int, CellResult]]
"""Results, each with its place: its index in the order of measurement."""


def _key_columns(results: Placed, lengths: Sequence[int]) -> dict[str, Any]:
    """Columns that identify a cell, named as in ``cells.csv``, and boot, load and place.

    The values of each result are repeated as often as ``lengths`` gives.
    """
    keys = [
        {name: getattr(result.cell, name) for name in _CELL_FIELDS}
        | {"context": result.context or result.cell.context}
        | {"placement": result.placement or result.cell.placement}
        | {"boot": result.boot, "load": result.load, "place": place}
        for place, result in results
    ]
    names = (*_CELL_FIELDS, "boot", "load", "place")
    return {name: np.repeat([key[name] for key in keys], lengths) for name in names}


def _sample_columns(order: Sequence[CellResult]) -> dict[str, Any]:
    placed = [(place, result) for place, result in enumerate(order) if result.samples]
    results = [result for _, result in placed]
    lengths = [len(result.samples) for result in results]
    overheads = [result.sample_overhead for result in results]
    values = [value for result in results for value in result.samples]
    return _key_columns(placed, lengths) | {
        "value": np.asarray(values, dtype=np.uint64),
        "overhead": np.repeat(np.asarray(overheads, dtype=np.float64), lengths),
    }


def _round_columns(order: Sequence[CellResult], clock: Clock) -> dict[str, Any]:
    placed = [(place, result) for place, result in enumerate(order) if result.rounds]
    results = [result for _, result in placed]
    lengths = [len(result.rounds) for result in results]
    nets = [estimates.net_rounds(result) for result in results]
    counts = [estimates.operations(result) for result in results]
    classes = [estimates.outlier_classes(net) for net in nets]
    controls = [ratios.control_costs(result) for result in results]
    columns = _key_columns(placed, lengths) | {
        "round": np.concatenate([np.arange(n) for n in lengths] or [np.zeros(0, dtype=int)]),
        "value": np.concatenate(nets or [np.zeros(0)]),
        "n": np.concatenate(counts or [np.zeros(0)]),
        "outlier": np.concatenate(classes or [np.zeros(0, dtype=np.int8)]),
    }
    if clock == "time":
        columns["control"] = np.concatenate(controls or [np.zeros(0)])
    return columns


def _write_parquet(path: Path, columns: dict[str, Any]) -> None:
    import pyarrow  # imported here: it loads slowly and is only needed at the end
    import pyarrow.parquet

    part = path.with_name(f".{path.name}.part")
    try:
        pyarrow.parquet.write_table(pyarrow.table(columns), part, compression="zstd")
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
