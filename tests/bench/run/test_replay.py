# SPDX-License-Identifier: GPL-2.0-only
"""Replay of recorded rounds through the timer that pytest-benchmark reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.plan.cells import Cell, CellResult, failed, skipped
from bench.run.replay import AGENT_CLOCK, BenchmarkFile, Measured

CELL = Cell("netlink", "unicast", "push", 64, skip="too large")


def test_each_round_passes_its_net_cost() -> None:
    result = CellResult(CELL, "ok", n=10, rounds=(1020, 2020), round_overhead=20)
    measured = Measured(CELL, [result], "instructions")
    assert measured.rounds == 2
    readings = []
    for _ in range(measured.rounds):
        AGENT_CLOCK.reset()
        measured.run_round()
        readings.append(AGENT_CLOCK())
    assert readings == [pytest.approx(100e-9), pytest.approx(200e-9)]


def test_boots_follow_each_other() -> None:
    results = [CellResult(CELL, "ok", n=1, rounds=(5,), boot=boot) for boot in (0, 1)]
    measured = Measured(CELL, results, "time")
    assert (measured.rounds, measured.info["boots"], measured.info["unit"]) == (2, 2, "ns")


def test_without_a_figure_the_test_skips_or_fails_with_the_reason() -> None:
    with pytest.raises(pytest.skip.Exception, match="too large"):
        Measured(CELL, [skipped(CELL)], "time").require()
    with pytest.raises(pytest.fail.Exception, match="it broke"):
        Measured(CELL, [failed(CELL, "it broke")], "time").require()
    assert not Measured(CELL, [skipped(CELL)], "time").ok


def test_benchmark_file_is_a_path_and_a_file(tmp_path: Path) -> None:
    """pytest-benchmark opens it from 5.3 on, and uses it as an open file before."""
    path = tmp_path / "benchmark.json"
    destination = BenchmarkFile(path)
    assert not path.exists()
    with destination as file:
        file.write(b"older")
    assert file.closed
    assert path.read_bytes() == b"older"
    with open(destination, mode="wb") as file:  # noqa: PTH123 - as pytest-benchmark does
        file.write(b"newer")
    assert path.read_bytes() == b"newer"
