"""Kernels under test: find and fetch them, build modules against them, pack an initramfs."""
