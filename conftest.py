"""pytest's options and fixtures: `pytest bench/ --channels=netlink` measures by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.errors import RingcrossError
from bench.plan import options as run_options
from bench.plan.cells import Cell
from bench.plan.factors import CONTEXTS, FACTORS, WAITS, read_factors
from bench.plan.options import RunOptions
from bench.plan.plans import PLANS
from bench.run.campaign import Campaign
from bench.run.replay import Measured

CAMPAIGN = pytest.StashKey[Campaign]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of ``ringcross run``, for runs by hand."""
    group = parser.getgroup("ringcross", "ringcross: what to measure, and where")
    add = group.addoption
    add("--plan", default="quick", help=f"one of {', '.join(PLANS)} (default: quick)")
    add("--channels", help="these and the controls, e.g. netlink,ioctl (default: all)")
    add("--operations", help="only these, e.g. push,call (default: all)")
    add("--sizes", help="bytes of body, e.g. 8,4k,1M (default: the plan's)")
    add("--contexts", help=f"where events are raised: {', '.join(CONTEXTS)} (default: the plan's)")
    add("--waits", help=f"how to wait for them: {', '.join(WAITS)} (default: the plan's)")
    add("--bursts", help="events of a stream in a row, e.g. 1,16 (default: the plan's)")
    add("--rates", help="of streams: max, search or numbers (default: the plan's)")
    add("--queues", help="lengths of a stream's queue (default: the plan's)")
    add("--threads", help="threads at once, e.g. 1,2,4 (default: the plan's)")
    add("--target", default="vm", help="vm or local (default: vm)")
    add("--kernel", default="stock", help="e.g. 6.12 (default: the distribution's)")
    add("--clock", default="auto", help="instructions or time (default: what the target can)")
    add("--seed", type=int, default=1, help="of the first boot (default: 1)")
    add("--boots", type=int, default=1, help="boots to measure each cell in (default: 1)")
    add("--loads", type=int, default=0, help="how often in each boot (default: the plan's)")
    add("--append", default="", help="words for the kernel's command line in the machine")
    add("--accel", default="auto", help="kvm or tcg (default: kvm where it works)")
    add("--force-time", action="store_true", help="allow the time clock under emulation")
    add("--yes-load-modules", action="store_true", help="allow modules in this very kernel")
    add(
        "--prebuilt",
        type=Path,
        help="folder with ringcross_agent and ringcross_*.ko (default: build them)",
    )
    add("--resume", type=Path, help="run folder to go on with")
    add("--run-dir", type=Path, help="folder to record in (default: a new one)")


def asked(config: pytest.Config) -> RunOptions:
    """The options as given to pytest."""
    get = config.getoption
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
        accel=get("--accel"),
        force_time=get("--force-time"),
        yes_load_modules=get("--yes-load-modules"),
        prebuilt=get("--prebuilt"),
        run_dir=get("--run-dir"),
        resume=get("--resume"),
    )


def the_campaign(config: pytest.Config) -> Campaign:
    """The session's run: the one that ``ringcross run`` brings, or one made from the options."""
    if CAMPAIGN not in config.stash:
        brought: Any = config.pluginmanager.get_plugin("ringcross-campaign")
        try:
            config.stash[CAMPAIGN] = brought.campaign if brought else Campaign(asked(config))
        except RingcrossError as error:
            pytest.exit(str(error), returncode=error.exit_code)
    return config.stash[CAMPAIGN]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per cell of the plan."""
    if "measured" in metafunc.fixturenames:
        cells = the_campaign(metafunc.config).cells
        metafunc.parametrize("cell", cells, ids=lambda cell: cell.name)


def _cell(item: pytest.Item) -> Cell | None:
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("cell") if callspec else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the cells in the order in which they are measured."""
    if CAMPAIGN in config.stash:
        place = {cell: n for n, cell in enumerate(config.stash[CAMPAIGN].order())}
        items.sort(key=lambda item: place.get(_cell(item), -1))  # type: ignore[arg-type]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Measure what -k and the like have left, and no more."""
    campaign = session.config.stash.get(CAMPAIGN, None)
    if campaign is not None:
        left = {_cell(item) for item in session.items}
        campaign.select([cell for cell in campaign.cells if cell in left])


@pytest.fixture(scope="session")
def campaign(request: pytest.FixtureRequest) -> Iterator[Campaign]:
    """The run, finished at the end of the session; benchmark.json goes to its folder."""
    with the_campaign(request.config) as campaign:
        yield campaign


@pytest.fixture
def measured(request: pytest.FixtureRequest, campaign: Campaign, cell: Cell) -> Measured:
    """The cell under test, measured by now."""
    try:
        results = campaign.result(cell)
    except RingcrossError as error:
        pytest.exit(str(error), returncode=error.exit_code)
    measured = Measured(cell, results, campaign.clock)
    benchmarks: Any = request.config.pluginmanager.get_plugin("pytest-benchmark")
    if measured.ok and benchmarks.json is None and campaign.folder is not None:
        benchmarks.json = campaign.folder / "benchmark.json"
    return measured


def pytest_benchmark_update_machine_info(
    config: pytest.Config, machine_info: dict[str, Any]
) -> None:
    """Reporter what the figures count, and on which kernel."""
    if CAMPAIGN in config.stash:
        machine_info["ringcross"] = config.stash[CAMPAIGN].identity()
