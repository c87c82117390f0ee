# SPDX-License-Identifier: GPL-2.0-only
"""A real kernel in QEMU: answers, each kind of early end, and equal boots."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from bench.errors import AgentDied, CellStalled, KernelPanic, NeverCameUp, TargetLost
from bench.kernels import build, catalog
from bench.kernels.catalog import Kernel
from bench.targets.base import Deadlines
from bench.targets.vm import VmTarget

pytestmark = pytest.mark.vm

SETUP = {"do": "setup", "clock": "instructions"}


@pytest.fixture(scope="session")
def kernel() -> Kernel:
    return catalog.find("stock")


@pytest.fixture(scope="session")
def agent() -> Path:
    return build.build_agent()


@pytest.fixture(scope="session")
def modules(kernel: Kernel) -> Path:
    return build.build_modules(kernel)


CELL = {
    "do": "cell",
    "id": 3,
    "channel": "ioctl",
    "mode": "direct",
    "operation": "call",
    "size": 64,
    "rounds": 3,
    "round_units": 100_000,
    "samples": 20,
    "context": "softirq",
    "burst": 1,
    "interval": 0,
    "deadline_ms": 20_000,
}


def requests(*more: dict[str, Any]) -> list[dict[str, Any]]:
    """The requests of a boot: the setup, then *more*."""
    return [SETUP, *more]


def test_two_boots_are_identical_to_the_instruction(
    kernel: Kernel, agent: Path, modules: Path
) -> None:
    """All answers, including timestamps and samples, and the console are equal."""
    target = VmTarget(kernel, agent, modules=modules, needs=("configfs",))
    boots = []
    for _ in range(2):
        boot_requests = requests({"do": "read", "paths": ["/proc/uptime", "/proc/stat"]}, CELL)
        with target.start(boot_requests, seed=1) as session:
            answers = list(session.answers())
        assert answers[0]["kernel"] == kernel.release
        assert answers[-1] == {"re": "end"}
        cell = next(answer for answer in answers if answer["re"] == "cell")
        assert cell["status"] == "ok", cell["reason"]
        assert len(cell["samples"]) == CELL["samples"]
        # The machine restarts after its last answer, and is ended at the same time.
        log = session.kernel_log().splitlines()
        boots.append((repr(answers), [line for line in log if "reboot: Restarting" not in line]))
    assert boots[0] == boots[1]


def test_stock_modules_load(kernel: Kernel, agent: Path) -> None:
    """The agent finds the packed modules; test_initramfs tests their order."""
    target = VmTarget(kernel, agent, needs=("vsock_loopback",))
    with target.start(requests(), seed=1) as session:
        assert [a["re"] for a in session.answers()] == ["hello", "setup", "end"]


def test_hang_is_a_stall(kernel: Kernel, agent: Path) -> None:
    target = VmTarget(kernel, agent, deadlines=Deadlines(silence=3))
    with (
        target.start(requests({"do": "hang"}), seed=1) as session,
        pytest.raises(CellStalled, match="sent nothing for 3 s"),
    ):
        list(session.answers())


def test_panic_carries_its_first_line(kernel: Kernel, agent: Path) -> None:
    with (
        VmTarget(kernel, agent).start(requests({"do": "panic"}), seed=1) as session,
        pytest.raises(KernelPanic) as caught,
    ):
        list(session.answers())
    assert "panic" in caught.value.line or "BUG" in caught.value.line
    assert caught.value.line in session.kernel_log()
    assert caught.value.exit_code == 1


def test_death_of_the_agent_is_no_panic(kernel: Kernel, agent: Path) -> None:
    with (
        VmTarget(kernel, agent).start(requests({"do": "die"}), seed=1) as session,
        pytest.raises(AgentDied, match="without finishing"),
    ):
        list(session.answers())


def test_killed_qemu_is_a_lost_target(kernel: Kernel, agent: Path) -> None:
    with VmTarget(kernel, agent).start(requests({"do": "hang"}), seed=1) as session:
        answers = session.answers()
        assert next(answers)["re"] == "hello"
        os.killpg(session.pid, signal.SIGKILL)
        with pytest.raises(TargetLost, match="signal 9"):
            list(answers)


def test_kernel_without_init_never_comes_up(kernel: Kernel, agent: Path) -> None:
    target = VmTarget(kernel, agent, append=("rdinit=/nowhere", "init=/nowhere"))
    with target.start(requests(), seed=1) as session, pytest.raises(KernelPanic) as caught:
        list(session.answers())
    assert caught.value.exit_code == 3
    assert "before the first answer" in str(caught.value)


def test_slow_boot_meets_its_deadline(kernel: Kernel, agent: Path) -> None:
    target = VmTarget(kernel, agent, deadlines=Deadlines(boot=0.2))
    with (
        target.start(requests(), seed=1) as session,
        pytest.raises(NeverCameUp, match="did not come up within"),
    ):
        list(session.answers())


def test_time_under_plain_emulation(kernel: Kernel, agent: Path) -> None:
    target = VmTarget(kernel, agent, clock="time", accelerator="tcg")
    with target.start([{"do": "setup", "clock": "time"}], seed=1) as session:
        answers = {answer["re"]: answer for answer in session.answers()}
    assert answers["setup"]["clock"] == "time"
    assert session.describe()["forced"] is True
