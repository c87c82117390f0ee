# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures for all tests, and ``--channels``, which tests only the contract of some channels."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from bench.errors import RingcrossError
from bench.plan.options import words
from tests.vm import machine

DESELECTED = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    """Restrict the tests of each channel to those of ``--channels``, before they are collected."""
    if names := words(config.getoption("--channels")):
        try:
            machine.choose(names)
        except RingcrossError as error:
            raise pytest.UsageError(str(error)) from error


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With ``--channels``, deselect the tests that are not about each channel."""
    if not machine.are_chosen():
        return
    others = [item for item in items if not item.get_closest_marker("contract")]
    config.hook.pytest_deselected(items=others)
    config.stash[DESELECTED] = len(others)
    if hasattr(config, "workeroutput"):  # a worker of pytest-xdist, which prints no summary
        config.workeroutput["deselected"] = len(others)
    items[:] = [item for item in items if item.get_closest_marker("contract")]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the number of deselected tests from a worker of pytest-xdist; all have the same."""
    output = getattr(node, "workeroutput", {})
    node.config.stash[DESELECTED] = output.get("deselected", 0)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say how many tests ``--channels`` left out."""
    if count := config.stash.get(DESELECTED, 0):
        terminalreporter.write_line(
            f"--channels={config.getoption('--channels')}: {count} tests that are not about these "
            "channels were deselected; make test without CHANNELS runs all."
        )


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Print without colours and without wrapping, because tests compare the output."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    # pytest-benchmark measures nothing in a process that has inherited this one.
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)


@pytest.fixture(autouse=True, scope="session")
def _handle_signals() -> None:
    """Handle SIGINT, which shells ignore in background jobs, and SIGHUP, which nohup ignores.

    Child processes inherit it when a signal is ignored.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
