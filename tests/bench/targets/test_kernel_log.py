# SPDX-License-Identifier: GPL-2.0-only
"""What a kernel log says about a crash: the first complaint, and the place in the code."""

from __future__ import annotations

from bench.targets.kernel_log import place, verdict

BUG = "BUG: kernel NULL pointer dereference, address: 0000000000000000"
OURS = "RIP: 0010:eventfd_emit+0xb/0x20 [ringcross_eventfd]"
CALLED = [
    "[    3.1] RIP: 0010:memcpy_orig+0x2a/0x110",
    "[    3.1] Code: 00 00 90",
    "[    3.1] Call Trace:",
    "[    3.1]  <TASK>",
    "[    3.1]  ? __die+0x20/0x70",
    "[    3.1]  ? eventfd_emit+0x99/0xa0 [ringcross_eventfd]",
    "[    3.1]  eventfd_queue+0x31/0x60 [ringcross_eventfd]",
    "[    3.1]  produce_burst+0x5d/0xb0 [ringcross_core]",
]
"""A crash in a function of the kernel; a line with a question mark is no certain caller."""


def test_a_crash_of_ours_names_the_function() -> None:
    assert verdict([BUG, "#PF: error_code(0x0002)", OURS]) == (
        f"The kernel logged: {BUG}, at eventfd_emit+0xb [ringcross_eventfd]"
    )


def test_a_crash_below_ours_names_both() -> None:
    assert place([BUG, *CALLED]) == (
        ", at memcpy_orig+0x2a, called from eventfd_queue+0x31 [ringcross_eventfd]"
    )


def test_the_first_crash_counts() -> None:
    assert place([OURS, *CALLED]) == ", at eventfd_emit+0xb [ringcross_eventfd]"


def test_without_a_crash_there_is_no_place() -> None:
    """Segment 0033 is the place of a system call in user space."""
    assert place(["RIP: 0033:0x401b3d", "a line"]) == ""
    assert verdict(["WARNING: CPU: 0 PID: 1 at x.c:5"]).endswith("x.c:5")
    assert verdict([OURS]) == ""
