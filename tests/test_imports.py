# SPDX-License-Identifier: GPL-2.0-only
"""Imports run one way: each room imports only the rooms below it.

docs/architecture.md draws the same order.  Imports inside functions count as well.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from bench.paths import ROOT

BENCH = (("commands",), ("run",), ("explore",), ("targets", "host"), ("kernels", "plan"))
REPORTS = (("pages",), ("figures",), ("analysis",), ("data",), ("text",))
BASE = {"bench.child", "bench.errors", "bench.paths"}
"""Modules that every room of ``bench`` may import."""

FILES = sorted(path for name in ("bench", "reports") for path in (ROOT / name).rglob("*.py"))


def module(path: Path) -> str:
    dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return dotted.removesuffix(".__init__")


MODULES = {module(path) for path in FILES}


def imports(path: Path) -> Iterator[str]:
    """The modules of ours that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            below = [f"{node.module}.{name.name}" for name in node.names]
            found = [name if name in MODULES else str(node.module) for name in below]
            yield from dict.fromkeys(found)


def rank(name: str, order: tuple[tuple[str, ...], ...]) -> int | None:
    """How high a module's room is; None for one in no room."""
    parts = name.split(".")
    rooms = [n for n, level in enumerate(order) if len(parts) > 1 and parts[1] in level]
    return len(order) - rooms[0] if rooms else None


@pytest.mark.parametrize("path", FILES, ids=module)
def test_a_room_imports_only_what_is_below_it(path: Path) -> None:
    name = module(path)
    order = BENCH if name.startswith("bench") else REPORTS
    mine = rank(name, order)
    for other in imports(path):
        if name.split(".")[0] != other.split(".")[0]:
            assert name.startswith("bench.commands."), f"{name} imports {other}"
            continue
        theirs = rank(other, order)
        if mine is not None and other not in BASE:
            same_room = name.split(".")[1] == other.split(".")[1]
            assert same_room or (theirs is not None and theirs < mine), f"{name} imports {other}"


def test_every_module_is_in_a_room() -> None:
    free = BASE | {"bench", "bench.__main__", "bench.test_cells", "reports"}
    homeless = {
        name
        for name in MODULES - free
        if rank(name, BENCH if name.startswith("bench") else REPORTS) is None
    }
    assert homeless == set()


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {module(path): set(imports(path)) - {module(path)} for path in FILES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))
