# SPDX-License-Identifier: GPL-2.0-only
"""``ringcross run --dry-run``: what a run would measure, and how long that takes."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rich.table import Table

from bench.commands import console
from bench.plan.cells import Cell
from bench.plan.options import RUNS, RunOptions
from bench.run import duration
from bench.run.campaign import Campaign
from bench.run.progress import Progress


def describe(
    options: RunOptions, runs: int = 1, progress: Progress | None = None
) -> dict[str, Any]:
    """What a run with these options would do.

    Args:
        options: the options of the run, or of the first of several runs.
        runs: number of runs with other kernels or settings that measure the same cells.
        progress: receives lines of progress, for example while a kernel is fetched to test KVM.

    Returns:
        ``measure`` and ``skip``, lists of cells; ``results``, the number of measurements;
        ``seconds`` and ``source`` of the estimate.

    Raises:
        RingcrossError: an option is wrong, or the agent cannot be built.
    """
    campaign = Campaign(options, progress=progress)
    cells = [cell for cell in campaign.cells if cell not in campaign.results]
    measured = [cell for cell in cells if not cell.skip]
    results = len(measured) * campaign.loads * campaign.options.boots * runs
    estimate = duration.estimate(campaign.options, campaign.plan, results, RUNS)
    return {
        "measure": [cell.name for cell in measured],
        "skip": [{"cell": cell.name, "reason": cell.skip} for cell in cells if cell.skip],
        "results": results,
        "seconds": round(estimate.seconds),
        "source": estimate.source,
        "channels": _by_channel(cells),
    }


def _by_channel(cells: list[Cell]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for cell in cells:
        of_channel = counts.setdefault(cell.channel, {"measure": 0, "skip": 0})
        of_channel["skip" if cell.skip else "measure"] += 1
    return counts


def print_description(description: dict[str, Any]) -> None:
    """Print what :func:`describe` returns."""
    table = Table("channel", "cells to measure", "skipped")
    for name, counts in description["channels"].items():
        table.add_row(name, str(counts["measure"]), str(counts["skip"] or "–"))
    console.OUT.print(table)
    reasons = Counter(skip["reason"] for skip in description["skip"])
    for reason, count in reasons.most_common():
        console.OUT.print(f"{count} skipped: {reason}", markup=False, soft_wrap=True)
    repeated = description["results"] - len(description["measure"])
    more = f", {description['results']} with all loads, boots and kernels" if repeated else ""
    console.OUT.print(
        f"{len(description['measure'])} cells to measure{more}; about "
        f"{_about(description['seconds'])}, {description['source']}. The kernel under test may "
        "skip more. Nothing was measured.",
        markup=False,
        soft_wrap=True,
    )


def _about(seconds: int) -> str:
    """A duration with a precision that an estimate has: ``20 seconds``, ``5 minutes``."""
    if seconds < 90:
        return f"{max(10, 10 * round(seconds / 10))} seconds"
    return f"{round(seconds / 60)} minutes"
