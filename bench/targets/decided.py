# SPDX-License-Identifier: GPL-2.0-only
"""Results of cells that are known before the boot, because the kernel under test cannot run them.

Each function returns the results of the cells that it decides, by cell.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from bench.kernels.build import CORE, ModuleBuild
from bench.plan.cells import Cell, CellResult, failed, skipped
from bench.plan.plans import Listing

Decided = Mapping[Cell, CellResult]


def not_built(
    cells: Iterable[Cell], channels: Sequence[Listing], built: ModuleBuild, release: str
) -> dict[Cell, CellResult]:
    """Cells whose kernel half was not built.

    One kernel half that does not build says something about that half, so its cells are skipped.
    Without the core nothing of ours can be measured, so the cells of all kernel halves fail.

    Args:
        cells: the cells of the run.
        channels: entries of the agent's listing.
        built: the result of the build.
        release: the kernel's release, for the reason.
    """
    modules = {channel["name"]: channel["module"] for channel in channels if channel["module"]}
    results = {}
    for cell in cells:
        module = modules.get(cell.channel, "")
        if cell.skip or not module or not built.error_of(module):
            continue
        reason = not_built_reason(module, built, release)
        if CORE in built.failures:
            results[cell] = failed(cell, reason)
        else:
            results[cell] = skipped(replace(cell, skip=reason))
    return results


BARRED_BY_RT = (
    "This kernel is PREEMPT_RT. Its spinlocks may sleep, so this channel cannot emit an event from "
    "a hard interrupt: use the context softirq, which runs in a thread there, or process."
)


def barred_by_rt(
    cells: Iterable[Cell], channels: Sequence[Listing], config: str
) -> dict[Cell, CellResult]:
    """Cells with events from a hard interrupt, on a kernel that forbids them.

    The core refuses such an emission as well, so a wrong entry of the listing does no harm.

    Args:
        cells: the cells of the run.
        channels: entries of the agent's listing.
        config: text of the kernel's ``.config``; empty if it is not known.
    """
    if not re.search("^CONFIG_PREEMPT_RT=y$", config, re.MULTILINE):
        return {}
    barred = {c["name"] for c in channels if c["module"] and not c.get("rt_hardirq")}
    return {
        cell: skipped(replace(cell, skip=BARRED_BY_RT))
        for cell in cells
        if cell.context == "hardirq" and cell.channel in barred and not cell.skip
    }


def not_built_reason(module: str, built: ModuleBuild, release: str) -> str:
    """Why *module* cannot be loaded: the first error of its build, or that of the core."""
    name = CORE if CORE in built.failures else module
    return f"{name} does not build for kernel {release}: {built.error_of(module)}"


def notes(results: Iterable[CellResult]) -> tuple[str, ...]:
    """One sentence per reason to skip cells: how many cells of which channels, and the reason."""
    by_reason: dict[str, list[str]] = {}
    for result in results:
        if result.status == "skip":
            by_reason.setdefault(result.reason, []).append(result.cell.channel)
    return tuple(
        f"{len(names)} {'cell' if len(names) == 1 else 'cells'} of "
        f"{', '.join(dict.fromkeys(names))} {'is' if len(names) == 1 else 'are'} not measured. "
        f"{reason}"
        for reason, names in by_reason.items()
    )
