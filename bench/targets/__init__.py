"""Targets, where the kernel under test runs: a virtual machine, or this machine."""
