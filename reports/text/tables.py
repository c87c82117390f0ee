# SPDX-License-Identifier: GPL-2.0-only
"""Tables of results in Markdown, for the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]], *, numbers_from: int = 1) -> str:
    """A Markdown table.

    Args:
        head: titles of the columns.
        rows: texts of the cells, one sequence per row.
        numbers_from: the first column that is aligned to the right.
    """
    marks = ["---" if at < numbers_from else "---:" for at in range(len(head))]
    lines = [head, marks, *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
