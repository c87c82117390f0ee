# SPDX-License-Identifier: GPL-2.0-only
"""ringcross: a benchmark of the channels between user space and the Linux kernel."""
