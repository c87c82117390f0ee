# SPDX-License-Identifier: GPL-2.0-only
"""The channels as a table, with their operations and the reason for each missing one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.plan.cells import OPERATIONS
from bench.plan.plans import Listing
from reports.text.excluded import excluded

BEGINS = "<!-- made by: ringcross list --markdown -->"
ENDS = "<!-- end of what is made -->"


@dataclass(frozen=True)
class Row:
    """One channel.

    Attributes:
        name: name of its folder in ``modules/``.
        summary: a short description, less than a line.
        supports: for each of :data:`OPERATIONS`, in order, whether a mode has it.
        unsupported_reason: one sentence for each operation that no mode has.
        reference: whether the channel is between two processes, measured for scale.
        one_shot_reason: one sentence for each mode that carries a single value at load.
        excludes: for operations of a mode, such as ``ring push, notify``, what their figures do
            not contain.
    """

    name: str
    summary: str
    supports: tuple[bool, ...]
    unsupported_reason: dict[str, str]
    reference: bool
    one_shot_reason: dict[str, str]
    excludes: dict[str, str]


def rows(listing: Listing) -> Iterator[Row]:
    """One row per channel: kernel channels, then references, then baselines, each by name."""
    for channel in sorted(listing["channels"], key=_sort_key):
        supports = tuple(
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
            supports,
            channel["unsupported_reason"],
            _is_reference(channel),
            one_shot,
            {names: text for mode in channel["modes"] for names, text in _excludes(mode)},
        )


def _excludes(mode: Listing) -> Iterator[tuple[str, str]]:
    """For operations of a mode that exclude the same: their names, and what it is."""
    operations: dict[str, list[str]] = {}
    for operation, limits in mode["operations"].items():
        if text := "; ".join(each.text for each in excluded(limits)):
            operations.setdefault(text, []).append(operation)
    for text, names in operations.items():
        yield f"{mode['name']} {', '.join(names)}", text


def _is_reference(channel: Listing) -> bool:
    return bool(channel.get("reference"))


def _sort_key(channel: Listing) -> tuple[bool, bool, str]:
    return bool(channel.get("baseline")), _is_reference(channel), str(channel["name"])


def markdown(listing: Listing) -> str:
    """The table of ``docs/results/channels.md``, between its two marker lines."""
    lines = [
        BEGINS,
        f"| channel | what it is | {' | '.join(OPERATIONS)} |",
        f"| --- | --- |{' :-: |' * len(OPERATIONS)}",
    ]
    for row in rows(listing):
        kind = " (a reference)" if row.reference else ""
        marks = " | ".join("✓" if supported else "–" for supported in row.supports)
        lines.append(f"| [`{row.name}`](modules/{row.name}) | {row.summary}{kind} | {marks} |")
    return "\n".join([*lines, ENDS]) + "\n"
