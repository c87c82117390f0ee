# SPDX-License-Identifier: GPL-2.0-only
"""Run a program as a user who has no name, no home directory and no files."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

UID = 12345
PREFIX = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"]
"""Put before a command, these words run it as that user."""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@contextmanager
def folder() -> Iterator[Path]:
    """A folder of root that other users can enter; pytest's own folders are closed to them."""
    path = Path(tempfile.mkdtemp(prefix="ringcross-test-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path)
