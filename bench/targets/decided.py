# SPDX-License-Identifier: GPL-2.0-only
"""Results of cells that are known before the boot, because the kernel under test cannot run them.

Each function returns the results of the cells that it decides, by cell.
"""

from __future__ import annotations

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
