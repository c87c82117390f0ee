"""stream: a kernel producer emits, the user drains; the cost of one delivered message."""

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.run.replay import AGENT_CLOCK, Measured


@pytest.mark.benchmark(timer=AGENT_CLOCK, group="stream")
def test_stream(benchmark: BenchmarkFixture, measured: Measured) -> None:
    """One cell of the plan: its recorded rounds, replayed on the agent's clock."""
    measured.require()
    benchmark.extra_info.update(measured.info)
    benchmark.pedantic(measured.run_round, setup=AGENT_CLOCK.reset, rounds=measured.rounds)
