# SPDX-License-Identifier: GPL-2.0-only
"""Which rows represent a channel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reports.analysis import selection
from reports.data.run import Channel, Measured

NUMBER = Measured("x", "number", "push", 4, median=1.0)
MESSAGE = Measured("x", "message", "push", 8, median=2.0)
MODES = (
    {"name": "number", "operations": {"push": {"min": 4, "max": 4}}},
    {"name": "message", "operations": {"push": {"min": 0, "max": 4096}}},
)


class Rows:
    """The part of a run that the tests use."""

    def __init__(self, *rows: Measured) -> None:
        self.rows = rows

    def of(self, channel: str, operation: str) -> Iterator[Measured]:
        return iter(self.rows)


def message_rows(*rows: Measured, **values: Any) -> list[Measured]:
    run: Any = Rows(*rows)
    return selection.message_rows(run, Channel("x", modes=MODES, **values), "push")


def test_a_number_alone_does_not_stand_for_who_carries_messages() -> None:
    assert message_rows(NUMBER, MESSAGE) == [MESSAGE]


def test_it_does_where_there_is_nothing_else() -> None:
    assert message_rows(NUMBER) == [NUMBER]
    failed = Measured("x", "message", "push", 8, status="fail")
    assert message_rows(NUMBER, failed) == [NUMBER, failed]


def test_baselines_carry_no_messages_at_all() -> None:
    assert message_rows(NUMBER, MESSAGE, baseline=True) == [NUMBER, MESSAGE]
