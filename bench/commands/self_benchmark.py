# SPDX-License-Identifier: GPL-2.0-only
"""Measure what ringcross itself costs, and compare it with limits: ``make bench-self``.

This is a benchmark and not a test, because wall-clock figures vary on a noisy machine.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.kernels import build, catalog
from bench.targets.vm import VmTarget
from reports.pages.render import render


@dataclass(frozen=True)
class Figure:
    """One measured cost and its limit.

    Attributes:
        what: what was measured.
        value: the measured value, in ``unit``.
        limit: the highest acceptable value, in ``unit``.
        unit: the unit of both.
    """

    what: str
    value: float
    limit: float
    unit: str

    @property
    def within_limit(self) -> bool:
        """Whether the value is acceptable."""
        return self.value <= self.limit


def boot() -> list[Figure]:
    """Time from the start of QEMU to the agent's ``hello``, without requests; and memory."""
    kernel = catalog.find("stock")
    target = VmTarget(kernel=kernel, agent=build.build_agent(), modules=build.build_modules(kernel))
    started = time.monotonic()
    with target.start([], seed=1) as session:
        next(session.answers())
        elapsed = time.monotonic() - started
    return [
        Figure("boot to agent ready", elapsed, 15, "s"),
        Figure("memory of the virtual machine", target.memory, 512, "MB"),
    ]


def plan(name: str, limit: float, folder: Path) -> Figure:
    """Time of ``ringcross run`` without the report; kernel, agent and modules are built already."""
    started = time.monotonic()
    command = ["--plan", name, "--clock", "instructions", "--accel", "tcg", "--no-report"]
    subprocess.run(
        [sys.executable, "-m", "bench", "run", *command, "--run-dir", folder],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return Figure(f"plan {name}", time.monotonic() - started, limit, "s")


def report(folder: Path) -> list[Figure]:
    """Time to render a report, and its size."""
    started = time.monotonic()
    page = render([folder])
    elapsed = time.monotonic() - started
    size = sum(file.stat().st_size for file in page.parent.rglob("*") if file.is_file())
    return [
        Figure("report rendered", elapsed, 10, "s"),
        Figure("report size", size / 1e6, 5, "MB"),
    ]


def show(figures: list[Figure]) -> None:
    """Print the figures and their limits."""
    table = Table(title="Cost of ringcross itself")
    for column in ("what", "measured", "limit", "verdict"):
        table.add_column(column, justify="right" if column in ("measured", "limit") else "left")
    for figure in figures:
        table.add_row(
            figure.what,
            f"{figure.value:.1f} {figure.unit}",
            f"≤ {figure.limit:g} {figure.unit}",
            "ok" if figure.within_limit else "[red]exceeded",
        )
    Console().print(table)


def main() -> int:
    """Measure and print all figures; return 1 if one exceeds its limit."""
    with tempfile.TemporaryDirectory(prefix="ringcross-self-") as directory:
        folder = Path(directory)
        figures = [
            *boot(),
            plan("quick", 60, folder / "quick"),
            plan("standard", 240, folder / "standard"),
            *report(folder / "standard"),
        ]
    show(figures)
    return 0 if all(figure.within_limit for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
