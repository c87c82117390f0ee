# SPDX-License-Identifier: GPL-2.0-only
"""The machine that the harness runs on: its installed packages and its settings."""
