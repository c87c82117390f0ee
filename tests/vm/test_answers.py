# SPDX-License-Identifier: GPL-2.0-only
"""The ways in which answers leave the machine, and what happens when one is refused."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from bench.errors import AgentDied
from bench.targets.vm import VmTarget
from tests.vm import machine

pytestmark = pytest.mark.vm

UARTS = "/proc/tty/driver/serial"
PORT = "/sys/class/virtio-ports/vport0p1/name"


BLACKLIST = "initcall_blacklist=virtio_console_init"
"""Keeps the driver from starting, also where it is built into the kernel."""


@pytest.fixture
def without_drivers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VmTarget, "_answer_modules", lambda _self: ())


def files(target: VmTarget) -> dict[str, str | None]:
    """What the guest shows of its serial lines after some answers."""
    requests: list[dict[str, Any]] = [
        {"do": "setup", "clock": target.clock},
        {"do": "read", "paths": [UARTS, PORT]},
    ]
    answers = machine.boot(target, requests)
    assert [answer["re"] for answer in answers] == ["hello", "setup", "read", "end"]
    content: dict[str, str | None] = answers[2]["files"]
    return content


def sent_by_second_uart(content: dict[str, str | None]) -> int:
    """Bytes that the UART ttyS1 has sent; 0 if there is no such UART."""
    line = re.search(r"^1: .* tx:(\d+)", content[UARTS] or "", re.MULTILINE)
    return int(line[1]) if line else 0


def test_timed_answers_go_over_virtio() -> None:
    content = files(machine.machine("tcg"))
    assert (content[PORT] or "").strip() == "ringcross.answers"
    assert sent_by_second_uart(content) == 0


@pytest.mark.usefixtures("without_drivers")
def test_a_kernel_without_the_drivers_uses_the_second_uart() -> None:
    content = files(machine.machine("tcg", append=(BLACKLIST,)))
    assert content[PORT] is None
    assert sent_by_second_uart(content) > 100


@pytest.mark.parametrize("accelerator", ["icount", "tcg"])
def test_a_locked_down_kernel_answers(accelerator: Any) -> None:
    target = machine.machine(accelerator, append=("lockdown=integrity",))
    content = files(target)
    assert (sent_by_second_uart(content) > 0) == (accelerator == "icount")


def test_a_refused_port_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel may be locked down without that the harness can know."""
    monkeypatch.setattr(VmTarget, "_locked_down", lambda _self: False)
    target = machine.machine(append=("lockdown=integrity",))
    expected = r"cannot send answers: port:0xe9: Operation not permitted \(a locked-down kernel"
    with (
        target.start([machine.SETUP], seed=1) as session,
        pytest.raises(AgentDied, match=expected),
    ):
        list(session.answers())


def test_a_slow_harness_loses_nothing() -> None:
    """The answers exceed the pipe, and the last ones wait in the guest when the agent ends.

    The pipe takes 1 MiB, and the queue of the virtio device 4 MiB.
    """
    size, many = 65_536, 32
    target = machine.machine("tcg")
    requests: list[dict[str, Any]] = [{"do": "setup", "clock": "time"}]
    requests += [{"do": "read", "paths": ["/proc/kallsyms"]}] * many
    with target.start(requests, seed=1) as session:
        answers = session.answers()
        assert next(answers)["re"] == "hello"
        assert next(answers)["re"] == "setup"
        time.sleep(12)
        rest = list(answers)
    assert [answer["re"] for answer in rest] == ["read"] * many + ["end"]
    assert {len(answer["files"]["/proc/kallsyms"]) for answer in rest[:-1]} == {size}
