# SPDX-License-Identifier: GPL-2.0-only
"""Progress of a run: a live bar on a terminal, plain lines in a log."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress

from bench.plan.cells import Cell, CellResult


class Progress(Protocol):
    """Receives the progress of a run.  A runner calls these methods while it measures."""

    def start(self, total: int) -> None:
        """Measuring begins; ``total`` results will follow."""

    def say(self, line: str) -> None:
        """Show ``line``, one line of text."""

    def begin(self, cell: Cell) -> None:
        """The measurement of ``cell`` begins."""

    def done(self, result: CellResult) -> None:
        """The measurement of a cell ended with ``result``."""

    def explored(self, count: int, total: int) -> None:
        """Of ``total`` requests for properties and x-rays, ``count`` have been answered."""

    def stop(self) -> None:
        """Measuring has ended."""


class Silent:
    """Shows nothing."""

    def start(self, total: int) -> None:
        """Nothing."""

    def say(self, line: str) -> None:
        """Nothing."""

    def begin(self, cell: Cell) -> None:
        """Nothing."""

    def done(self, result: CellResult) -> None:
        """Nothing."""

    def explored(self, count: int, total: int) -> None:
        """Nothing."""

    def stop(self) -> None:
        """Nothing."""


def clock_text(seconds: float) -> str:
    """``seconds`` as minutes and seconds, e.g. ``2:05``; fractions are cut off."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class Lines:
    """Writes one line per result, for a log file.

    Args:
        write: receives each line, without a newline.
        now: the current time in seconds, from any fixed start.
    """

    def __init__(
        self, write: Callable[[str], None], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._write = write
        self._now = now
        self._started = now()
        self._total = self._count = self._tenth = 0

    def start(self, total: int) -> None:
        """Reset the count and the elapsed time."""
        self._total, self._count, self._started = total, 0, self._now()

    def say(self, line: str) -> None:
        """Write ``line``."""
        self._write(line)

    def begin(self, cell: Cell) -> None:
        """Nothing; :meth:`done` writes the line."""

    def done(self, result: CellResult) -> None:
        """Write count, cell, status, elapsed time and estimated remaining time."""
        self._count += 1
        elapsed = self._now() - self._started
        left = elapsed / self._count * max(self._total - self._count, 0)
        cell = result.cell
        reason = f": {result.reason}" if result.reason else ""
        words = (cell.channel, cell.mode, cell.operation, f"{cell.size} B", *cell.factors)
        self._write(
            f"[{self._count}/{self._total}] {' '.join(words)} {result.status}{reason} "
            f"({clock_text(elapsed)} elapsed, {clock_text(left)} left)"
        )

    def explored(self, count: int, total: int) -> None:
        """Write the count each time another tenth of the total is reached."""
        tenth = 10 * count // total if total else 0
        if tenth > self._tenth:
            self._tenth = tenth
            self._write(f"[{count}/{total}] properties and x-rays")

    def stop(self) -> None:
        """Nothing."""


class Bar:
    """A progress bar on a terminal."""

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
        """Print ``line`` above the bar."""
        self._console.print(line, style="dim", markup=False, highlight=False)

    def begin(self, cell: Cell) -> None:
        """Show the name of the cell beside the bar."""
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], description=cell.name)

    def done(self, result: CellResult) -> None:
        """Advance the bar; print a failure as a line above it."""
        if result.status == "fail":
            self._console.print(
                f"{result.cell.name} failed: {result.reason}", style="red", markup=False
            )
        if self._bar is not None:
            task = self._bar.tasks[0]
            left = task.time_remaining
            text = "" if left is None else f"{clock_text(left)} left"
            self._bar.update(task.id, advance=1, left=text)

    def explored(self, count: int, total: int) -> None:
        """Show a bar of the requests; it is removed with the last answer."""
        if self._bar is None:
            self.start(total)
        if self._bar is not None:
            task = self._bar.task_ids[0]
            self._bar.update(task, completed=count, description="properties and x-rays")
        if count >= total:
            self.stop()

    def stop(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def for_console(console: Console) -> Progress:
    """A :class:`Bar` if ``console`` is a terminal that can redraw, otherwise :class:`Lines`."""
    if console.is_terminal and not console.is_dumb_terminal:
        return Bar(console)
    return Lines(lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True))
