# SPDX-License-Identifier: GPL-2.0-only
"""The rounds of a run by cell, boot and load."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.data.run import KEY, Measured, Run

Floats = NDArray[np.float64]
Key = tuple[Any, ...]
Boots = list[list[Floats]]
"""The rounds of each load, grouped by boot."""


class Rounds:
    """Rounds in net cost per operation; empty if the run has no ``rounds.parquet``.

    Args:
        run: the run.
        ratios: take the ratio of each round to the control beside it instead of its cost. Rounds
            without a control are then left out.
    """

    def __init__(self, run: Run, *, ratios: bool = False) -> None:
        frame = run.rounds
        self._names: Sequence[str] = [] if frame is None else [n for n in KEY if n in frame]
        self._boots: dict[Key, dict[Any, list[Floats]]] = {}
        if frame is None or (ratios and "control" not in frame):
            return
        levels = [name for name in ("boot", "load") if name in frame]
        for key, group in frame.groupby([*self._names, *levels], sort=True):
            values = group["value"].to_numpy(dtype=float)
            if "overhead" in group:
                values = values - np.nan_to_num(group["overhead"].to_numpy(dtype=float))
            if ratios:
                values = values / group["control"].to_numpy(dtype=float)
            values = values[np.isfinite(values) & (values > 0)]
            count = len(self._names)
            if len(values):
                boot = key[count] if "boot" in levels else 0
                loads = self._boots.setdefault(tuple(key)[:count], {}).setdefault(boot, [])
                loads.append(values)

    def of(self, row: Measured) -> Boots:
        """The rounds of a cell."""
        return list(self._boots.get(tuple(getattr(row, n) for n in self._names), {}).values())

    def units(self, row: Measured) -> list[Floats]:
        """The rounds of a cell, one array per boot; one per load if there is a single boot."""
        boots = self.of(row)
        if len(boots) > 1:
            return [np.concatenate(loads) for loads in boots]
        return boots[0] if boots else []
