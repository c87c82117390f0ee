# SPDX-License-Identifier: GPL-2.0-only
"""Cost of a record against the length of the table: one line per channel and mode."""

from __future__ import annotations

from collections.abc import Sequence

from reports.analysis.dumps import Line, lengths
from reports.data.run import Run
from reports.figures.cost import Figure, colours
from reports.figures.svg import Plot, Series, draw
from reports.text import words

HOW = (
    "Each line is one mode: the cost of a dump, divided by the number of its records. On the left "
    "the fixed cost of a dump decides, which all records share. Where a line has become flat, only "
    "the cost of each record is left. Lines that cross mean that no channel is the cheapest for "
    "all tables. Modes of one channel have the same colour and another dash. Both axes are "
    "logarithmic."
)


def figure(run: Run, found: Sequence[Line]) -> Figure | None:
    """The figure of all dumps; None if the table had one length only."""
    records = lengths(found)
    if len(records) < 2:
        return None
    slot = colours(run)
    clock = words.clock_words(run.clock)
    dashes: dict[str, int] = {}
    series = []
    for line in found:
        dash = dashes[line.channel] = dashes.get(line.channel, -1) + 1
        xs = tuple(sorted(line.costs))
        series.append(
            Series(
                line.channel,
                line.name,
                slot[line.channel],
                tuple(map(float, xs)),
                tuple(line.costs[x] / x for x in xs),
                dash=dash,
            )
        )
    plot = Plot(
        name="dump",
        title="dump",
        alt=f"{clock.unit} per record against the number of records, at the greatest number: "
        + "; ".join(f"{line.label} {words.number(line.ys[-1])}" for line in series),
        x="records of the table",
        y=f"{clock.unit} per record",
        series=tuple(series),
        xticks=tuple((float(count), words.number(count)) for count in records),
        width=7.0,
        height=4.6,
    )
    return Figure(
        "dump",
        "Cost per record of a dump",
        f"{clock.unit} per record",
        HOW,
        (draw(plot),),
        tuple(sorted({(line.name, line.slot) for line in series})),
    )
