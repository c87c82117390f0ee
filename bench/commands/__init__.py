# SPDX-License-Identifier: GPL-2.0-only
"""The subcommands of ``ringcross``, one file each; they parse options and print results."""
