# SPDX-License-Identifier: GPL-2.0-only
"""How long a run will take, from recorded runs or, without one, from usual costs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from bench.plan.options import RunOptions
from bench.plan.plans import Plan

_QUICK_RESULT = 0.14
"""Seconds for one result of the plan quick, boots and exploration included; counting
instructions on two cores of an ordinary server."""
_QUICK_WORK = 11 * 150_000  # instructions in all rounds of such a result
_BOOT = 12.0  # seconds for a machine that measures nothing, and for the exploration


@dataclass(frozen=True)
class Estimate:
    """How long a run will take.

    Attributes:
        seconds: the estimate.
        source: where it comes from, as a clause.
    """

    seconds: float
    source: str


def estimate(options: RunOptions, plan: Plan, results: int, runs: Path) -> Estimate:
    """Estimate the duration of a run with this number of results.

    Args:
        options: the options of the run; target, plan and, unless it is ``auto``, the clock select
            the recorded runs.
        plan: the plan that the options name.
        results: number of cells to measure, times loads and boots.
        runs: the folder of recorded runs.
    """
    recorded = [
        seconds
        for environment, rows in _recorded(runs)
        if _matches(environment, options) and (seconds := _seconds_per_result(environment, rows))
    ]
    if recorded:
        known = f"{len(recorded)} recorded run{'s' if len(recorded) > 1 else ''}"
        return Estimate(
            results * median(recorded), f"from {known} with plan {options.plan} in {runs}/"
        )
    work = plan.rounds["instructions"] * plan.round_units["instructions"]
    per_result = _QUICK_RESULT * max(1.0, work / _QUICK_WORK)
    return Estimate(
        _BOOT * options.boots + results * per_result,
        f"from usual costs, because {runs}/ has no finished run with plan {options.plan}",
    )


def _recorded(runs: Path) -> Iterator[tuple[dict[str, Any], int]]:
    """``environment.json`` of each recorded run, and the number of its measured cells."""
    for file in sorted(runs.glob("*/environment.json")):
        try:
            environment = json.loads(file.read_text())
            lines = (file.parent / "cells.csv").read_text().splitlines()
        except (OSError, ValueError):
            continue  # a damaged folder gives no estimate
        if isinstance(environment, dict):
            yield environment, sum(",ok," in line or ",fail," in line for line in lines[1:])


def _matches(environment: dict[str, Any], options: RunOptions) -> bool:
    same_clock = options.clock in ("auto", environment.get("clock"))
    same = {name: environment.get(name) for name in ("plan", "target")}
    return same_clock and same == {"plan": options.plan, "target": options.target}


def _seconds_per_result(environment: dict[str, Any], rows: int) -> float:
    """Seconds that one result took; 0 for a run that is unfinished or has no result."""
    results = rows * int(environment.get("boots", 1)) * int(environment.get("loads", 1))
    try:
        finished = datetime.fromisoformat(environment["finished"])
        seconds = (finished - datetime.fromisoformat(environment["started"])).total_seconds()
    except (KeyError, TypeError, ValueError):
        return 0.0
    return seconds / results if results else 0.0
