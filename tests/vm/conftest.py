# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures of the tests on a booted kernel: one boot that tries every channel."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import pytest

from tests.vm import machine
from tests.vm.machine import Answer, Operation

CONTEXTS = ("process", "softirq", "hardirq")


@dataclass(frozen=True)
class Trial:
    """The answers of one boot that tries every channel.

    Attributes:
        cells: answers to cell requests, by operation, size and context.
        lifecycles: answers to lifecycle requests, by channel.
    """

    cells: dict[tuple[Operation, int, str], Answer]
    lifecycles: dict[str, Answer]


def variants(operation: Operation) -> list[tuple[int, str]]:
    """Sizes in the default context; for notify also each context."""
    pairs = [(size, "default") for size in operation.sizes()]
    if operation.operation == "notify":
        pairs += [(max(operation.min, min(8, operation.max)), context) for context in CONTEXTS]
    return pairs


@pytest.fixture(scope="session")
def trial() -> Trial:
    """Every operation at its sizes, and the lifecycle of every module, in one boot."""
    keys = [(op, *variant) for op in machine.operations() for variant in variants(op)]
    channels = [channel["name"] for channel in machine.channels()]
    requests: list[dict[str, Any]] = [
        machine.SETUP,
        {"do": "floors", "sizes": [8, 4096]},
        *(
            machine.cell(op, size, number, context=context)
            for number, (op, size, context) in enumerate(keys)
        ),
        *({"do": "lifecycle", "channel": name} for name in channels),
    ]
    answers = machine.boot(machine.machine(), requests)
    by_id = {answer["id"]: answer for answer in answers if answer["re"] == "cell"}
    return Trial(
        dict(zip(keys, (by_id[number] for number in itertools.count()), strict=False)),
        {answer["channel"]: answer for answer in answers if answer["re"] == "lifecycle"},
    )
