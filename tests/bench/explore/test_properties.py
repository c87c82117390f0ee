# SPDX-License-Identifier: GPL-2.0-only
"""Properties from the agent's answers and from sources, and the check of claims."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.explore import properties
from bench.explore.properties import Property

NETLINK: dict[str, Any] = {
    "name": "netlink",
    "since": "2.2: sockets of the family AF_NETLINK",
    "modes": [
        {"name": "unicast", "claims": {"poll": True, "queue_full": "refuses newest"}},
        {"name": "ack"},
    ],
}


def answer(mode: str, log: tuple[str, ...] = (), **values: Any) -> dict[str, Any]:
    rows = {
        name: {"value": value, "how": "probe", "detail": f"It was tried: {value}."}
        for name, value in values.items()
    }
    return {
        "re": "probe",
        "channel": "netlink",
        "mode": mode,
        "properties": rows,
        "log": list(log),
    }


def all_properties(*answers: dict[str, Any], error_text: str = "") -> list[Property]:
    return list(properties.of_channel(NETLINK, answers, error_text))


def with_name(name: str, *answers: dict[str, Any], **options: Any) -> list[Property]:
    return [row for row in all_properties(*answers, **options) if row.name == name]


def test_every_mode_is_asked_for() -> None:
    assert properties.requests([NETLINK]) == [
        {"do": "probe", "channel": "netlink", "mode": "unicast"},
        {"do": "probe", "channel": "netlink", "mode": "ack"},
    ]


def test_what_the_agent_found_is_passed_on_whole() -> None:
    (row,) = with_name("queue_full", answer("unicast", queue_full="refuses newest"), answer("ack"))
    assert row == Property(
        "netlink",
        "unicast",
        "queue_full",
        "refuses newest",
        "probe",
        "It was tried: refuses newest.",
    )


def test_a_mode_without_an_answer_says_why() -> None:
    refusal = {"re": "error", "reason": "no such channel"}
    (row,) = with_name("probed", answer("unicast"), refusal)
    assert (row.mode, row.how) == ("ack", "failed")
    assert "no such channel" in row.detail
    (row,) = with_name("probed", answer("unicast"), error_text="The machine was lost.")
    assert row.detail == "The machine was lost."
    assert not with_name("probed", answer("unicast"), answer("ack"))


def test_what_the_kernel_complained_of_is_a_failure() -> None:
    oops = "BUG: kernel NULL pointer dereference, address: 0000000000000000"
    (row,) = with_name("kernel_log", answer("unicast", log=(oops,)), answer("ack"))
    assert row.how == "failed"
    assert "NULL pointer" in row.detail


def test_the_first_kernel_is_documented_and_marked_so() -> None:
    (row,) = with_name("since")
    assert (row.value, row.how, row.mode) == ("2.2", "documented", "")
    assert row.detail == "sockets of the family AF_NETLINK."
    assert properties.since({"name": "new", "since": None}).how == "none"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", 0),
        ("int a;\n\nint b;\n", 2),
        ("// row\nint a; // two\n", 1),
        ("/* a\n * b\n */\nint a;\n", 1),
        ("int a; /* begins\nand ends */ int b;\n", 2),
        ('char *s = "/* none */";\nchar c = \'"\'; // but this\n', 2),
        ('char *s = "\\"//";\n', 1),
    ],
)
def test_lines_of_code_are_neither_blank_nor_comment(text: str, lines: int) -> None:
    assert properties.code_lines(text) == lines


def test_both_halves_are_counted_and_what_they_share_is_named(tmp_path: Path) -> None:
    folder, core = tmp_path / "netlink", tmp_path / "core"
    folder.mkdir()
    core.mkdir()
    (folder / "kernel.c").write_text('#include "rcx_readers.h"\nint a;\n')
    (folder / "more.c").write_text("int b;\n")
    (folder / "user.c").write_text("int c;\n/* d */\n")
    (folder / "hostile.c").write_text("int e;\n")
    (folder / "program.c").write_text("int i;\n")
    (folder / "abi.h").write_text("int f;\n")
    (core / "readers.c").write_text("int g;\nint h;\n")
    kernel, user = properties.of_sources("netlink", folder)
    assert (kernel.name, kernel.value, kernel.how) == ("lines_kernel", 3, "counted")
    assert "kernel.c, more.c" in kernel.detail
    assert "core/readers.c (2)" in kernel.detail
    assert (user.name, user.value) == ("lines_user", 1)
    assert "abi.h" in user.detail


def test_a_channel_without_a_half_has_no_lines_of_it(tmp_path: Path) -> None:
    (tmp_path / "user.c").write_text("int a;\n")
    kernel, user = properties.of_sources("syscall", tmp_path)
    assert (kernel.value, kernel.how) == (None, "none")
    assert user.value == 1


def test_a_claim_that_its_probe_bears_out_is_no_contradiction() -> None:
    right = all_properties(answer("unicast", poll=True, queue_full="refuses newest"), answer("ack"))
    assert properties.contradictions([NETLINK], right) == []


def test_a_wrong_claim_and_one_that_was_not_probed_are_contradictions() -> None:
    wrong = all_properties(answer("unicast", queue_full="coalesces"), answer("ack"))
    poll, queue_full = properties.contradictions([NETLINK], wrong)
    assert "netlink unicast claims poll True, but it was not probed" in poll
    assert "claims queue_full 'refuses newest', but it is 'coalesces': It was tried" in queue_full


def _with(operation: str, limits: dict[str, Any], **counted: float) -> list[str]:
    """What is said about a mode whose probes counted these numbers for the operation."""
    channel = {"name": "ring", "modes": [{"name": "fast", "operations": {operation: limits}}]}
    rows = [
        Property("ring", "fast", name, {operation: value}, "counted", "It was counted.")
        for name, value in counted.items()
    ]
    return properties.contradictions([channel], rows)


@pytest.mark.parametrize("operation", ["push", "stream"])
def test_copies_are_excluded_exactly_if_there_are_none(operation: str) -> None:
    assert _with(operation, {}, copies=1) == []
    assert _with(operation, {"excludes": ["copy"]}, copies=0) == []
    assert _with(operation, {"excludes": ["copy"]}) == []  # too small to count copies
    (wrong,) = _with(operation, {"excludes": ["copy"]}, copies=0.25)
    assert wrong == (
        f"ring fast {operation} says that its figure contains no copy of the body, but it has 0.25"
    )
    (missing,) = _with(operation, {}, copies=0)
    assert "add RCX_WITHOUT_COPY to .excludes" in missing


def test_an_excluded_call_was_not_counted() -> None:
    assert _with("pull", {"excludes": ["call"]}, syscalls=0) == []
    assert _with("pull", {}, syscalls=1) == []
    assert (
        "makes no system call, but it has 1" in _with("pull", {"excludes": ["call"]}, syscalls=1)[0]
    )
    assert "add RCX_WITHOUT_CALL" in _with("pull", {}, syscalls=0)[0]


def test_calls_of_another_process_are_not_counted_and_not_missed() -> None:
    assert _with("notify", {"two_ends": True}, syscalls=0) == []
    assert _with("stream", {"two_ends": True, "excludes": ["call"]}, syscalls=1) == []


def test_messages_of_a_batch_share_their_calls() -> None:
    assert _with("push", {"batch": 16}, syscalls=0) == []
    assert _with("push", {"batch": 16}, syscalls=0.125) == []
    assert (
        "says that 16 messages share a call, but it has 1"
        in _with("push", {"batch": 16}, syscalls=1)[0]
    )


def test_claims_of_a_mode_that_the_kernel_lacks_are_not_compared() -> None:
    lacking = answer("unicast", poll=None, queue_full=None, kernel_initiated=None)
    rows = all_properties(lacking, answer("ack"))
    assert len(properties.contradictions([NETLINK], rows)) == 2
    for row in lacking["properties"].values():
        row["how"] = "none"
    rows = all_properties(lacking, answer("ack"))
    assert properties.contradictions([NETLINK], rows) == []


def test_the_document_is_a_flat_list() -> None:
    document = properties.document([answer("unicast", queue_full="coalesces")], "", [NETLINK])
    assert document["version"] == 2
    first = document["properties"][0]
    assert set(first) == {"channel", "mode", "name", "value", "how", "detail"}
