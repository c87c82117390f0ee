# SPDX-License-Identifier: GPL-2.0-only
"""Runs a campaign as a pytest session: each cell is one benchmark test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench.errors import RingcrossError
from bench.paths import ROOT
from bench.plan.options import RunOptions
from bench.run.campaign import Campaign
from bench.run.progress import Progress
from bench.targets.provision import Provisioner

BENCHMARKS = ROOT / "bench"
INTERRUPTED = 130


class Bridge:
    """A pytest plugin that provides a campaign to the session and records how the session ended.

    ``conftest.py`` gets it from the plugin manager by its ``__name__``.

    Attributes:
        campaign: the campaign that the session runs.
        interrupted: whether Ctrl-C ended the session.
        error_text: pytest's report of an error outside the benchmarks; empty if there is none.
    """

    __name__ = "ringcross-campaign"

    def __init__(self, campaign: Campaign) -> None:
        self.campaign = campaign
        self.interrupted = False
        self.error_text = ""

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Called for Ctrl-C, and for ``pytest.exit()``, which ``conftest.py`` calls on an error."""
        self.interrupted = excinfo.errisinstance(KeyboardInterrupt)

    def pytest_internalerror(self, excrepr: object) -> None:
        """Called when pytest itself or a hook failed."""
        self.error_text = str(excrepr)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Record that a benchmark file cannot be imported."""
        if report.failed:
            self.error_text = report.longreprtext

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record an error in setup or teardown; a failed cell fails the call and is recorded."""
        if report.failed and report.when != "call":
            self.error_text = report.longreprtext


@contextmanager
def _without_users_pytest() -> Iterator[None]:
    """Hide the user's pytest options and plugins, which must not apply here.

    Options are in the environment variables ``PYTEST_*``. pytest also loads every plugin that is
    installed, and one that shuffles or repeats tests would change a run.
    """
    hidden = {name: value for name, value in os.environ.items() if name.startswith("PYTEST_")}
    for name in hidden:
        del os.environ[name]
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    try:
        yield
    finally:
        del os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"]
        os.environ.update(hidden)


def _last_error_line(error_text: str) -> str:
    """The last error line of pytest's report (marked ``E``), or its last line without one."""
    lines = [line for line in error_text.splitlines() if line.strip()]
    errors = [line[1:].strip() for line in lines if line.startswith("E  ")]
    return (errors or lines or ["no benchmark was found"])[-1]


def run_campaign(
    options: RunOptions, progress: Progress, provisioner: Provisioner | None = None
) -> tuple[Campaign, int]:
    """Measure what ``options`` request, in a pytest session that prints nothing.

    Returns:
        The closed campaign and an exit code: 0; 1 if cells failed; 130 if interrupted; else
        the exit code of ``campaign.error``.

    Raises:
        RingcrossError: the options are wrong, the agent cannot be built, or pytest cannot run
            the benchmarks.
    """
    campaign = Campaign(options, provisioner=provisioner, progress=progress)
    bridge = Bridge(campaign)
    arguments = [
        str(BENCHMARKS),
        f"--rootdir={BENCHMARKS.parent}",
        f"--config-file={BENCHMARKS.parent / 'pyproject.toml'}",
        *("-p", "pytest_benchmark.plugin"),
        # ringcross shows its own progress; capturing, caching and rewriting are not needed.
        *("-p", "no:terminal", "-p", "no:cacheprovider", "-p", "no:faulthandler"),
        *("--capture=no", "--assert=plain", "--benchmark-quiet"),
    ]
    with campaign, _without_users_pytest():
        pytest.main(arguments, plugins=[bridge])
    if bridge.interrupted:
        return campaign, INTERRUPTED
    if campaign.error is not None:
        return campaign, campaign.error.exit_code
    if bridge.error_text or not campaign.results:
        raise RingcrossError(
            f"pytest could not run the benchmarks: {_last_error_line(bridge.error_text)}"
        )
    return campaign, 1 if campaign.failed() else 0
