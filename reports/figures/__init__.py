# SPDX-License-Identifier: GPL-2.0-only
"""Figures of a report, drawn as SVG."""
