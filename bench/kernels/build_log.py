# SPDX-License-Identifier: GPL-2.0-only
"""Read the log of a module build: its first problem, and the modules that were not built."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path

_WARNING = re.compile(r"\b(?:warning|WARNING):")
_ERROR = re.compile(r"\b(?:error|fatal error|ERROR):")
_STOP = re.compile(r"\*\*\* ")
# These lines concern the host's compiler, clock or pahole, not the code that is built.
_HARMLESS = re.compile(
    r"warning: +(?:the compiler differs|pahole version differs|Clock skew detected)"
    r"|Skipping BTF generation"
)
# For example "make[2]: *** [scripts/Makefile.build:250: /tree/ioctl/kernel.o] Error 1".
_FAILED_TARGET = re.compile(r"\*\*\* \[(?:[^\]]*: )?(?P<target>[^\]\s]+)\] Error")
_MODULE = re.compile(r"\bringcross_(?P<folder>\w+)")


def first_problem(log: str) -> str:
    """Return the first line of a build log with a warning or an error; empty if there is none."""
    return next(_problems(log, _WARNING, _ERROR, _STOP), "")


def first_warning(log: str) -> str:
    """Return the first line of a build log with a warning; empty if there is none."""
    return next(_problems(log, _WARNING), "")


def failed_folders(log: str, folders: Collection[str], tree: Path) -> dict[str, str]:
    """Return the folders whose module was not built, each with its first error.

    Args:
        log: the output of ``make --keep-going --output-sync=target``, which prints the messages
            of each target together, followed by make's own line about its failure.
        folders: names of the folders that have a kernel half.
        tree: the directory in which make built them.
    """
    found: dict[str, str] = {}
    error = ""
    for line in log.splitlines():
        if failed := _FAILED_TARGET.search(line):
            folder = _folder(failed["target"].removeprefix(f"{tree}/"))
            if folder in folders:
                found.setdefault(folder, error or line.strip())
            error = ""
        elif line.startswith("ERROR: modpost:"):
            # modpost checks all modules in one go; only its message names the module.
            named = _MODULE.search(line)
            if named and named["folder"] in folders:
                found.setdefault(named["folder"], line.strip())
        elif not error and _ERROR.search(line):
            error = line.strip()
    return {folder: line.replace(f"{tree}/", "") for folder, line in found.items()}


def _problems(log: str, *patterns: re.Pattern[str]) -> Iterator[str]:
    for line in log.splitlines():
        if any(pattern.search(line) for pattern in patterns) and not _HARMLESS.search(line):
            yield line.strip()


def _folder(target: str) -> str:
    """The folder that a target relative to the tree belongs to, or an arbitrary other word."""
    module = _MODULE.match(target)
    return module["folder"] if module else target.partition("/")[0]
