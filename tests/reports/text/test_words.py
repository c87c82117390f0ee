# SPDX-License-Identifier: GPL-2.0-only
"""Numbers and units are printed in a readable form."""

from __future__ import annotations

import math
from typing import Any

import pytest

from reports.text import words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "–"),
        (0, "0"),
        (0.123, "0.12"),
        (3.0, "3"),
        (12.34, "12.3"),
        (99.96, "100"),
        (337.4, "337"),
        (-3.5, "-3.5"),
        (1204, "1,204"),
        (999_999, "999,999"),
        (1_234_567, "1.23 M"),
        (999_999_999, "1 G"),
        (2.5e9, "2.5 G"),
    ],
)
def test_number(value: Any, text: str) -> None:
    assert words.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0 B"), (64, "64 B"), (4096, "4 KiB"), (1 << 20, "1 MiB")]
)
def test_size(value: Any, text: str) -> None:
    assert words.size(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "as fast as possible"), (500, "every 500 ns"), (2e6, "every 2 ms")]
)
def test_nanoseconds(value: Any, text: str) -> None:
    assert words.interval(value, "time") == text


def test_an_interval_has_the_unit_of_its_clock() -> None:
    assert words.interval(0, "instructions") == "as fast as possible"
    assert words.interval(21_954, "instructions") == "every 21,954 instructions"
    assert words.interval(500, "") == "every 500 units"


def test_listed() -> None:
    assert words.listed([]) == ""
    assert words.listed(["a"]) == "a"
    assert words.listed(["a", "b", "c"]) == "a, b and c"


def test_percent() -> None:
    assert words.percent(1, 4) == 25
    assert words.percent(5, 4) == 100
    assert words.percent(1, 0) is None
    assert words.percent(None, 4) is None
