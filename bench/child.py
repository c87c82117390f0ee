# SPDX-License-Identifier: GPL-2.0-only
"""Start other programs, in an environment that does not depend on the user's shell.

make, gcc, git, apt, QEMU and Python all read variables that people export for other projects, such
as ``ARCH``, ``CROSS_COMPILE``, ``LLVM``, ``KBUILD_OUTPUT``, ``CFLAGS``, ``CPATH``, ``MAKEFLAGS`` or
``PYTHONHOME``. Nobody can list them all, so a child gets only the variables listed here.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

_KEPT = frozenset(
    "HOME USER LOGNAME SHELL TERM TZ TMPDIR TMP TEMP LD_LIBRARY_PATH LD_PRELOAD APT_CONFIG "
    "http_proxy https_proxy ftp_proxy all_proxy no_proxy "
    "HTTP_PROXY HTTPS_PROXY FTP_PROXY ALL_PROXY NO_PROXY".split()
)
# Wrappers of the compiler: caches, and the compiler of NixOS, which is found through variables.
_KEPT_PREFIXES = ("CCACHE_", "DISTCC_", "SCCACHE_", "NIX_")
_PLACES = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin")
"""Folders of programs that are searched after those of ``PATH``, which may lack some or be unset.

The ``sbin`` folders contain rmmod and modinfo, and are not in a Debian user's ``PATH``.
"""


def environment(locale: str = "C") -> dict[str, str]:
    """Return the environment of a child process.

    Args:
        locale: the language and encoding of the child's messages. ``C`` gives English ones, which
            ringcross recognises.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT or name.startswith(_KEPT_PREFIXES)
    }
    return kept | {"PATH": search_path(), "LC_ALL": locale}


def search_path() -> str:
    """Return the folders where programs are looked up, as ``PATH`` has them."""
    given = [folder for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    return os.pathsep.join(dict.fromkeys([*given, *_PLACES]))


def run(
    command: Sequence[str | Path], *, cwd: Path | None = None, locale: str = "C"
) -> subprocess.CompletedProcess[str]:
    """Run *command* to its end, and return its status and what it printed.

    Raises:
        OSError: the program cannot be started.
    """
    return subprocess.run(
        command,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env=environment(locale),
    )
