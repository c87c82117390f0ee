"""One run through pytest: the benchmarks are tests, whoever starts them."""

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
    """Brings a campaign into a pytest session, and remembers how that ended.

    ``conftest.py`` asks the plugin manager for it by its name.
    """

    __name__ = "ringcross-campaign"

    def __init__(self, campaign: Campaign) -> None:
        self.campaign = campaign
        self.interrupted = False
        self.trouble = ""

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Ctrl-C; the exit that ``conftest.py`` makes of an error comes here too."""
        self.interrupted = excinfo.errisinstance(KeyboardInterrupt)

    def pytest_internalerror(self, excrepr: object) -> None:
        """pytest itself, or one of our hooks, failed."""
        self.trouble = str(excrepr)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A benchmark file that cannot be imported."""
        if report.failed:
            self.trouble = report.longreprtext

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """An error around a test; a failed cell shows in the call itself, and is recorded."""
        if report.failed and report.when != "call":
            self.trouble = report.longreprtext


@contextmanager
def _without_pytest_variables() -> Iterator[None]:
    """Hide the user's ``PYTEST_*`` variables: options of theirs are not meant for this session."""
    hidden = {name: value for name, value in os.environ.items() if name.startswith("PYTEST_")}
    for name in hidden:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(hidden)


def _gist(trouble: str) -> str:
    """What a long report of pytest says in the end: its last line marked as the error."""
    lines = [line for line in trouble.splitlines() if line.strip()]
    errors = [line[1:].strip() for line in lines if line.startswith("E  ")]
    return (errors or lines or ["no benchmark was found"])[-1]


def run_campaign(
    options: RunOptions, progress: Progress, provisioner: Provisioner | None = None
) -> tuple[Campaign, int]:
    """Measure what ``options`` ask for, as a pytest session without its own output.

    Returns:
        The campaign, closed, and 0, 1 when cells failed, 130 when interrupted, or the exit
        code of ``campaign.error``.

    Raises:
        RingcrossError: there is nothing to measure, or nothing to do it with.
    """
    campaign = Campaign(options, provisioner=provisioner, progress=progress)
    bridge = Bridge(campaign)
    arguments = [
        str(BENCHMARKS),
        f"--rootdir={BENCHMARKS.parent}",
        f"--config-file={BENCHMARKS.parent / 'pyproject.toml'}",
        # Progress is ours; nor is there anything to capture, cache or rewrite.
        *("-p", "no:terminal", "-p", "no:cacheprovider", "-p", "no:faulthandler"),
        *("--capture=no", "--assert=plain", "--benchmark-quiet"),
    ]
    with campaign, _without_pytest_variables():
        pytest.main(arguments, plugins=[bridge])
    if bridge.interrupted:
        return campaign, INTERRUPTED
    if campaign.error is not None:
        return campaign, campaign.error.exit_code
    if bridge.trouble or not campaign.results:
        raise RingcrossError(f"pytest could not run the benchmarks: {_gist(bridge.trouble)}")
    return campaign, 1 if campaign.failed() else 0
