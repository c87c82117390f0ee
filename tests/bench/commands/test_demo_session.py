# SPDX-License-Identifier: GPL-2.0-only
"""The logic of the demonstration: what it prints, and which errors end it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest

from bench.commands import demo_session, shell_session
from bench.commands.demo_session import Step
from bench.errors import RingcrossError, SessionLost
from bench.kernels.catalog import Kernel

KERNEL = cast(Kernel, type("Named", (), {"release": "6.1.0"}))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the script in a local shell instead of a virtual machine."""

    @contextmanager
    def local_shell(
        _kernel: Kernel, _accel: str, script: str, **_options: Any
    ) -> Iterator[list[str]]:
        stubs = "dmesg() { :; }; stty() { :; }; echo SeaBIOS\n"
        yield ["sh", "-c", stubs + script]

    monkeypatch.setattr(shell_session, "machine", local_shell)


def play(*steps: Step, seconds: float = 60) -> list[str]:
    printed: list[str] = []
    demo_session.play(KERNEL, "tcg", printed.append, steps=steps, seconds=seconds)
    return printed


@pytest.mark.usefixtures("machine")
def test_commands_output_and_prose_in_their_order() -> None:
    printed = play(Step("echo one; echo two >&2", ("one\ntwo",), "First."), Step("true"))
    assert printed[1:6] == ["", "First.", "# echo one; echo two >&2", "one", "two"]
    assert printed[6] == "# true"
    assert not any("SeaBIOS" in line for line in printed)


@pytest.mark.usefixtures("machine")
def test_what_is_not_shown_ends_it() -> None:
    with pytest.raises(
        RingcrossError, match=r"not as expected: echo 1023 pages\. It must"
    ) as error:
        play(Step("echo 1023 pages", ("1024 pages",)), Step("echo never"))
    assert error.value.exit_code == 1


@pytest.mark.usefixtures("machine")
def test_machine_that_ends_is_told_from_a_wrong_output() -> None:
    with pytest.raises(SessionLost, match=r"during: echo panic; exit\. Its last line: panic"):
        play(Step("echo panic; exit", ("panic",)), Step("true"))


@pytest.mark.usefixtures("machine")
def test_machine_that_hangs_is_ended() -> None:
    with pytest.raises(SessionLost, match=r"during: exec sleep 60\. Its last line: \(none\)"):
        play(Step("exec sleep 60"), seconds=0.5)


def test_every_page_counts() -> None:
    """The output must show that each of the 1024 pages was read and written."""
    (step,) = [
        s for s in demo_session.STEPS if s.command.startswith("memshare") and "1024" in s.shows[1]
    ]
    rows = [f"  page {page:4}  {'#' * 64}\n" for page in range(1, 1024, 64)]
    summary = (
        'read what the kernel wrote in 1024 of 1024 pages, the last "page 1024 of 1024, by the '
        'kernel"\nwrote "hello,world!" in 1024 of 1024 pages\n'
    )
    demo_session.check(step, "".join(rows) + summary)
    for wrong in ("r", "w", "."):
        with pytest.raises(RingcrossError):
            demo_session.check(
                step, "".join(rows[:-1]) + rows[-1].replace("#\n", f"{wrong}\n") + summary
            )
    with pytest.raises(RingcrossError):
        demo_session.check(step, "".join(rows[1:]) + summary)
    with pytest.raises(RingcrossError):
        demo_session.check(step, "".join(rows) + summary.replace("wrote in 1024", "wrote in 1023"))


def test_memory_is_cut_out_where_the_channel_expects_it() -> None:
    """The demonstration and the devmem channel use the same kernel parameter."""
    from bench.paths import ROOT

    assert f'.boot = "{demo_session.BOOT} ' in (ROOT / "modules/devmem/user.c").read_text()
