# SPDX-License-Identifier: GPL-2.0-only
"""The option ``--cpus`` of the command line."""

from __future__ import annotations

import click
import pytest

from bench.commands.options import CpuCount


@pytest.mark.parametrize(("word", "number"), [("auto", 0), ("1", 1), ("255", 255)])
def test_a_number_or_auto(word: str, number: int) -> None:
    assert CpuCount().convert(word, None, None) == number


@pytest.mark.parametrize("word", ["0", "256", "-1", "many", "1.5", "", "²"])
def test_other_words(word: str) -> None:
    with pytest.raises(click.BadParameter, match="neither auto nor a number from 1 to 255"):
        CpuCount().convert(word, None, None)
