# SPDX-License-Identifier: GPL-2.0-only
"""Write the report of one run: index, channel pages, diagnostics and shared code."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from reports.analysis import counterparts, diagnostics, dumps, placements
from reports.data import call_trees, sources, trials
from reports.data import properties as data_properties
from reports.data.call_trees import Xrays
from reports.data.properties import Property
from reports.data.rounds import Rounds
from reports.data.run import Run
from reports.data.sources import MODULES
from reports.data.trials import Sweep
from reports.figures import cost, latency, load
from reports.figures import diagnostics as diagnostic_figures
from reports.figures import dump as dump_figures
from reports.pages import dump, properties, view, xray
from reports.pages.parallel import in_parallel
from reports.pages.template import write
from reports.text import words


def render_run(run: Run, out: Path, modules: Path = MODULES) -> Path:
    """Write the report of one run into the folder ``out`` and return the path of its index."""
    out.mkdir(parents=True, exist_ok=True)
    common = {
        "run": run,
        "clock": words.clock_words(run.clock),
        "kernel": str(run.environment.get("kernel") or "(kernel not recorded)"),
        "banners": [text for text in [view.banner(run)] if text],
        "dumps": dumps.lines(run),
    }
    heat = view.heat_map(run)
    recorded = data_properties.load(run)
    sweeps = trials.sweeps(run)
    xrays = call_trees.load(run)

    def channel_page(row: view.HeatRow) -> None:
        more = {
            "sheet": properties.sheet(run, row.channel, recorded),
            "searches": [sweep for sweep in sweeps if sweep.row.channel == row.channel],
            "xrays": xray.sheet(run, row.channel, xrays),
            "counterparts": counterparts.rows(run, run.channel(row.channel), xrays),
        }
        _channel_page(run, row, [other.channel for other in heat], out, modules, common | more)

    def index_page() -> None:
        _index_page(run, out, heat, recorded, sweeps, xrays, common)

    # The slowest pages first, so that no processor is idle at the end.
    in_parallel(
        index_page,
        partial(_diagnostics_page, run, out, common),
        partial(_shared_page, run, out, modules, common),
        *(partial(channel_page, row) for row in heat),
    )
    return out / "index.html"


def _index_page(
    run: Run,
    out: Path,
    heat: Sequence[view.HeatRow],
    recorded: Sequence[Property],
    sweeps: Sequence[Sweep],
    xrays: Xrays | None,
    common: dict[str, Any],
) -> None:
    stacks = xray.stacks(run, xrays) if xrays else ()
    drawn = [cost.cost(run), *latency.channels_latency(run)]
    drawn += [cost.rates(run), cost.bandwidth(run)]
    figures = [figure for figure in drawn if figure]
    placed = placements.lines(run)
    streams = view.streams(run)
    loads = [figure for figure in [load.of_channels(run, sweeps)] if figure]
    dumped = dump.section(common["dumps"])
    dump_figure = dump_figures.figure(run, common["dumps"])
    write(
        out / "index.html",
        "index.html.j2",
        answer=view.answer(run),
        machine=view.machine(run),
        mitigations=view.pairs(run, "mitigations"),
        config=view.pairs(run, "config"),
        tools=view.pairs(run, "tools"),
        warnings=view.warnings(run),
        heat=heat,
        kinds=properties.matrix(run, recorded),
        stacks=stacks,
        stack_kinds=xray.kinds_of(xrays, xrays.operations) if xrays else (),
        figures=figures,
        has_samples=run.samples is not None,
        placed=placed,
        placements=placements.used(placed),
        streams=streams,
        loads=loads,
        searches=load.table(sweeps),
        dumped=dumped,
        dump_figures=[dump_figure] if dump_figure else [],
        results=view.results(run),
        overhead=view.overhead(run),
        sections=_sections(
            figures, bool(placed), bool(streams), bool(sweeps), bool(stacks), bool(dumped)
        ),
        **common,
    )


def _sections(
    figures: list[cost.Figure],
    placed: bool,
    streams: bool,
    loads: bool,
    stacks: bool,
    dumped: bool,
) -> list[tuple[str, str]]:
    """Anchor and title of each section of the index, for its navigation."""
    names = [("machine", "Machine"), ("clock", "Clock"), ("map", "Heat map")]
    names += [("properties", "Properties")]
    names += [(figure.name, figure.title) for figure in figures]
    names += [("xray", "X-ray")] if stacks else []
    names += [("placements", "Placements")] if placed else []
    names += [("streams", "Streams")] if streams else []
    names += [("load", "Streams under load")] if loads else []
    names += [("dumps", "Dumps")] if dumped else []
    return [*names, ("all", "All cells"), ("harness", "Overhead"), ("channels", "Channels")]


def _diagnostics_page(run: Run, out: Path, common: dict[str, Any]) -> None:
    rounds = Rounds(run)
    suspects = diagnostics.suspects(run, rounds)
    write(
        out / "diagnostics.html",
        "diagnostics.html.j2",
        facts=diagnostics.facts(run),
        units=diagnostics.units(run),
        repeated=diagnostics.repeated(run),
        suspects=suspects,
        outliers=diagnostics.outliers(run),
        controls=diagnostics.controls(run),
        knobs=diagnostics.knobs(run),
        figures=diagnostic_figures.figures(run, rounds, suspects),
        **common,
    )


def _shared_page(run: Run, out: Path, modules: Path, common: dict[str, Any]) -> None:
    shared = sources.read_shared((channel.name for channel in run.channels), modules)
    write(out / sources.SHARED, "shared.html.j2", shared=shared, **common)


def _channel_page(
    run: Run, row: view.HeatRow, names: list[str], out: Path, modules: Path, common: dict[str, Any]
) -> None:
    channel = run.channel(row.channel)
    results = view.results(run, channel.name)
    placed = placements.lines(run, channel.name)
    drawn = [cost.modes(run, channel.name), latency.modes_latency(run, channel.name)]
    write(
        out / row.link,
        "channel.html.j2",
        channel=channel,
        names=names,
        heat=row,
        sources=sources.read_sources(channel.name, modules),
        refusals=view.refusals(run, channel),
        limits=view.limits(channel),
        modes=[mode for mode in channel.modes if mode.get("summary")],
        groups=[
            (operation, list(rows))
            for operation, rows in groupby(results, key=lambda it: it.row.operation)
        ],
        figures=[figure for figure in drawn if figure],
        placed=placed,
        placements=placements.used(placed),
        streams=view.streams(run, channel.name),
        dumped=dump.section(common["dumps"], channel.name),
        loads=[
            figure for figure in [load.of_modes(run, channel.name, common["searches"])] if figure
        ],
        **common | {"searches": load.table(common["searches"])},
    )
