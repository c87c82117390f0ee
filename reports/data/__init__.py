# SPDX-License-Identifier: GPL-2.0-only
"""Read run folders and the sources of the channels."""
