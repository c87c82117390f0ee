# SPDX-License-Identifier: GPL-2.0-only
"""Boots for the tests: requests in, answers out."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest

from bench.errors import unknown
from bench.kernels import build, catalog
from bench.kernels.catalog import Kernel
from bench.targets.provision import requirements
from bench.targets.vm import Accelerator, VmTarget

SETUP = {"do": "setup", "clock": "instructions"}

KERNEL = os.environ.get("RINGCROSS_TEST_KERNEL", "stock")
"""The kernel under test, as ``--kernel`` takes it; by default the distribution's own."""

Answer = dict[str, Any]


@cache
def listing() -> dict[str, Any]:
    """The agent's listing: what it can measure."""
    output = subprocess.run([build.build_agent(), "--list"], capture_output=True, check=True).stdout
    document: dict[str, Any] = json.loads(output)
    return document


_chosen: list[str] = []


def choose(names: Sequence[str]) -> None:
    """Restrict :func:`channels` and :func:`operations` to these channels.

    Raises:
        UsageError: there is no such channel.
    """
    known = [channel["name"] for channel in listing()["channels"]]
    for name in names:
        if name not in known:
            raise unknown("channel", name, known)
    _chosen[:] = names


def channels() -> list[dict[str, Any]]:
    """The listing of the channels that are under test: those of ``--channels``, or all."""
    every: list[dict[str, Any]] = listing()["channels"]
    return [channel for channel in every if not _chosen or channel["name"] in _chosen]


def are_chosen() -> bool:
    """Whether ``--channels`` names the channels under test."""
    return bool(_chosen)


@cache
def stock() -> Kernel:
    """The kernel under test."""
    return catalog.find(KERNEL)


def series(kernel: Kernel) -> tuple[int, ...]:
    """The first two numbers of its release."""
    return tuple(int(word) for word in kernel.release.split(".")[:2])


DELAYED_DEQUEUE = (6, 12)
"""The series since which a thread may stay in the run queue when it goes to sleep.

It does if it has had more than its share of the CPU, until others have had theirs or it is woken
(``requeue_delayed_entity`` in its x-rays).  Which of two threads runs next, and what their switch
costs, then depends on the times for which they ran before.
"""


def machine(accelerator: Accelerator = "icount", **options: Any) -> VmTarget:
    kernel = options.pop("kernel", None) or stock()
    every = listing()["channels"]
    append = (*requirements("boot", every), *options.pop("append", ()))
    return VmTarget(
        kernel=kernel,
        agent=build.build_agent(),
        modules=build.build_modules(kernel),
        needs=requirements("needs", every),
        clock="instructions" if accelerator == "icount" else "time",
        accelerator=accelerator,
        append=append,
        **options,
    )


def mode_of(channel: str, mode: str) -> dict[str, Any]:
    """The listing of a mode."""
    (entry,) = (entry for entry in listing()["channels"] if entry["name"] == channel)
    (found,) = (found for found in entry["modes"] if found["name"] == mode)
    return dict(found)


def lacks(channel: str, mode: str, kernel: Kernel | None = None, cpus: int = 1) -> str:
    """The exact reason with which the agent must skip the mode; empty if it must run it.

    Args:
        channel: the name of the channel.
        mode: the name of the mode.
        kernel: the kernel of the machine; None for the one under test.
        cpus: its number of CPUs.
    """
    declared = mode_of(channel, mode)
    since = declared.get("since", "0.0")
    if series(kernel or stock()) < tuple(int(word) for word in since.split(".")):
        return f"This mode needs Linux {since} or later."
    return str(declared.get("two_cpus_reason", "")) if cpus < 2 else ""


def skip_lacking(channel: str, mode: str, answer: Answer | None = None) -> None:
    """Skip the test if the machine under test lacks what the mode needs.

    *answer*, if there is one, must then be a skip with that reason.
    """
    reason = lacks(channel, mode)
    if not reason:
        return
    assert answer is None or (answer["status"], answer["reason"]) == ("skip", reason)
    pytest.skip(reason)


@dataclass(frozen=True)
class Operation:
    """One operation of one mode, from the agent's listing."""

    channel: str
    mode: str
    operation: str
    min: int
    max: int
    baseline: bool = field(default=False, compare=False)

    @property
    def name(self) -> str:
        return f"{self.channel}-{self.mode}-{self.operation}"

    def sizes(self) -> list[int]:
        """0, 8, 2048 and 2²⁰ bytes, clamped to the limits of the operation."""
        return sorted({min(max(size, self.min), self.max) for size in (0, 8, 2048, 1 << 20)})


def operations() -> list[Operation]:
    """The operations of the channels that are under test."""
    return [
        Operation(
            channel["name"], mode["name"], name, limits["min"], limits["max"], channel["baseline"]
        )
        for channel in channels()
        for mode in channel["modes"]
        for name, limits in mode["operations"].items()
    ]


def cell(operation: Operation, size: int, number: int, **more: Any) -> dict[str, Any]:
    return {
        "do": "cell",
        "id": number,
        "channel": operation.channel,
        "mode": operation.mode,
        "operation": operation.operation,
        "size": size,
        "rounds": 3,
        "round_units": 20_000,
        "samples": 8,
        "context": "default",
        "burst": 1,
        "interval": 0,
        "deadline_ms": 20_000,
        **more,
    }


def boot(target: VmTarget, requests: Sequence[dict[str, Any]], seed: int = 1) -> list[Answer]:
    """All answers of one boot."""
    with target.start(requests, seed=seed) as session:
        return list(session.answers())
