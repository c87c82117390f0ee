# SPDX-License-Identifier: GPL-2.0-only
"""The table at the end of a run."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.commands import console
from bench.commands.result_table import print_table


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_order_of_measuring_decides_no_figure(
    monkeypatch: pytest.MonkeyPatch, order: tuple[int, ...]
) -> None:
    rows = [
        SimpleNamespace(
            channel="pipe",
            mode="pair",
            operation="stream",
            size=size,
            median=median,
            measured=True,
            lossy=False,
            records=0,
        )
        for size, median in ((8, 720.0), (8, 2838.0), (64, 300.0))
    ]
    run = SimpleNamespace(
        channels=[SimpleNamespace(name="pipe", reference=True)],
        of=lambda _name: [rows[number] for number in order],
        clock="time",
        environment={},
    )
    monkeypatch.setattr("reports.data.run.load_run", lambda _folder: run)
    with console.OUT.capture() as printed:
        print_table(Path("run"))
    assert "720" in printed.get()
    assert "2,838" not in printed.get()
    assert "300" not in printed.get()
    assert "the cheapest is shown" in printed.get()
