# SPDX-License-Identifier: GPL-2.0-only
"""Targets, where the kernel under test runs: a virtual machine, or this machine."""
