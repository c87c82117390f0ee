# SPDX-License-Identifier: GPL-2.0-only
"""Read run folders and render them as HTML pages that need no server and no network."""
