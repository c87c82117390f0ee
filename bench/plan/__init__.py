# SPDX-License-Identifier: GPL-2.0-only
"""What a run measures: cells, factors, plans, controls and options."""
