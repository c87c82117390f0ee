# SPDX-License-Identifier: GPL-2.0-only
"""The report and the plan choose the same operation of a counterpart.

reports does not import bench, so the rule stands in both; this test keeps the two equal.
"""

from __future__ import annotations

from itertools import chain, combinations

from bench.plan.cells import OPERATIONS
from bench.plan.controls import STOCK as PLANNED_STOCK
from bench.plan.controls import answering
from reports.analysis.counterparts import STOCK, counterpart_operation

SUBSETS = list(chain.from_iterable(combinations(OPERATIONS, n) for n in range(6)))


def test_both_name_the_same_channel() -> None:
    assert STOCK == PLANNED_STOCK


def test_both_choose_the_same_operation() -> None:
    for ours in SUBSETS:
        for theirs in SUBSETS:
            for operation in ours:
                planned = answering(operation, ours, theirs)
                assert counterpart_operation(operation, ours, theirs) == planned
