"""What can be measured, as tables: channels, their operations, and why one is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.plan.cells import OPERATIONS
from bench.plan.plans import Listing

README_BEGINS = "<!-- made by: ringcross list --markdown -->"
README_ENDS = "<!-- end of what is made -->"


@dataclass(frozen=True)
class Row:
    """One channel.

    Attributes:
        name: of its folder in ``modules/``.
        summary: half a line.
        has: for each of :data:`OPERATIONS` in order whether some mode does it.
        unsupported_reason: a sentence for each operation that none does.
        reference: it leads to another process and not to the kernel.
        one_shot_reason: modes that carry one value at load, each with the sentence that says so.
    """

    name: str
    summary: str
    has: tuple[bool, ...]
    unsupported_reason: dict[str, str]
    reference: bool
    one_shot_reason: dict[str, str]


def rows(listing: Listing) -> Iterator[Row]:
    """The channels; references between processes, and floors, come last."""
    for channel in sorted(listing["channels"], key=_place):
        has = tuple(
            any(operation in mode["operations"] for mode in channel["modes"])
            for operation in OPERATIONS
        )
        one_shot = {
            mode["name"]: mode["one_shot_reason"]
            for mode in channel["modes"]
            if mode.get("one_shot_reason")
        }
        yield Row(
            channel["name"],
            channel["summary"],
            has,
            channel["unsupported_reason"],
            _is_reference(channel),
            one_shot,
        )


def _is_reference(channel: Listing) -> bool:
    return bool(channel.get("reference"))


def _place(channel: Listing) -> tuple[bool, bool, str]:
    return bool(channel.get("baseline")), _is_reference(channel), str(channel["name"])


def markdown(listing: Listing) -> str:
    """The table of the README, with the lines that mark where it begins and ends."""
    lines = [
        README_BEGINS,
        f"| channel | what it is | {' | '.join(OPERATIONS)} |",
        f"| --- | --- |{' :-: |' * len(OPERATIONS)}",
    ]
    for row in rows(listing):
        kind = " (a reference)" if row.reference else ""
        marks = " | ".join("✓" if has else "–" for has in row.has)
        lines.append(f"| [`{row.name}`](modules/{row.name}) | {row.summary}{kind} | {marks} |")
    return "\n".join([*lines, README_ENDS]) + "\n"
