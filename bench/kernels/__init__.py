# SPDX-License-Identifier: GPL-2.0-only
"""Kernels under test: find and fetch them, build modules against them, pack an initramfs."""
