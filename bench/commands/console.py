"""Where the commands print: results to standard output, everything else to standard error."""

from __future__ import annotations

import sys
from typing import NoReturn

from rich.console import Console

OUT = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
ERR = Console(stderr=True, highlight=False)
INTERRUPTED = 130


def fail(sentence: str, code: int) -> NoReturn:
    """Reporter why on standard error, and exit."""
    ERR.print(f"ringcross: {sentence}", style="red", markup=False, soft_wrap=True)
    sys.exit(code)


def dim(line: str) -> None:
    """Print a line of progress on standard error."""
    ERR.print(line, style="dim")
