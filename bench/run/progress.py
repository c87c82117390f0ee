"""How a run tells where it is: a live line on a terminal, plain lines in a log."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress

from bench.plan.cells import Cell, CellResult


class Progress(Protocol):
    """What a runner tells while it works."""

    def start(self, total: int) -> None:
        """``total`` measurements are ahead."""

    def say(self, line: str) -> None:
        """One thing that is worth a line."""

    def begin(self, cell: Cell) -> None:
        """This cell is being measured now."""

    def done(self, result: CellResult) -> None:
        """A cell has been measured, or will not be."""

    def stop(self) -> None:
        """Nothing more comes."""


class Silent:
    """Tells nothing."""

    def start(self, total: int) -> None:
        """Nothing."""

    def say(self, line: str) -> None:
        """Nothing."""

    def begin(self, cell: Cell) -> None:
        """Nothing."""

    def done(self, result: CellResult) -> None:
        """Nothing."""

    def stop(self) -> None:
        """Nothing."""


def clock_text(seconds: float) -> str:
    """Minutes and seconds, e.g. ``2:05``."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class Lines:
    """One line per cell, for a log file."""

    def __init__(
        self, write: Callable[[str], None], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._write = write
        self._now = now
        self._begun = now()
        self._total = self._count = 0

    def start(self, total: int) -> None:
        """Begin to count."""
        self._total, self._count, self._begun = total, 0, self._now()

    def say(self, line: str) -> None:
        """Write it."""
        self._write(line)

    def begin(self, cell: Cell) -> None:
        """Nothing: the line comes when the cell is done."""

    def done(self, result: CellResult) -> None:
        """Write count, cell, status, elapsed time and what is left of it."""
        self._count += 1
        elapsed = self._now() - self._begun
        left = elapsed / self._count * max(self._total - self._count, 0)
        cell = result.cell
        reason = f": {result.reason}" if result.reason else ""
        self._write(
            f"[{self._count}/{self._total}] {cell.channel} {cell.mode} {cell.operation} "
            f"{cell.size} B {result.status}{reason} "
            f"({clock_text(elapsed)} elapsed, {clock_text(left)} left)"
        )

    def stop(self) -> None:
        """Nothing."""


class Bar:
    """A live line on a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: RichProgress | None = None

    def start(self, total: int) -> None:
        """Show an empty bar."""
        self.stop()
        self._bar = RichProgress(
            TextColumn("[cyan]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[left]}"),
            console=self._console,
            transient=True,
        )
        self._bar.add_task("booting", total=total, left="")
        self._bar.start()

    def say(self, line: str) -> None:
        """Print it above the bar."""
        self._console.print(line, style="dim", markup=False, highlight=False)

    def begin(self, cell: Cell) -> None:
        """Show which cell is measured."""
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], description=cell.name)

    def done(self, result: CellResult) -> None:
        """Advance; a failure gets a line that stays."""
        if result.status == "fail":
            self._console.print(
                f"{result.cell.name} failed: {result.reason}", style="red", markup=False
            )
        if self._bar is not None:
            task = self._bar.tasks[0]
            left = task.time_remaining
            shown = "" if left is None else f"{clock_text(left)} left"
            self._bar.update(task.id, advance=1, left=shown)

    def stop(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def for_console(console: Console) -> Progress:
    """A bar on a terminal, plain lines elsewhere."""
    if console.is_terminal:
        return Bar(console)
    return Lines(lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True))
