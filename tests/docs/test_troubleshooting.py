# SPDX-License-Identifier: GPL-2.0-only
"""docs/troubleshooting.md: every heading is a message that the code can print."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from bench.paths import ROOT

PAGE = (ROOT / "docs/troubleshooting.md").read_text()
HEADINGS = re.findall(r"^### `(.*)`$", PAGE, re.MULTILINE)


def text_of(node: ast.expr) -> str | None:
    """A string of the code, with … for each part that is computed."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = (str(v.value) if isinstance(v, ast.Constant) else "…" for v in node.values)
        return "".join(parts)
    return None


@cache
def messages() -> str:
    """All strings of the harness, one per line."""
    found = []
    for folder in ("bench", "reports"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.expr) and (text := text_of(node)):
                    found.append(text)
                elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
                    parts = [text_of(node.left), text_of(node.right)]
                    found += ["".join(part or "…" for part in parts)]
    return "\n".join(re.sub("…+", "…", text) for text in found)


def test_there_are_headings() -> None:
    assert len(HEADINGS) > 15


@pytest.mark.parametrize("heading", HEADINGS)
def test_each_heading_is_a_message(heading: str) -> None:
    assert heading in messages()
