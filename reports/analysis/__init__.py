# SPDX-License-Identifier: GPL-2.0-only
"""Select, compare and check measured data."""
