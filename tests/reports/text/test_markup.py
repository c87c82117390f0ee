# SPDX-License-Identifier: GPL-2.0-only
"""Inline markup is converted to HTML or removed."""

from __future__ import annotations

from reports.text import markup


def test_plain_text_has_no_markup() -> None:
    assert markup.plain("the *sender*'s `fd` or ``a *b*``") == "the sender's fd or a *b*"
    assert markup.plain("char *p, int *q") == "char *p, int *q"


def test_texts_in_lists_and_tables_are_plain() -> None:
    entry = {"name": "a", "modes": [{"summary": "*fast*", "max": 8}], "needs": None}
    assert markup.plain_texts(entry) == {
        "name": "a",
        "modes": [{"summary": "fast", "max": 8}],
        "needs": None,
    }
