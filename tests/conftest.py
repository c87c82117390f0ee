# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures for all tests."""

from __future__ import annotations

import signal

import pytest


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Print without colours and without wrapping, because tests compare the output."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    # pytest-benchmark measures nothing in a process that has inherited this one.
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)


@pytest.fixture(autouse=True, scope="session")
def _handle_sigint() -> None:
    """Handle SIGINT: shells ignore it in background jobs, and child processes inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
