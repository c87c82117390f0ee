"""What can be measured, as tables: channels, their operations, and why one is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.cells import OPERATIONS
from bench.plan import Listing

README_BEGINS = "<!-- made by: ringcross list --markdown -->"
README_ENDS = "<!-- end of what is made -->"


@dataclass(frozen=True)
class Row:
    """One channel.

    Attributes:
        name: of its folder in ``modules/``.
        summary: half a line.
        has: for each of :data:`OPERATIONS` in order whether some mode does it.
        cannot: a sentence for each operation that none does.
    """

    name: str
    summary: str
    has: tuple[bool, ...]
    cannot: dict[str, str]


def rows(listing: Listing) -> Iterator[Row]:
    """The channels, those that carry messages first."""
    for channel in sorted(listing["channels"], key=lambda one: (one["baseline"], one["name"])):
        has = tuple(
            any(operation in mode["operations"] for mode in channel["modes"])
            for operation in OPERATIONS
        )
        yield Row(channel["name"], channel["summary"], has, channel["cannot"])


def markdown(listing: Listing) -> str:
    """The table of the README, with the lines that mark where it begins and ends."""
    lines = [
        README_BEGINS,
        f"| channel | what it is | {' | '.join(OPERATIONS)} |",
        f"| --- | --- |{' :-: |' * len(OPERATIONS)}",
    ]
    for row in rows(listing):
        marks = " | ".join("✓" if has else "–" for has in row.has)
        lines.append(f"| [`{row.name}`](modules/{row.name}) | {row.summary} | {marks} |")
    return "\n".join([*lines, README_ENDS]) + "\n"
