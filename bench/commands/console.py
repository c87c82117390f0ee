# SPDX-License-Identifier: GPL-2.0-only
"""The output of the commands: results on standard output, all else on standard error."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from traceback import walk_tb
from typing import Any, NoReturn, TextIO

from rich.console import Console

INTERRUPTED = 130
BROKEN_PIPE = 141
"""Exit code if nobody reads standard output any more: 128 and the number of SIGPIPE."""

_LOG_WIDTH = 120
_MIN_WIDTH = 80


class Results(Console):
    """Standard output. An error while writing is raised, for :mod:`bench.commands.cli` to report.

    A table is never narrower than 80 columns: the terminal wraps its lines, but no figure in it is
    cut. In a log it has 120 columns.
    """

    def __init__(self) -> None:
        terminal = sys.stdout is not None and sys.stdout.isatty()
        super().__init__(highlight=False, width=None if terminal else _LOG_WIDTH)
        if terminal:
            self.width = max(self.width, _MIN_WIDTH)

    def on_broken_pipe(self) -> None:
        """Raise the error instead of ending the process."""
        raise


class Messages(Console):
    """Standard error. A run must not end because nobody reads its progress."""

    def __init__(self) -> None:
        super().__init__(stderr=True, highlight=False)

    def on_broken_pipe(self) -> None:
        """Ignore the error."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print; what cannot be written is lost."""
        with contextlib.suppress(OSError):
            super().print(*objects, **options)


OUT = Results()
ERR = Messages()


def fail(message: str, code: int) -> NoReturn:
    """Print an error message on standard error, and exit with *code*."""
    ERR.print(f"ringcross: {message}", style="red", markup=False, soft_wrap=True)
    sys.exit(code)


def dim(line: str) -> None:
    """Print a line of progress on standard error, dimmed."""
    ERR.print(line, style="dim", markup=False)


def is_output(error: OSError) -> bool:
    """Whether *error* occurred while something was printed. Such an error names no file."""
    modules = [frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__)]
    printers = ("rich.", "click.", "bench.commands.")
    return error.filename is None and str(modules[-1]).startswith(printers)


def discard(stream: TextIO) -> None:
    """Drop what is not yet written to a standard stream, so that Python does not try again."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


@contextmanager
def working(line: str) -> Iterator[None]:
    """Show *line* while something lasts: with a moving sign on a terminal, else as a line."""
    if ERR.is_terminal:
        with ERR.status(line):
            yield
    else:
        dim(line)
        yield
