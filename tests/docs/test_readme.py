"""The README agrees with the code."""

from __future__ import annotations

import re

from bench.commands.channel_table import README_BEGINS, README_ENDS, markdown
from bench.paths import ROOT
from tests.vm import machine

README = (ROOT / "README.md").read_text()


def test_the_table_of_channels_is_the_one_that_is_made() -> None:
    """To update the README, insert the output of ``ringcross list --markdown``."""
    begin, end = README.index(README_BEGINS), README.index(README_ENDS)
    assert README[begin : end + len(README_ENDS) + 1] == markdown(machine.listing())


def test_figures_are_of_channels_that_exist() -> None:
    figures = README.split("## What it shows")[1].split("## What an operation is")[0]
    channels = set(re.findall(r"^\| `(\w+)`", figures, re.M))
    assert len(channels) > 9
    assert channels <= {channel["name"] for channel in machine.listing()["channels"]}


def test_the_make_targets_it_names_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"`make ([a-z-]+)", README)) | set(
        re.findall(r"^\$ make ([a-z-]+)", README, re.M)
    )
    assert named
    assert named <= targets
