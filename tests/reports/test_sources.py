"""What of a channel's folder its page shows."""

from __future__ import annotations

import pytest

from reports.sources import MODULES, read_sources

CHANNELS = sorted(path.parent.name for path in MODULES.glob("*/hostile.c"))


@pytest.mark.parametrize("channel", CHANNELS)
def test_what_is_hostile_to_the_kernel_half_is_no_part_of_the_example(channel: str) -> None:
    shown = {code.name for code in read_sources(channel).files}
    assert "kernel.c" in shown
    assert "hostile.c" not in shown
