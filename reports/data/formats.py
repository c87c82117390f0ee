# SPDX-License-Identifier: GPL-2.0-only
"""Translate run folders of older formats to the current names.

The field ``format`` of ``environment.json`` states the format of the folder.  Format 1 has no
such field and uses other names for some fields and values.  The tables here translate these
names when a file is read; the folder itself is never changed.  ``docs/run-folder.md`` describes
the format.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FORMAT = 2
"""The newest format that this version reads."""

_CHANNEL = {"cannot": "unsupported_reason"}
_MODE = {"alone": "single_threaded_reason", "once": "one_shot_reason", "stock": "counterpart"}
_OVERHEAD = {"enough": "min_round"}
_MARKS = {"apart": "differs", "wide": "imprecise"}
_TRIAL = {"raised": "emitted"}
_PROPERTY = {
    "full": "queue_full",
    "holds": "queue_capacity",
    "kernel_starts": "kernel_initiated",
    "largest": "size_limit",
    "module_goes": "module_unload",
    "once": "load_parameter",
    "opens": "permissions",
    "pollable": "poll",
    "producer_told": "producer_error",
    "reader_dies": "reader_exit",
    "reader_told": "reader_error",
}
_VALUE = {
    "goes, user told": "unloads, user gets an error",
    "goes, user waits on": "unloads, user keeps waiting",
    "goes, user woken": "unloads, user is woken",
    "next gets nothing": "next reader gets nothing",
    "next goes on": "next reader works",
}


def _renamed(table: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(key, key): value for key, value in table.items()}


def environment(table: dict[str, Any]) -> dict[str, Any]:
    """``environment.json`` with the field names of the newest format."""
    if table.get("format", 1) != 1:
        return table
    upgraded = dict(table)
    if isinstance(overhead := table.get("overhead"), dict):
        upgraded["overhead"] = _renamed(overhead, _OVERHEAD)
    if isinstance(marked := table.get("marked"), dict):
        upgraded["marked"] = _renamed(marked, _MARKS)
    if isinstance(listing := table.get("channels"), dict):
        channels = listing.get("channels")
        upgraded["channels"] = listing | {
            "channels": [_channel(entry) for entry in channels]
            if isinstance(channels, list)
            else []
        }
    return upgraded


def _channel(entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    upgraded = _renamed(entry, _CHANNEL)
    if isinstance(modes := entry.get("modes"), list):
        upgraded["modes"] = [
            _renamed(mode, _MODE) if isinstance(mode, dict) else mode for mode in modes
        ]
    return upgraded


def marks(text: str) -> str:
    """The marks of a row of ``cells.csv`` with the names of the newest format."""
    return " ".join(_MARKS.get(mark, mark) for mark in text.split())


def property_record(record: dict[str, Any]) -> dict[str, Any]:
    """One entry of ``properties.json`` with the names of the newest format."""
    value = record.get("value")
    return record | {
        "name": _PROPERTY.get(str(record.get("name")), record.get("name")),
        "value": _VALUE.get(value, value) if isinstance(value, str) else value,
    }


def trial(row: Mapping[str, str]) -> dict[str, str]:
    """One row of ``trials.csv`` with the names of the newest format."""
    return _renamed(row, _TRIAL)
