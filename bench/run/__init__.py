# SPDX-License-Identifier: GPL-2.0-only
"""Runs: from the options to the boots, the measurements and the run folder."""
