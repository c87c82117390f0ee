# SPDX-License-Identifier: GPL-2.0-only
"""The README, and the table of channels that it refers to, agree with the code."""

from __future__ import annotations

import re

from bench.commands import channel_table, publish
from bench.paths import ROOT
from tests.vm import machine

README = (ROOT / "README.md").read_text()


def operations(table: str) -> list[tuple[str, str]]:
    """Name of each channel in a table of channels, and its marks ✓ and –, one per operation."""
    return re.findall(r"^\| \[`(\w+)`\]\([^)]*\) \| [^|]* \|((?: [✓–] \|)+)$", table, re.M)


def test_the_table_of_channels_has_the_channels_and_operations_of_the_agent() -> None:
    """After a change: ``make results``.  The summaries are those of the recorded run."""
    page = (publish.RESULTS / "channels.md").read_text()
    begin, end = page.index(channel_table.BEGINS), page.index(channel_table.ENDS)
    present = operations(channel_table.markdown(machine.listing()))
    assert len(present) == len(machine.listing()["channels"])
    assert operations(page[begin:end]) == present


def test_figures_are_of_channels_that_exist() -> None:
    figures = README.split(publish.BEGIN)[1].split(publish.END)[0]
    channels = re.findall(r"^\| `(\w+)`", figures, re.M)
    assert channels == list(publish.SHOWN)
    assert set(channels) <= {channel["name"] for channel in machine.listing()["channels"]}


def test_the_make_targets_it_names_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"`make ([a-z-]+)", README)) | set(
        re.findall(r"^\$ make ([a-z-]+)", README, re.M)
    )
    assert named
    assert named <= targets
