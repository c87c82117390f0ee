# SPDX-License-Identifier: GPL-2.0-only
"""``python -m bench`` is the same as ``ringcross``."""

from bench.commands.cli import main

main(prog_name="ringcross")
