# SPDX-License-Identifier: GPL-2.0-only
"""The path of the repository."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The top folder of the repository."""
