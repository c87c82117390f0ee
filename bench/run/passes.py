# SPDX-License-Identifier: GPL-2.0-only
"""Further passes over the cells that are not precise enough.

On a virtual machine a pass is one more boot.  On the target ``local`` nothing boots, so a pass is
more loads of the last boot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.plan.cells import Cell, CellResult
from bench.run import ratios

Results = Mapping[Cell, Sequence[CellResult]]


@dataclass(frozen=True)
class Pass:
    """Where the results of a pass are recorded: the boot, and its first load."""

    boot: int
    first_load: int


@dataclass(frozen=True)
class Passes:
    """The passes of a run, from 1; what is measured before them is pass 0.

    Attributes:
        boots: number of boots before the first pass.
        loads: number of loads in each boot, and in each pass.
        reboots: whether each pass is a boot.
    """

    boots: int
    loads: int
    reboots: bool

    def place(self, number: int) -> Pass:
        """Where pass ``number`` is recorded."""
        if self.reboots:
            return Pass(self.boots + number - 1, 0)
        return Pass(self.boots - 1, number * self.loads)

    def number_of(self, result: CellResult) -> int:
        """The pass in which ``result`` was measured."""
        return max(result.boot - self.boots + 1, result.load // self.loads, 0)

    def next_number(self, results: Results) -> int:
        """The pass to continue with: the last one that has a result, which may be incomplete."""
        every = (result for of_cell in results.values() for result in of_cell)
        return max((self.number_of(result) for result in every), default=0) or 1


def imprecise(cells: Iterable[Cell], results: Results, wanted: float) -> list[Cell]:
    """The measured cells whose intervals reach farther than the share ``wanted``."""
    return [
        cell
        for cell in cells
        if all(result.status == "ok" for result in results.get(cell, ()))
        and not ratios.precision(results.get(cell, ())) <= wanted
    ]
