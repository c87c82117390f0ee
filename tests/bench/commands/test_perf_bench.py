# SPDX-License-Identifier: GPL-2.0-only
"""Parsing the output of other tools, and the verdicts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.commands import perf_bench
from bench.commands.perf_bench import TOOLS, Pair, parse_lmbench, parse_perf, rows
from bench.errors import TargetError
from bench.plan.controls import CONTROLS

PERF = """\
# Running 'syscall/basic' benchmark:
# Executed 2000000 getppid() calls
     Total time: 0.165 [sec]

       0.082583 usecs/op
       12108865 ops/sec
"""


def test_perf_bench_is_read() -> None:
    assert parse_perf(PERF) == pytest.approx(82.583)


def test_lmbench_is_read() -> None:
    assert parse_lmbench("Simple syscall: 0.2476 microseconds\n") == pytest.approx(247.6)
    assert parse_lmbench("Signal handler overhead: 1.5 microseconds\n") == pytest.approx(1500)


@pytest.mark.parametrize("parse", [parse_perf, parse_lmbench])
@pytest.mark.parametrize("text", ["", "perf: 'bench' is not a perf-command", "12 usecs", "0.1 s"])
def test_what_is_no_figure_is_refused(parse: perf_bench.Parse, text: str) -> None:
    with pytest.raises(ValueError, match="no "):
        parse(text)


def test_each_tool_measures_a_control() -> None:
    assert all(tool.cell in CONTROLS for tool in TOOLS)


def tool(folder: Path, text: str) -> perf_bench.Tool:
    program = folder / "other"
    program.write_text(f"#!/bin/sh\necho '{text}'\n")
    program.chmod(0o755)
    return replace(TOOLS[0], command=(str(program),))


def test_a_turn_runs_the_tool(tmp_path: Path) -> None:
    assert perf_bench.measure_tool(tool(tmp_path, "  0.5 usecs/op")) == pytest.approx(500)
    with pytest.raises(TargetError, match="has no time per call"):
        perf_bench.measure_tool(tool(tmp_path, "no such benchmark"))


def test_what_a_tool_takes_off_is_taken_off_our_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """lmbench's lat_sig subtracts kill(getpid(), 0) from the cost of a signal to itself."""
    costs = {"syscall-sigself-call-0": 1900.0, "syscall-sigzero-call-0": 300.0}
    monkeypatch.setattr(perf_bench, "measure_control", lambda _, cell: costs[cell.name])
    (signal,) = (each for each in TOOLS if each.command == ("lat_sig", "catch"))
    assert perf_bench.measure_ours(Path("agent"), signal) == 1600
    assert signal.ours == "syscall-sigself-call-0 − syscall-sigzero-call-0"
    plain = replace(signal, taken_off=None)
    assert perf_bench.measure_ours(Path("agent"), plain) == 1900


def test_verdicts() -> None:
    def verdict(control_ns: tuple[float, ...], tool_ns: tuple[float, ...]) -> str:
        (row,) = rows([Pair(TOOLS[0], control_ns, tool_ns)])
        return row[-1]

    assert verdict((100, 101, 102), (99, 99, 100)) == "within 3 %"
    assert verdict((110, 110, 111), (100, 100, 100)) == "differs"
    assert verdict((110, 90, 130), (100, 100, 100)) == "too noisy to tell"


def test_a_machine_without_other_tools_is_told_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(perf_bench, "find", lambda _: None)
    assert perf_bench.main() == 3
    assert "linux-perf" in capsys.readouterr().out


def test_our_side_is_the_least_raw_round(tmp_path: Path) -> None:
    """The agent is a shell script with fixed answers."""
    agent = tmp_path / "agent"
    agent.write_text(
        "#!/bin/sh\n"
        'while [ "$1" != --out ]; do shift; done; exec >"$2"\n'
        """echo '{"re": "hello"}'\n"""
        """echo '{"re": "cell", "id": 0, "status": "ok", "n": 10, "rounds": [900, 800, 700]}'\n"""
        """echo '{"re": "end"}'\n"""
    )
    agent.chmod(0o755)
    assert perf_bench.measure_control(agent, CONTROLS[0]) == 70
