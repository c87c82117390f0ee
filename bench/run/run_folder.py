"""The run folder: written as results arrive, so that a crash loses one cell at most.

While a run is under way the truth is a journal: ``journal.jsonl``, whose first
line says what is to be measured and each further one holds the raw figures of
one cell in one boot, with the samples beside it in ``journal.u64``.  All else in the
folder is made from it.  A complete run has no journal any more.
"""

from __future__ import annotations

import contextlib
import csv
import fcntl
import io
import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import numpy as np

from bench.errors import RingcrossError, UsageError, writing
from bench.plan.cells import UNITS, Cell, CellResult, Clock, interval_of
from bench.run import estimates, rate_search

COLUMNS = (
    "channel operation size threads mode clock unit status reason rounds n min median mean "
    "p50 p90 p99 p999 max ci_low ci_high overhead messages_per_unit bytes_per_unit offered "
    "delivered lost boots context interval burst raw_median reordered duplicated loads p9999 mad "
    "low_severe low_mild high_mild high_severe spread marks rate wait queue refused overruns "
    "offered_per_unit bound factors cpu_user_side cpu_other_side"
).split()
_VERSION = 3
FORMAT = 2
"""Of the run folder; see docs/run-folder.md."""
_CELL = [field.name for field in fields(Cell) if field.compare]
_KEPT = (
    "boot load status reason n rounds round_overhead sample_overhead context stream interval "
    "bound trials cpu log"
).split()
_STREAM = {"raised": "emitted"}
"""Names of counters in journals of version 2."""
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
    """A run folder that cannot be gone on with."""

    default_exit_code = 5


@dataclass(frozen=True)
class Header:
    """What a run is about: its options as they were given, its clock and its cells."""

    options: dict[str, Any]
    clock: Clock
    cells: tuple[Cell, ...]


def new_folder(base: Path, kernel: str, clock: Clock, now: datetime | None = None) -> Path:
    """A name for a run folder below ``base`` that is not taken yet; nothing is made."""
    stamp = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    name = f"{stamp}-{kernel}-{clock}"
    for number in range(1, 1000):
        folder = base / (name if number == 1 else f"{name}-{number}")
        if not folder.exists():
            return folder
    raise UsageError(f"{base} holds a thousand runs of this second: give another --run-dir.")


def row(cell: Cell, results: Sequence[CellResult], clock: Clock) -> dict[str, Any]:
    """One row of ``cells.csv`` from a cell's results, one per load and boot, at least one."""
    worst = next((r for r in results if r.status == "fail"), None)
    worst = worst or next((r for r in results if r.status == "skip"), results[0])
    values: dict[str, Any] = dict.fromkeys(COLUMNS, "")
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
        "factors": " ".join(cell.factors),
        "bound": " ".join(dict.fromkeys(r.bound for r in results if r.bound)),
    }
    if worst.status == "ok":
        values |= asdict(estimates.summarise(results, clock))
        totals = {name: estimates.stream_total(results, key) for name, key in _COUNTERS.items()}
        values |= {name: "" if total is None else total for name, total in totals.items()}
        rates = [rate_search.offered(result, clock) for result in results]
        values["offered_per_unit"] = estimates.middle(rates)
    return values


def _interval(cell: Cell, results: Sequence[CellResult], clock: Clock) -> int:
    """Nanoseconds between bursts: as asked for, or in the middle of those that were found."""
    found = [float(result.interval) for result in results if result.interval]
    return round(estimates.middle(found)) if found else interval_of(cell, clock)


class Recorder:
    """Writes one run folder.

    Make one by :meth:`create` or :meth:`resume`; use it as a context manager.
    All methods that write raise :class:`bench.errors.DiskFull` when there is no room,
    with everything recorded before still in place.
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
        """Start a new run in ``folder``, which is made and must not hold a run."""
        if (folder / "cells.csv").exists() or (folder / "journal.jsonl").exists():
            raise UsageError(
                f"{folder} already holds a run: go on with it by --resume {folder}, "
                "or give another --run-dir."
            )
        recorder = cls(folder, header)
        with writing("the run folder"):
            folder.mkdir(parents=True, exist_ok=True)
            recorder._open()
            first = {
                "version": _VERSION,
                "options": header.options,
                "clock": header.clock,
                "cells": [asdict(cell) for cell in header.cells],
            }
            recorder._append(recorder._journal, json.dumps(first).encode() + b"\n")
            recorder._rewrite_rows()
        return recorder

    @classmethod
    def resume(cls, folder: Path) -> Recorder:
        """Go on with the run in ``folder``; what is half-written is dropped.

        Raises:
            UsageError: there is no run, or it is complete.
            DamagedFolder: its journal cannot be understood.
        """
        header, results, sizes = _read_journal(folder)
        recorder = cls(folder, header)
        for result in results:
            recorder._keep(result)
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
        """Close the files; nothing more can be recorded."""
        for file in (self._journal, self._samples):
            if file is not None:
                file.close()
        self._journal = self._samples = None

    def add(self, result: CellResult) -> None:
        """Record one result: first raw, then as a row of ``cells.csv``."""
        with writing("the results"):
            samples = np.asarray(result.samples, dtype="<u8").tobytes()
            self._append(self._samples, samples)
            self._append(self._journal, self._line(result))
            self._keep(result)
            if len(self.results[result.cell]) == 1:
                self._append_row(result.cell)
            else:  # a further load or boot: the cell has a row already
                self._rewrite_rows()

    def marked(self) -> dict[str, int]:
        """How many cells have a figure (``cells``), and how many of those carry each mark."""
        found = Counter({"cells": 0})
        for cell, results in self.results.items():
            told = row(cell, results, self.header.clock)
            if told["status"] == "ok":
                found.update(["cells", *str(told["marks"]).split()])
        return dict(found)

    def write_environment(self, environment: dict[str, Any]) -> None:
        """Write ``environment.json`` in whole."""
        text = json.dumps(environment, indent=1, sort_keys=True, default=str)
        self._replace("environment.json", text.encode() + b"\n")

    def write(self, name: str, document: Any) -> None:
        """Write a JSON file of the run folder in whole."""
        self._replace(name, json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n")

    def add_kernel_log(self, title: str, text: str) -> None:
        """Append one boot's kernel log under a title of its own."""
        with writing("the kernel log"), (self.folder / "kernel.log").open("a") as file:
            file.write(f"===== {title} =====\n{text.rstrip()}\n")

    def finish(self, *, complete: bool) -> None:
        """Write what is made of the journal, which goes when the run is complete."""
        with writing("the samples"):
            _write_parquet(self.folder / "samples.parquet", _sample_columns(self._order))
            _write_parquet(self.folder / "rounds.parquet", _round_columns(self._order))
            if trials := rate_search.table(self._order, self.header.clock):
                self._replace("trials.csv", trials.encode())
        self.close()
        if complete:
            for name in ("journal.jsonl", "journal.u64"):
                (self.folder / name).unlink(missing_ok=True)

    def discard(self) -> None:
        """Take away a folder in which nothing was measured; other files in it stay."""
        self.close()
        for name in ("cells.csv", "environment.json", "journal.jsonl", "journal.u64"):
            (self.folder / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # it had something in it before
            self.folder.rmdir()

    def _keep(self, result: CellResult) -> None:
        self.results.setdefault(result.cell, []).append(result)
        self._order.append(result)
        self._rows.pop(result.cell, None)

    def _open(self) -> None:
        # Unbuffered: what was written is with the kernel when this process dies.
        journal = (self.folder / "journal.jsonl").open("ab", buffering=0)
        try:
            fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            journal.close()
            raise UsageError(
                f"Another ringcross is measuring into {self.folder}: wait for it, or end it."
            ) from None
        self._journal = journal
        self._samples = (self.folder / "journal.u64").open("ab", buffering=0)

    def _append(self, file: IO[bytes] | None, data: bytes) -> None:
        """Append ``data`` or, on a full disk, nothing of it."""
        if file is None:
            raise ValueError("the recorder is closed")
        _append_whole(file, data)

    def _line(self, result: CellResult) -> bytes:
        values = {name: getattr(result, name) for name in _KEPT}
        values |= {"number": self._numbers[result.cell], "samples": len(result.samples)}
        return json.dumps(values).encode() + b"\n"

    def _row(self, cell: Cell) -> bytes:
        if cell not in self._rows:  # an interval takes milliseconds
            self._rows[cell] = _csv(row(cell, self.results[cell], self.header.clock))
        return self._rows[cell]

    def _append_row(self, cell: Cell) -> None:
        with (self.folder / "cells.csv").open("ab", buffering=0) as file:
            _append_whole(file, self._row(cell))

    def _rewrite_rows(self) -> None:
        head = ",".join(COLUMNS).encode() + b"\n"
        self._replace("cells.csv", head + b"".join(self._row(cell) for cell in self.results))

    def _replace(self, name: str, data: bytes) -> None:
        """Write a file in whole or not at all."""
        part = self.folder / f".{name}.part"
        with writing(name):
            try:
                part.write_bytes(data)
                part.replace(self.folder / name)
            except OSError:
                part.unlink(missing_ok=True)
                raise


def _append_whole(file: IO[bytes], data: bytes) -> None:
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
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writerow({name: _shown(value) for name, value in values.items()})
    return text.getvalue().encode()


def _shown(value: Any) -> Any:
    """A number as short as it is exact enough (9 digits); NaN is an empty field."""
    if isinstance(value, float):
        return "" if value != value else f"{value:.9g}"
    return value


def _read_journal(folder: Path) -> tuple[Header, list[CellResult], tuple[int, int]]:
    """Header, results, and the bytes of each of the two files that are whole."""
    if not (folder / "journal.jsonl").exists():
        raise _no_journal(folder)
    try:
        lines = (folder / "journal.jsonl").read_bytes().splitlines(keepends=True)
        raw = (folder / "journal.u64").read_bytes()
        header = _parse_header(json.loads(lines[0]))
        results: list[CellResult] = []
        good, used = len(lines[0]), 0
        for line in lines[1:]:
            if not line.endswith(b"\n"):
                break  # half-written: measured again
            result, used = _parse_line(json.loads(line), header.cells, raw, used)
            results.append(result)
            good += len(line)
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise DamagedFolder(
            f"{folder}/journal.jsonl is damaged ({type(error).__name__}: {error}): its rows in "
            "cells.csv still make a report, but start a new run to go on."
        ) from error
    return header, results, (good, used)


def _no_journal(folder: Path) -> RingcrossError:
    if not folder.is_dir():
        return UsageError(f"There is no run folder {folder}: see reports/runs/.")
    if (folder / "cells.csv").exists() and (folder / "samples.parquet").exists():
        return UsageError(
            f"The run in {folder} is complete: look at it with `ringcross report {folder}`."
        )
    return DamagedFolder(
        f"{folder} has lost its journal.jsonl, so it is unknown what is left to measure: "
        "start a new run."
    )


def _parse_header(values: dict[str, Any]) -> Header:
    if values["version"] not in (_VERSION, _VERSION - 1):
        raise ValueError(f"version {values['version']} is not {_VERSION}")
    return Header(
        options=values["options"],
        clock=values["clock"],
        cells=tuple(Cell(**cell) for cell in values["cells"]),
    )


def _parse_line(
    values: dict[str, Any], cells: Sequence[Cell], raw: bytes, used: int
) -> tuple[CellResult, int]:
    end = used + 8 * int(values["samples"])
    if end > len(raw):
        raise ValueError("journal.u64 is too short")
    result = CellResult(
        cell=cells[values.pop("number")],
        **values
        | {
            "samples": tuple(np.frombuffer(raw[used:end], dtype="<u8").tolist()),
            "rounds": tuple(values["rounds"]),
            "stream": {_STREAM.get(k, k): tuple(v) for k, v in values["stream"].items()},
            "log": tuple(values["log"]),
        },
    )
    return result, end


Placed = Sequence[tuple[int, CellResult]]
"""Results, each with its place in the order in which they came."""


def _key_columns(results: Placed, lengths: Sequence[int]) -> dict[str, Any]:
    """What tells the cells apart, named as in ``cells.csv``, with boot, load and place."""
    whose = [
        {name: getattr(result.cell, name) for name in _CELL}
        | {"context": result.context or result.cell.context}
        | {"boot": result.boot, "load": result.load, "place": place}
        for place, result in results
    ]
    names = (*_CELL, "boot", "load", "place")
    return {name: np.repeat([one[name] for one in whose], lengths) for name in names}


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


def _round_columns(order: Sequence[CellResult]) -> dict[str, Any]:
    placed = [(place, result) for place, result in enumerate(order) if result.rounds]
    results = [result for _, result in placed]
    lengths = [len(result.rounds) for result in results]
    nets = [estimates.net_rounds(result) for result in results]
    done = [estimates.operations(result) for result in results]
    classes = [estimates.classes(net) for net in nets]
    return _key_columns(placed, lengths) | {
        "round": np.concatenate([np.arange(n) for n in lengths] or [np.zeros(0, dtype=int)]),
        "value": np.concatenate(nets or [np.zeros(0)]),
        "n": np.concatenate(done or [np.zeros(0)]),
        "outlier": np.concatenate(classes or [np.zeros(0, dtype=np.int8)]),
    }


def _write_parquet(path: Path, columns: dict[str, Any]) -> None:
    import pyarrow  # here, since it is slow to load and needed at the end only
    import pyarrow.parquet

    part = path.with_name(f".{path.name}.part")
    try:
        pyarrow.parquet.write_table(pyarrow.table(columns), part, compression="zstd")
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
