"""Our figures against another tool's, for the same call on the same machine.

``make bench-against`` prints a table.  It is a benchmark and no test: on a loud machine two
tools differ because their minutes do, so they take turns, and both sides are told with what
they differ from themselves.
"""

from __future__ import annotations

import re
import shutil
import statistics as std
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.errors import TargetError
from bench.kernels import build
from bench.plan.cells import Cell
from bench.plan.controls import CONTROLS
from bench.plan.plans import PLANS, request
from bench.targets.local import LocalTarget

TURNS = 9
REPEATS = 15
LIMIT = 0.03
"""Share by which the two may differ."""
_LMBENCH = ("/usr/lib/lmbench/bin", "/usr/local/lib/lmbench/bin")

Parse = Callable[[str], float]


@dataclass(frozen=True)
class Tool:
    """Another tool's way to measure one of our controls.

    Attributes:
        name: how it is called.
        cell: the control that does the same.
        command: program and arguments.
        parse: nanoseconds per operation from what it prints; ValueError when that is not it.
        package: where it comes from.
    """

    name: str
    cell: Cell
    command: tuple[str, ...]
    parse: Parse
    package: str


def parse_perf(text: str) -> float:
    """Nanoseconds from ``perf bench syscall basic``: its line in microseconds per operation."""
    return 1000 * _number(r"^\s*([\d.]+)\s+usecs/op\s*$", text)


def parse_lmbench(text: str) -> float:
    """Nanoseconds from lmbench's ``lat_*``, which end in so many microseconds."""
    return 1000 * _number(r":\s*([\d.]+)\s+microseconds\s*$", text)


def _number(pattern: str, text: str) -> float:
    match = re.search(pattern, text, re.MULTILINE)
    if match is None:
        raise ValueError(f"no {pattern} in {text.strip()[:200]!r}")
    return float(match[1])


_GETPPID, _, _, _SIGNAL = CONTROLS

TOOLS = (
    Tool(
        "perf bench syscall basic",
        _GETPPID,
        ("perf", "bench", "syscall", "basic", "-l", "20000"),
        parse_perf,
        "linux-perf",
    ),
    Tool("lat_syscall null", _GETPPID, ("lat_syscall", "null"), parse_lmbench, "lmbench"),
    Tool("lat_sig catch", _SIGNAL, ("lat_sig", "catch"), parse_lmbench, "lmbench"),
)


@dataclass(frozen=True)
class Pair:
    """Both figures of one call, turn by turn, in nanoseconds."""

    tool: Tool
    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Ours over theirs, medians of all turns."""
        return std.median(self.ours) / std.median(self.theirs)

    @property
    def noise(self) -> float:
        """How far half the turns of the louder side lie from their median, as a share."""
        return max(map(_noise, (self.ours, self.theirs)))

    @property
    def agrees(self) -> bool:
        """Within 3 %."""
        return abs(self.ratio - 1) <= LIMIT


def _noise(values: Sequence[float]) -> float:
    middle = std.median(values)
    return std.median(abs(value - middle) for value in values) / middle


def find(tool: Tool) -> str | None:
    """The tool's program, also where lmbench's package hides it."""
    places = [None, *_LMBENCH]
    return next((found for at in places if (found := shutil.which(tool.command[0], path=at))), None)


def theirs(tool: Tool) -> float:
    """One turn of the other tool, in nanoseconds per operation.

    It gives means, and an interruption only ever lengthens one: the least of several short
    ones stands beside the least of our rounds.

    Raises:
        TargetError: it does not run, or prints something else.
    """
    return min(_run(tool) for _ in range(REPEATS))


def _run(tool: Tool) -> float:
    program = find(tool)
    assert program, "looked for before"
    done = subprocess.run([program, *tool.command[1:]], capture_output=True, text=True)
    told = done.stdout + done.stderr  # lmbench prints on the latter
    try:
        return tool.parse(told)
    except ValueError as error:
        raise TargetError(f"{tool.name} does not say how long a call took: {error}.") from error


def ours(agent: Path, cell: Cell) -> float:
    """One turn of ours, the least of its rounds, raw: nobody else takes a loop off either."""
    asked: list[dict[str, Any]] = [
        {"do": "setup", "clock": "time"},
        request(cell, 0, PLANS["standard"], "time"),
    ]
    target = LocalTarget(agent, needs_modules=False)
    with target.start(asked, seed=1) as session:
        (told,) = [answer for answer in session.answers() if answer["re"] == "cell"]
    if told["status"] != "ok":
        raise TargetError(f"{cell.name} has no figure: {told['reason']}.")
    rounds: list[int] = told["rounds"]
    return min(rounds) / int(told["n"])


def measure(agent: Path, tool: Tool, turns: int = TURNS) -> Pair:
    """Both, taking turns, so that a slow minute is one of both."""
    pairs = [(ours(agent, tool.cell), theirs(tool)) for _ in range(turns)]
    return Pair(tool, tuple(our for our, _ in pairs), tuple(their for _, their in pairs))


def rows(pairs: Sequence[Pair]) -> Iterator[tuple[str, ...]]:
    """The table's lines."""
    for pair in pairs:
        verdict = "within 3 %" if pair.agrees else "apart"
        if not pair.agrees and pair.noise > LIMIT:
            verdict = "too loud to tell"
        yield (
            pair.tool.cell.name,
            pair.tool.name,
            f"{std.median(pair.ours):.1f}",
            f"{std.median(pair.theirs):.1f}",
            f"{pair.ratio - 1:+.1%}",
            f"±{pair.noise:.1%}",
            verdict,
        )


def main() -> int:
    """Print the table; 1 when a figure is apart, 3 when there is no other tool."""
    console = Console(width=None if sys.stdout.isatty() else 120)
    found = [tool for tool in TOOLS if find(tool)]
    if not found:
        console.print(
            "No other tool is installed: `apt-get install linux-perf` brings perf bench, and "
            "lmbench's lat_syscall is used where it is in the PATH.",
            soft_wrap=True,
        )
        return 3
    agent = build.build_agent()
    pairs = [measure(agent, tool) for tool in found]
    table = Table(
        title=f"nanoseconds per call, medians of {TURNS} turns each", title_justify="left"
    )
    for name in ("control", "against", "ours", "theirs", "differs", "turns differ", ""):
        table.add_column(name, justify="left" if name in ("control", "against", "") else "right")
    for row in rows(pairs):
        table.add_row(*row)
    console.print(table)
    return 0 if all(pair.agrees or pair.noise > LIMIT for pair in pairs) else 1


if __name__ == "__main__":
    sys.exit(main())
