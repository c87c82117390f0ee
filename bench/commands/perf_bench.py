# SPDX-License-Identifier: GPL-2.0-only
"""Compare figures of ringcross with those of another tool, for the same system call.

``make bench-against`` prints a table. This is a benchmark and not a test: on a noisy machine, two
tools differ because they run at different times. The tools therefore take turns, and the table
shows how much the turns of one tool differ from each other.
"""

from __future__ import annotations

import re
import shutil
import statistics as std
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import child
from bench.errors import TargetError
from bench.kernels import build
from bench.plan.cells import Cell
from bench.plan.controls import CONTROLS
from bench.plan.plans import PLANS, request
from bench.targets.local import LocalTarget

TURNS = 9
REPEATS = 15
LIMIT = 0.03
"""The two figures may differ by this share."""
_LMBENCH = ("/usr/lib/lmbench/bin", "/usr/local/lib/lmbench/bin")

Parse = Callable[[str], float]


@dataclass(frozen=True)
class Tool:
    """A benchmark of another tool that measures the same system call as one of our controls.

    Attributes:
        name: the name that the table shows.
        cell: the control that makes the same system call.
        command: program and arguments.
        parse: returns nanoseconds per operation from the program's output; raises ValueError
            if the output has no such figure.
        package: the package that contains the program.
        taken_off: a cell whose cost the tool has taken off its figure; it is taken off ours, too.
    """

    name: str
    cell: Cell
    command: tuple[str, ...]
    parse: Parse
    package: str
    taken_off: Cell | None = None

    @property
    def ours(self) -> str:
        """What ringcross measures, as the table shows it."""
        return f"{self.cell.name} − {self.taken_off.name}" if self.taken_off else self.cell.name


def parse_perf(text: str) -> float:
    """Nanoseconds per operation from ``perf bench syscall basic``, which prints ``usecs/op``."""
    return 1000 * _number(r"^\s*([\d.]+)\s+usecs/op\s*$", text)


def parse_lmbench(text: str) -> float:
    """Nanoseconds per operation from lmbench's ``lat_*``, whose output ends in microseconds."""
    return 1000 * _number(r":\s*([\d.]+)\s+microseconds\s*$", text)


def _number(pattern: str, text: str) -> float:
    match = re.search(pattern, text, re.MULTILINE)
    if match is None:
        raise ValueError(f"no {pattern} in {text.strip()[:200]!r}")
    return float(match[1])


_GETPPID, _, _, _SIGNAL = CONTROLS
_KILL = Cell("syscall", "sigzero", "call", 0)

TOOLS = (
    Tool(
        "perf bench syscall basic",
        _GETPPID,
        ("perf", "bench", "syscall", "basic", "-l", "20000"),
        parse_perf,
        "linux-perf",
    ),
    Tool("lat_syscall null", _GETPPID, ("lat_syscall", "null"), parse_lmbench, "lmbench"),
    # Its "signal handler overhead" is a signal to itself less kill(getpid(), 0).
    Tool("lat_sig catch", _SIGNAL, ("lat_sig", "catch"), parse_lmbench, "lmbench", _KILL),
)


@dataclass(frozen=True)
class Pair:
    """The figures of both tools for one system call.

    Attributes:
        tool: the other tool.
        control_ns: nanoseconds per operation of ringcross, one value per turn.
        tool_ns: nanoseconds per operation of the other tool, one value per turn.
    """

    tool: Tool
    control_ns: tuple[float, ...]
    tool_ns: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Median of ringcross divided by the median of the other tool."""
        return std.median(self.control_ns) / std.median(self.tool_ns)

    @property
    def noise(self) -> float:
        """Median distance of the turns from their median, as a share; of the noisier tool."""
        return max(map(_noise, (self.control_ns, self.tool_ns)))

    @property
    def agrees(self) -> bool:
        """Whether the figures differ by at most :data:`LIMIT`."""
        return abs(self.ratio - 1) <= LIMIT


def _noise(values: Sequence[float]) -> float:
    middle = std.median(values)
    return std.median(abs(value - middle) for value in values) / middle


def find(tool: Tool) -> str | None:
    """Path of the tool's program, in ``PATH`` or lmbench's own folders; None if not installed."""
    paths = [None, *_LMBENCH]
    programs = (shutil.which(tool.command[0], path=path) for path in paths)
    return next((program for program in programs if program), None)


def measure_tool(tool: Tool) -> float:
    """One turn of the other tool, in nanoseconds per operation.

    The tool prints a mean, and an interruption can only make a mean longer. The minimum of
    several short runs is therefore compared with the minimum of our rounds.

    Raises:
        TargetError: the output of the tool has no figure.
    """
    return min(_run(tool) for _ in range(REPEATS))


def _run(tool: Tool) -> float:
    program = find(tool)
    assert program, "main() uses installed tools only"
    done = child.run([program, *tool.command[1:]])
    output = done.stdout + done.stderr  # lmbench prints on standard error
    try:
        return tool.parse(output)
    except ValueError as error:
        raise TargetError(
            f"The output of {tool.name} has no time per call ({error}): "
            "check that the command works."
        ) from error


def measure_control(agent: Path, cell: Cell) -> float:
    """One turn of ringcross: the minimum of its rounds, in nanoseconds per operation.

    The loop's own cost is not subtracted, because other tools do not subtract it either.

    Raises:
        TargetError: the agent could not measure the cell.
    """
    requests: list[dict[str, Any]] = [
        {"do": "setup", "clock": "time"},
        request(cell, 0, PLANS["standard"], "time"),
    ]
    target = LocalTarget(agent, needs_modules=False)
    with target.start(requests, seed=1) as session:
        (result,) = [answer for answer in session.answers() if answer["re"] == "cell"]
    if result["status"] != "ok":
        raise TargetError(f"{cell.name} could not be measured: {result['reason']}")
    rounds: list[int] = result["rounds"]
    return min(rounds) / int(result["n"])


def measure_ours(agent: Path, tool: Tool) -> float:
    """One turn of ringcross, less what the tool takes off as well."""
    whole = measure_control(agent, tool.cell)
    return whole - (measure_control(agent, tool.taken_off) if tool.taken_off else 0.0)


def measure(agent: Path, tool: Tool, turns: int = TURNS) -> Pair:
    """Measure with both tools in turns, so that a slow phase of the machine affects both."""
    figures = [(measure_ours(agent, tool), measure_tool(tool)) for _ in range(turns)]
    control_ns, tool_ns = zip(*figures, strict=True)
    return Pair(tool, control_ns, tool_ns)


def rows(pairs: Sequence[Pair]) -> Iterator[tuple[str, ...]]:
    """The rows of the table."""
    for pair in pairs:
        verdict = "within 3 %" if pair.agrees else "differs"
        if not pair.agrees and pair.noise > LIMIT:
            verdict = "too noisy to tell"
        yield (
            pair.tool.ours,
            pair.tool.name,
            f"{std.median(pair.control_ns):.1f}",
            f"{std.median(pair.tool_ns):.1f}",
            f"{pair.ratio - 1:+.1%}",
            f"±{pair.noise:.1%}",
            verdict,
        )


def main() -> int:
    """Print the table; return 1 if a figure differs, 3 if no other tool is installed."""
    console = Console(width=None if sys.stdout.isatty() else 120)
    installed = [tool for tool in TOOLS if find(tool)]
    if not installed:
        console.print(
            "No other tool is installed. Install perf bench with: apt-get install linux-perf. "
            "lmbench's lat_syscall and lat_sig are also used if installed.",
            soft_wrap=True,
        )
        return 3
    agent = build.build_agent()
    pairs = [measure(agent, tool) for tool in installed]
    table = Table(
        title=f"nanoseconds per call, medians of {TURNS} turns each", title_justify="left"
    )
    for name in ("control", "tool", "ringcross", "other tool", "difference", "noise", "verdict"):
        is_text = name in ("control", "tool", "verdict")
        table.add_column(name, justify="left" if is_text else "right")
    for row in rows(pairs):
        table.add_row(*row)
    console.print(table)
    return 0 if all(pair.agrees or pair.noise > LIMIT for pair in pairs) else 1


if __name__ == "__main__":
    sys.exit(main())
