# SPDX-License-Identifier: GPL-2.0-only
"""Which sources the page of a channel shows, and how."""

from __future__ import annotations

import re

import pytest

from reports.data.sources import MODULES, doc_html, read_sources
from tests.vm.machine import listing

CHANNELS = sorted(path.parent.name for path in MODULES.glob("*/hostile.c"))


@pytest.mark.parametrize("channel", CHANNELS)
def test_what_is_hostile_to_the_kernel_half_is_no_part_of_the_example(channel: str) -> None:
    shown = {code.name for code in read_sources(channel).files}
    assert "kernel.c" in shown
    assert "hostile.c" not in shown


@pytest.mark.parametrize(
    ("text", "html"),
    [
        (
            "Here is *a process, not the kernel*: it",
            "Here is <em>a process, not the kernel</em>: it",
        ),
        ("``a *b*`` and `c`", "<code>a *b*</code> and <code>c</code>"),
        ("char *p, int *q; /proc/*/fd/*; 2*3*4", "char *p, int *q; /proc/*/fd/*; 2*3*4"),
        ("call poll() on <it>", "call <code>poll()</code> on &lt;it&gt;"),
    ],
)
def test_inline_markup_is_converted(text: str, html: str) -> None:
    assert doc_html([text]) == f"<p>{html}</p>"


@pytest.mark.parametrize("channel", sorted(path.parent.name for path in MODULES.glob("*/user.c")))
def test_no_doc_text_shows_markup(channel: str) -> None:
    doc = re.sub(r"<(pre|code)\b.*?</\1>", "", read_sources(channel).doc, flags=re.DOTALL)
    assert doc or channel == "skeleton"
    assert not re.search(r"\*\w[^*]*\*|`", doc)


def test_what_channels_share_is_told_apart_from_their_own() -> None:
    sources = read_sources("procfs")
    shared = {code.path for code in sources.shared}
    assert {
        "bench/agent/loops/message_file.h",
        "modules/core/file.c",
        "modules/core/readers.c",
    } <= shared
    assert not shared & {"bench/agent/include/channel.h", "modules/core/kernel.c"}
    assert all(code.path.startswith("modules/procfs/") for code in sources.files)


def test_a_number_leads_to_the_loop_that_made_it_wherever_that_is() -> None:
    sources = read_sources("procfs")
    assert sources.loop("pread", "push").startswith("shared.html#message_file-h-")
    assert sources.loop("reopen", "push").startswith("#user-")
    assert sources.loop("pread", "nothing") == ""
    assert read_sources("sysctl").loop("integer", "call").startswith("shared.html#")
    assert read_sources("relay").loop("single", "stream").startswith("#user-"), "by a macro"
    assert read_sources("debugfs").loop("file", "pull").startswith("shared.html#"), "all by one"


def test_every_number_has_its_loop() -> None:
    lost = [
        (channel["name"], mode["name"], operation)
        for channel in listing()["channels"]
        for mode in channel["modes"]
        for operation in mode["operations"]
        if not read_sources(channel["name"]).loop(mode["name"], operation)
    ]
    assert lost == []
