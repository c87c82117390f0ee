# SPDX-License-Identifier: GPL-2.0-only
"""``python -m tests.fake_ringcross``: ringcross with the fake target instead of a machine.

``FAKE_DEEDS`` selects failures, e.g. ``netlink-push=panic,signal-notify=fail``; see :data:`DEEDS`.
``FAKE_SLOW`` is the number of seconds that each cell takes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import bench.run.campaign
import bench.run.pytest_bridge
import bench.targets.provision
from bench.commands import entry
from bench.commands.cli import main
from bench.errors import DiskFull, KernelPanic, NeverCameUp
from tests import fake_target
from tests.fake_target import FakeProvisioner, FakeSession, FakeTarget

DEEDS: dict[str, Any] = {
    "panic": KernelPanic("The kernel crashed: BUG: fake"),
    "fail": {"status": "fail", "reason": "The body was wrong."},
    "full": DiskFull("No space left while writing the results: make room."),
    "never": NeverCameUp("The machine did not come up."),
    "interrupt": KeyboardInterrupt(),
}


class SlowSession(FakeSession):
    """A fake session that waits before each cell."""

    def _cell(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        time.sleep(float(os.environ.get("FAKE_SLOW", "0")))
        yield from super()._cell(request)


def _deeds() -> dict[str, Any]:
    pairs = [word.split("=") for word in os.environ.get("FAKE_DEEDS", "").split(",") if word]
    return {where: DEEDS[what] for where, what in pairs}


class _Provisioner(FakeProvisioner):
    def __init__(self, *args: object) -> None:
        super().__init__(FakeTarget(_deeds()))


if __name__ == "__main__":
    setattr(fake_target, "FakeSession", SlowSession)  # noqa: B010 - mypy rejects assigning to a class
    for module in (bench.run.campaign, bench.targets.provision):
        setattr(module, "Provisioner", _Provisioner)  # noqa: B010
    entry.prepare()
    main(prog_name="ringcross")
