# SPDX-License-Identifier: GPL-2.0-only
"""What must be right in this process before the command line is read."""

from __future__ import annotations

import atexit
import codecs
import contextlib
import locale
import os
import sys
from io import TextIOWrapper

from bench.errors import TargetError
from bench.kernels.places import default_cache, writable

PLAIN = {
    "–": "-",
    "—": "-",
    "−": "-",
    "×": "x",
    "→": "->",
    "↔": "<->",
    "≤": "<=",
    "≥": ">=",
    "±": "+-",
    "µ": "u",
    "“": '"',
    "”": '"',
    "’": "'",
    "…": "...",
    "✓": "yes",
}
"""Characters of our output, and what takes their place on a terminal that does not have them."""


def main() -> None:
    """Run ``ringcross`` with the arguments of this process."""
    try:
        prepare()
        from bench.commands.cli import main as command_line
    except KeyboardInterrupt:  # our packages take half a second to load
        sys.exit(130)

    command_line(prog_name="ringcross")


def prepare() -> None:
    """Make the standard streams and the encoding of files independent of the user's settings.

    May start this program again, with the same arguments.
    """
    _open_closed_streams()
    _use_utf8()
    _keep_matplotlib_to_itself()
    codecs.register_error("plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="plain")
    atexit.register(_discard_unwritten_messages)


def _discard_unwritten_messages() -> None:
    """Drop messages that could not be written to standard error.

    Python would try again at the end of the process, and then give it the exit status 120.
    """
    try:
        sys.stderr.flush()
    except OSError:
        from bench.commands.console import discard

        discard(sys.stderr)


def _open_closed_streams() -> None:
    """Open what the caller has closed (``>&-``); otherwise the next file would get its number."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)


def _use_utf8() -> None:
    """Start again in Python's UTF-8 mode, unless the locale's encoding is UTF-8.

    Our files and those that we read are UTF-8. Only the terminal keeps the locale's encoding.
    """
    if sys.flags.utf8_mode or codecs.lookup(locale.getencoding()).name == "utf-8":
        return
    if os.environ.get("PYTHONUTF8") == "1":  # the interpreter was told to ignore it
        return
    environment = {"PYTHONIOENCODING": sys.stdout.encoding, **os.environ, "PYTHONUTF8": "1"}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def _keep_matplotlib_to_itself() -> None:
    """Give matplotlib a folder for its list of fonts, and no settings of the user's.

    Without a folder that it can write, it prints a warning and reads all fonts in each run.
    """
    os.environ.pop("MPLBACKEND", None)
    with contextlib.suppress(TargetError):  # reported where the cache is needed
        if writable(default_cache()):
            os.environ.setdefault("MPLCONFIGDIR", str(default_cache() / "matplotlib"))


def _plain(error: UnicodeError) -> tuple[str | bytes, int]:
    """Replace what the stream cannot encode; a handler for :func:`codecs.register_error`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(PLAIN.get(letter, "?") for letter in text), error.end
