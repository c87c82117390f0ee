# SPDX-License-Identifier: GPL-2.0-only
"""The output of the commands: results on standard output, all else on standard error."""

from __future__ import annotations

import sys
from typing import NoReturn

from rich.console import Console

OUT = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
ERR = Console(stderr=True, highlight=False)
INTERRUPTED = 130


def fail(message: str, code: int) -> NoReturn:
    """Print an error message on standard error, and exit with *code*."""
    ERR.print(f"ringcross: {message}", style="red", markup=False, soft_wrap=True)
    sys.exit(code)


def dim(line: str) -> None:
    """Print a line of progress on standard error, dimmed."""
    ERR.print(line, style="dim", markup=False)
