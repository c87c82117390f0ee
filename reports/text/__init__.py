# SPDX-License-Identifier: GPL-2.0-only
"""Numbers, units and the fixed sentences about each clock."""
