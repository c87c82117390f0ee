# SPDX-License-Identifier: GPL-2.0-only
"""The program ``ringcross``, as ``pip`` installs it.

The module has a name of its own, because ``PYTHONPATH`` may contain another package ``bench``.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> None:
    """Run the command line with the package ``bench`` that is beside this file."""
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    from bench.commands import entry

    entry.main()
