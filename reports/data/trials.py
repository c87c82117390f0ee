# SPDX-License-Identifier: GPL-2.0-only
"""Read the rate searches of a run from ``trials.csv``."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reports.data import formats
from reports.data.run import INTEGERS, KEY, DamagedRun, Measured, Run


@dataclass(frozen=True)
class Trial:
    """One stream of a rate search.

    Attributes:
        offered: offered rate, in messages per second or per million instructions.
        loss: share of the offered messages that did not arrive, in percent.
        arrived: rate of delivered messages, in the unit of ``offered``.
        p99: 99th percentile of the latency, in units of the clock.
        verdict: of the agent, see ``bench/agent/protocol/PROTOCOL.md``.
    """

    offered: float
    loss: float
    arrived: float
    p99: float
    verdict: str


@dataclass(frozen=True)
class Sweep:
    """The rate search of one cell: its row and its trials, lowest rate first.

    Trials whose producer was too slow are omitted, because they did not run at the stated rate.
    """

    row: Measured
    trials: tuple[Trial, ...]

    @property
    def rate(self) -> float | None:
        """The highest rate without loss; None if the search found none."""
        return self.row.offered_per_unit if self.row.measured else None


def sweeps(run: Run) -> tuple[Sweep, ...]:
    """The rate searches of a run, one per cell.

    Raises:
        DamagedRun: ``trials.csv`` cannot be parsed.
    """
    trials = _trials(run.path / "trials.csv")
    return tuple(
        Sweep(row, tuple(sorted(trials.get(row.key, ()), key=lambda trial: trial.offered)))
        for row in run.rows
        if row.rate == "search"
    )


def _trials(path: Path) -> dict[tuple[str | int, ...], list[Trial]]:
    """The trials of each cell by its key; empty if the run has no ``trials.csv``."""
    if not path.exists():
        return {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        trials: dict[tuple[str | int, ...], list[Trial]] = {}
        for row in rows:
            # A file of an earlier version does not have these.
            row = {"placement": "", "records": "0"} | row
            key = tuple(int(row[name]) if name in INTEGERS else row[name] for name in KEY)
            if row["offered_per_unit"] and row["verdict"] != "late":
                trials.setdefault(key, []).append(_trial(formats.trial(row)))
    except (OSError, KeyError, ValueError, TypeError, ZeroDivisionError) as error:
        raise DamagedRun(
            f"{path} cannot be read ({type(error).__name__}: {error}). Delete it to render the run "
            "without the trials of its rate searches."
        ) from None
    return trials


def _trial(row: Mapping[str, str]) -> Trial:
    emitted, offered = float(row["emitted"]), float(row["offered_per_unit"])
    return Trial(
        offered=offered,
        loss=100 * float(row["lost"]) / emitted,
        arrived=float(row["delivered_per_unit"]),
        p99=float(row["p99"]),
        verdict=row["verdict"],
    )
