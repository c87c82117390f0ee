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


def test_shared_loops_and_helpers_are_shown_with_the_halves_that_use_them() -> None:
    shown = {code.path for code in read_sources("procfs").files}
    assert {"bench/agent/files.h", "modules/core/file.c", "modules/core/readers.c"} <= shown
    assert not shown & {"bench/agent/channel.h", "modules/core/kernel.c"}


def test_a_number_leads_to_the_loop_that_made_it_wherever_that_is() -> None:
    sources = read_sources("procfs")
    assert sources.loop("procfs", "pread", "push").startswith("files-h-")
    assert sources.loop("procfs", "reopen", "push").startswith("user-")
    assert sources.loop("procfs", "pread", "nothing") == ""
    integer, message = (read_sources("sysctl").loop("sysctl", mode, "push") for mode in
                        ("integer", "message"))  # fmt: skip
    assert integer.startswith("files-h-")
    assert message.startswith("files-h-")
    assert integer != message
