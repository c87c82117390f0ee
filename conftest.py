# SPDX-License-Identifier: GPL-2.0-only
"""pytest options and fixtures of the benchmarks, for ``pytest bench/ --channels=netlink``."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.errors import RingcrossError
from bench.plan import options as run_options
from bench.plan.cells import Cell
from bench.plan.factors import CONTEXTS, FACTORS, PLACEMENTS, WAITS, read_factors
from bench.plan.options import RunOptions
from bench.plan.plans import PLANS
from bench.run.campaign import Campaign
from bench.run.replay import BenchmarkFile, Measured

CAMPAIGN = pytest.StashKey[Campaign]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of ``ringcross run``."""
    group = parser.getgroup("ringcross", "ringcross: what to measure, and where")
    add = group.addoption
    add("--plan", default="quick", help=f"one of {', '.join(PLANS)} (default: quick)")
    add("--channels", help="only these and the controls, e.g. netlink,ioctl (default: all)")
    add("--operations", help="only these, e.g. push,call (default: all)")
    add("--sizes", help="message sizes in bytes of body, e.g. 8,4k,1M (default: the plan's)")
    add(
        "--contexts",
        help=f"where the kernel emits events: {', '.join(CONTEXTS)} (default: the plan's)",
    )
    add("--waits", help=f"how the reader waits: {', '.join(WAITS)} (default: the plan's)")
    add("--bursts", help="events per burst of a stream, e.g. 1,16 (default: the plan's)")
    add("--rates", help="rates of a stream: max, search or numbers (default: the plan's)")
    add("--queues", help="queue lengths of a stream, e.g. 16,64 (default: the plan's)")
    add("--records", help="records of a dump's table, e.g. 16,4096 (default: the plan's)")
    add("--threads", help="number of concurrent threads, e.g. 1,2,4 (default: the plan's)")
    add(
        "--placements",
        help=f"where the two ends run: {', '.join(PLACEMENTS)} (default: the plan's)",
    )
    add("--target", default="vm", help="vm or local (default: vm)")
    add(
        "--kernel",
        default="stock",
        help="kernel as ringcross run accepts it, e.g. 6.12 (default: the distribution's)",
    )
    add(
        "--clock",
        default="auto",
        help="instructions or time (default: time where the target supports it)",
    )
    add("--seed", type=_whole(0, 2**63), default=1, help="seed of the first boot (default: 1)")
    add(
        "--boots",
        type=_whole(1, 100),
        default=1,
        help="number of boots in which each cell is measured (default: 1)",
    )
    add(
        "--loads",
        type=_whole(0, 100),
        default=0,
        help="loads of the module in each boot (default: the plan's)",
    )
    add("--precision", help="repeat cells until their intervals are as narrow, e.g. 2%%")
    add("--budget", help="how long to repeat, e.g. 10m (default: 10m)")
    add("--append", default="", help="parameters for the kernel command line of the vm target")
    add(
        "--cpus",
        type=_whole(0, 255),
        default=0,
        help="CPUs of the vm target (default: chosen by the clock)",
    )
    add(
        "--accel",
        default="auto",
        help="auto, kvm or tcg (default: auto, which is kvm where it works)",
    )
    add("--force-time", action="store_true", help="allow the time clock under emulation")
    add(
        "--yes-load-modules",
        action="store_true",
        help="allow --target local to load modules into the running kernel",
    )
    add(
        "--prebuilt",
        type=Path,
        help="folder with ringcross_agent and ringcross_*.ko (default: build them)",
    )
    add("--resume", type=Path, help="run folder to continue")
    add("--run-dir", type=Path, help="folder to record in (default: a new one)")


def _whole(low: int, high: int) -> Callable[[str], int]:
    """A reader of whole numbers from ``low`` to ``high``, for the type of an option."""

    def read(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return read


def options_from(config: pytest.Config) -> RunOptions:
    """The run options that pytest's command line gives."""
    get = config.getoption
    precision, budget = get("--precision"), get("--budget")
    repetition = run_options.repetition(
        None if precision is None else run_options.parse_share(precision),
        None if budget is None else run_options.parse_duration(budget),
    )
    return RunOptions(
        target=get("--target"),
        kernel=get("--kernel"),
        clock=get("--clock"),
        plan=get("--plan"),
        channels=run_options.words(get("--channels")),
        operations=run_options.words(get("--operations")),
        sizes=run_options.sizes(get("--sizes")),
        factors=read_factors(**{axis: get(f"--{axis}") for axis in FACTORS}),
        seed=get("--seed"),
        boots=get("--boots"),
        loads=get("--loads"),
        append=tuple(get("--append").split()),
        cpus=get("--cpus"),
        accel=get("--accel"),
        force_time=get("--force-time"),
        yes_load_modules=get("--yes-load-modules"),
        prebuilt=get("--prebuilt"),
        run_dir=get("--run-dir"),
        precision=repetition["precision"],
        budget=repetition["budget"],
        resume=get("--resume"),
    )


def campaign_of(config: pytest.Config) -> Campaign:
    """The run of this session: passed in by ``ringcross run``, or made from the options."""
    if CAMPAIGN not in config.stash:
        bridge: Any = config.pluginmanager.get_plugin("ringcross-campaign")
        try:
            config.stash[CAMPAIGN] = bridge.campaign if bridge else Campaign(options_from(config))
        except RingcrossError as error:
            pytest.exit(str(error), returncode=error.exit_code)
    return config.stash[CAMPAIGN]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test per cell of the plan."""
    if "measured" in metafunc.fixturenames:
        cells = campaign_of(metafunc.config).cells
        metafunc.parametrize("cell", cells, ids=lambda cell: cell.name)


def _cell(item: pytest.Item) -> Cell | None:
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("cell") if callspec else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort the tests into the order in which the cells are measured."""
    if CAMPAIGN in config.stash:
        position = {cell: n for n, cell in enumerate(config.stash[CAMPAIGN].order())}
        items.sort(key=lambda item: position.get(_cell(item), -1))  # type: ignore[arg-type]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Measure only the cells that ``-k`` and other filters have left."""
    campaign = session.config.stash.get(CAMPAIGN, None)
    if campaign is not None:
        selected = {_cell(item) for item in session.items}
        campaign.select([cell for cell in campaign.cells if cell in selected])


@pytest.fixture(scope="session")
def campaign(request: pytest.FixtureRequest) -> Iterator[Campaign]:
    """The run of this session; it is finished when the session ends."""
    with campaign_of(request.config) as campaign:
        yield campaign


@pytest.fixture
def measured(request: pytest.FixtureRequest, campaign: Campaign, cell: Cell) -> Measured:
    """The results of the cell; measures until they are there.

    ``benchmark.json`` is written to the run folder.
    """
    try:
        results = campaign.result(cell)
    except RingcrossError as error:
        pytest.exit(str(error), returncode=error.exit_code)
    measured = Measured(cell, results, campaign.clock)
    benchmarks: Any = request.config.pluginmanager.get_plugin("pytest-benchmark")
    if measured.ok and benchmarks.json is None and campaign.folder is not None:
        benchmarks.json = BenchmarkFile(campaign.folder / "benchmark.json")
    return measured


def pytest_benchmark_update_machine_info(
    config: pytest.Config, machine_info: dict[str, Any]
) -> None:
    """Record what the figures count, and on which kernel."""
    if CAMPAIGN in config.stash:
        machine_info["ringcross"] = config.stash[CAMPAIGN].identity()
