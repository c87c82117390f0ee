# SPDX-License-Identifier: GPL-2.0-only
"""``python -m bench`` is the same as ``ringcross``."""

from bench.commands import entry

entry.main()
