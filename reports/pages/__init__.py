# SPDX-License-Identifier: GPL-2.0-only
"""Render the pages of a report from data and templates."""
