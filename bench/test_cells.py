# SPDX-License-Identifier: GPL-2.0-only
"""The benchmarks: one test per cell of the plan, in one group per operation.

``pytest bench/ --channels=netlink -k push`` measures without ``ringcross run``.
"""

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.run.replay import AGENT_CLOCK, Measured


@pytest.mark.benchmark(timer=AGENT_CLOCK)
def test_cell(benchmark: BenchmarkFixture, measured: Measured) -> None:
    """Replay the recorded rounds of one cell, with the agent's clock as the timer."""
    measured.require()
    benchmark.group = measured.cell.operation
    benchmark.extra_info.update(measured.info)
    benchmark.pedantic(measured.run_round, setup=AGENT_CLOCK.reset, rounds=measured.rounds)
