# SPDX-License-Identifier: GPL-2.0-only
"""What a figure does not contain, in words."""

from __future__ import annotations

import re

from bench.paths import ROOT
from reports.text.excluded import WORDS, excluded


def test_words_are_those_of_the_agent() -> None:
    source = (ROOT / "bench/agent/protocol/registry.c").read_text()
    assert set(re.findall(r'\{ RCX_WITHOUT_\w+, "([^"]+)" \}', source)) == set(WORDS)


def test_nothing_is_excluded_by_default() -> None:
    assert excluded({"min": 0, "max": 8, "waits": ["poll", "busy"]}) == ()
    assert excluded({"batch": 1}) == ()


def test_each_word_and_the_batch_have_a_tag() -> None:
    found = excluded({"excludes": ["copy", "wake-up", "call"], "batch": 16})
    assert [each.tag for each in found] == ["no copy", "no wake-up", "no call", "batch of 16"]
    assert found[-1].text == "up to 16 messages share one wake-up or one call"


def test_a_reader_that_spins_is_not_woken() -> None:
    assert [each.tag for each in excluded({}, "busy")] == ["no wake-up"]
    assert excluded({"excludes": ["wake-up"]}, "busy") == excluded({"excludes": ["wake-up"]})
    assert excluded({}, "block") == ()


def test_a_word_of_a_newer_agent_is_shown() -> None:
    assert [each.tag for each in excluded({"excludes": ["check"]})] == ["no check"]
