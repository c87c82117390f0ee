# SPDX-License-Identifier: GPL-2.0-only
"""Inline markup in the texts of channels: emphasis and code."""

from __future__ import annotations

import re

_INLINE = re.compile(
    r"(?P<ticks>`{1,2})(?P<code>[^`]+)(?P=ticks)"
    r"|(?<![\w*])\*(?P<emphasis>\w(?:[^*]*\w)?)\*(?![\w*])"  # not "char *p", not "/*/"
)


def html(text: str) -> str:
    """Convert ``*emphasis*`` and code in one or two backticks; ``text`` is already escaped."""
    return _INLINE.sub(
        lambda match: (
            f"<code>{match['code']}</code>" if match["ticks"] else f"<em>{match['emphasis']}</em>"
        ),
        text,
    )


def plain(text: str) -> str:
    """``text`` without inline markup, for places that show plain text."""
    return _INLINE.sub(lambda match: match["code"] or match["emphasis"], text)


def plain_texts(value: object) -> object:
    """``value`` with :func:`plain` applied to all strings in its lists and dictionaries."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, list):
        return [plain_texts(entry) for entry in value]
    if isinstance(value, dict):
        return {key: plain_texts(entry) for key, entry in value.items()}
    return value
