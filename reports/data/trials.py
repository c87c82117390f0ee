"""The rate searches of a run, read from ``trials.csv``."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reports.data import formats
from reports.data.run import KEY, WHOLE, DamagedRun, Measured, Run


@dataclass(frozen=True)
class Trial:
    """One stream that was tried.

    Attributes:
        offered: messages per second or per million instructions.
        loss: share of them that did not arrive, in percent.
        arrived: as ``offered``, but of those that did.
        p99: units of the clock that 99 % of the latencies do not exceed.
        verdict: of the agent, see ``bench/agent/protocol/PROTOCOL.md``.
    """

    offered: float
    loss: float
    arrived: float
    p99: float
    verdict: str


@dataclass(frozen=True)
class Sweep:
    """A searched cell and all that was tried for it, slowest first.

    Streams whose producer could not keep the rate are left out: they were of another one.
    """

    row: Measured
    trials: tuple[Trial, ...]

    @property
    def rate(self) -> float | None:
        """The highest rate without loss; None where there is none."""
        return self.row.offered_per_unit if self.row.measured else None


def sweeps(run: Run) -> tuple[Sweep, ...]:
    """All cells that were searched.

    Raises:
        DamagedRun: ``trials.csv`` cannot be understood.
    """
    tried = _trials(run.path / "trials.csv")
    return tuple(
        Sweep(row, tuple(sorted(tried.get(row.key, ()), key=lambda trial: trial.offered)))
        for row in run.rows
        if row.rate == "search"
    )


def _trials(path: Path) -> dict[tuple[str | int, ...], list[Trial]]:
    """The trials of each cell; nothing where none were recorded."""
    if not path.exists():
        return {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        found: dict[tuple[str | int, ...], list[Trial]] = {}
        for row in rows:
            key = tuple(int(row[name]) if name in WHOLE else row[name] for name in KEY)
            if row["offered_per_unit"] and row["verdict"] != "late":
                found.setdefault(key, []).append(_trial(formats.trial(row)))
    except (OSError, KeyError, ValueError, TypeError, ZeroDivisionError) as error:
        raise DamagedRun(
            f"{path} cannot be read ({type(error).__name__}: {error}); delete it to see the run "
            "without what was tried around the highest rates."
        ) from None
    return found


def _trial(row: Mapping[str, str]) -> Trial:
    emitted, offered = float(row["emitted"]), float(row["offered_per_unit"])
    return Trial(
        offered=offered,
        loss=100 * float(row["lost"]) / emitted,
        arrived=float(row["delivered_per_unit"]),
        p99=float(row["p99"]),
        verdict=row["verdict"],
    )
