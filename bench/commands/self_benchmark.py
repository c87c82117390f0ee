"""What ringcross itself costs: ``make bench-self`` holds it against its own promises.

Wall-clock figures of a loud machine vary, so these are a benchmark and not a test.
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
    """One measured cost beside what we promise.

    Attributes:
        what: what was measured.
        value: as measured, in ``unit``.
        limit: the most it may be.
        unit: of both.
    """

    what: str
    value: float
    limit: float
    unit: str

    @property
    def kept(self) -> bool:
        """Whether the promise holds."""
        return self.value <= self.limit


def boot() -> list[Figure]:
    """From the start of QEMU to the agent's hello, with no more than that to do."""
    kernel = catalog.find("stock")
    target = VmTarget(kernel=kernel, agent=build.build_agent(), modules=build.build_modules(kernel))
    begun = time.monotonic()
    with target.start([], seed=1) as session:
        next(session.answers())
        took = time.monotonic() - begun
    return [
        Figure("boot to agent ready", took, 15, "s"),
        Figure("memory of the virtual machine", target.memory, 512, "MB"),
    ]


def plan(name: str, limit: float, folder: Path) -> Figure:
    """A whole ``ringcross run``, warm, up to and with the last row; without the report."""
    begun = time.monotonic()
    command = ["--plan", name, "--clock", "instructions", "--accel", "tcg", "--no-report"]
    subprocess.run(
        [sys.executable, "-m", "bench", "run", *command, "--run-dir", folder],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return Figure(f"plan {name}", time.monotonic() - begun, limit, "s")


def report(folder: Path) -> list[Figure]:
    """Rendering of a run, and what came of it."""
    begun = time.monotonic()
    page = render([folder])
    took = time.monotonic() - begun
    size = sum(file.stat().st_size for file in page.parent.rglob("*") if file.is_file())
    return [
        Figure("report rendered", took, 10, "s"),
        Figure("report size", size / 1e6, 5, "MB"),
    ]


def show(figures: list[Figure]) -> None:
    """Print the figures beside their limits."""
    table = Table(title="ringcross, measured by itself")
    for column in ("what", "measured", "promised", ""):
        table.add_column(column, justify="right" if column in ("measured", "promised") else "left")
    for figure in figures:
        table.add_row(
            figure.what,
            f"{figure.value:.1f} {figure.unit}",
            f"≤ {figure.limit:g} {figure.unit}",
            "kept" if figure.kept else "[red]broken",
        )
    Console().print(table)


def main() -> int:
    """Measure all; 1 when a promise is broken."""
    with tempfile.TemporaryDirectory(prefix="ringcross-self-") as place:
        folder = Path(place)
        figures = [
            *boot(),
            plan("quick", 60, folder / "quick"),
            plan("standard", 240, folder / "standard"),
            *report(folder / "standard"),
        ]
    show(figures)
    return 0 if all(figure.kept for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
