"""``ringcross run``: measure, and render a report."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click

from bench.commands import console
from bench.commands.console import INTERRUPTED, fail
from bench.commands.report import render
from bench.commands.result_table import print_table
from bench.plan import options as run_options
from bench.plan.cells import OPERATIONS
from bench.plan.factors import CONTEXTS, FACTORS, WAITS, read_factors
from bench.plan.options import ACCELERATORS, CLOCKS, TARGETS, RunOptions
from bench.plan.plans import PLANS
from bench.run import progress


def _run_parameters(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of ``run``."""
    for option in reversed(
        (
            click.option("--target", type=click.Choice(TARGETS), default="vm", show_default=True,
                         help="Where the kernel under test runs."),
            click.option("--kernel", default="stock", show_default=True, metavar="SPEC",
                         help="'stock', a series such as 6.12, or an exact release."),
            click.option("--clock", type=click.Choice(CLOCKS), default="auto", show_default=True,
                         help="What to count; auto: time with KVM, instructions without."),
            click.option("--plan", default="quick", show_default=True, metavar="PLAN",
                         help=f"How much: {', '.join(PLANS)}."),
            click.option("--channels", metavar="LIST", help="Exactly these, e.g. netlink,ioctl,"
                         " and the controls."),
            click.option("--operations", metavar="LIST",
                         help=f"Only these of {', '.join(OPERATIONS)}."),
            click.option("--sizes", metavar="LIST", help="Bytes of body, e.g. 8,4k,1M."),
            click.option("--contexts", metavar="LIST",
                         help=f"Where the kernel raises events: {', '.join(CONTEXTS)}."),
            click.option("--waits", metavar="LIST",
                         help=f"How the user waits for them: {', '.join(WAITS)}."),
            click.option("--bursts", metavar="LIST",
                         help="Events of a stream in a row, as in 1,16."),
            click.option("--rates", metavar="LIST",
                         help="Of streams: max, search (the highest without loss), or messages per "
                         "second, or per million instructions."),
            click.option("--queues", metavar="LIST",
                         help="Lengths of a stream's queue, in the channel's own unit."),
            click.option("--threads", metavar="LIST",
                         help="Threads at once, e.g. 1,2,4. Naming any "
                         "factor replaces all that the plan varies."),
            click.option("--seed", type=int, default=1, show_default=True,
                         help="Of the first boot and the order of cells."),
            click.option("--boots", type=click.IntRange(1, 100), default=1, show_default=True,
                         help="Measure each cell in so many boots."),
            click.option("--loads", type=click.IntRange(0, 100), default=0,
                         help="And so often in each boot; the plan's number if not given."),
            click.option("--append", metavar="WORDS", help="For the kernel's command line in the "
                         "virtual machine, e.g. mitigations=off."),
            click.option("--accel", type=click.Choice(ACCELERATORS), default="auto",
                         show_default=True, help="How QEMU runs the guest."),
            click.option("--force-time", "--force", is_flag=True,
                         help="Allow nanoseconds under emulation, where they tell little."),
            click.option("--yes-load-modules", is_flag=True,
                         help="Allow --target local to load modules into this very kernel."),
            click.option("--prebuilt", type=click.Path(path_type=Path, file_okay=False),
                         metavar="DIR", help="Take ringcross_agent and ringcross_*.ko from here, "
                         "for a machine without a compiler or headers."),
            click.option("--explore/--no-explore", default=True, show_default=True,
                         help="Find out the channels' properties too, in one more boot."),
            click.option("--run-dir", type=click.Path(path_type=Path, file_okay=False),
                         help="Where to record; a new folder in reports/runs/ if not given."),
            click.option("--resume", type=click.Path(path_type=Path, file_okay=False),
                         metavar="DIR", help="Go on with this run, with its own options."),
        )
    ):  # fmt: skip
        function = option(function)
    return function


@click.command()
@_run_parameters
@click.option("--report/--no-report", default=True, help="Render the report at the end.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, not as a table.")
def run(report: bool, as_json: bool, **given: Any) -> None:
    """Measure, and render a report.

    \b
    ringcross run --plan standard
    ringcross run --kernel 6.12 --channels netlink,ioctl --sizes 64,4k
    ringcross run --target local --channels syscall     real nanoseconds, no root
    ringcross run --resume reports/runs/20250101T120000Z-6.1.0-amd64-instructions
    """
    from bench.run.pytest_bridge import run_campaign

    options = _options(given)
    shown = progress.for_console(console.ERR)
    begun = time.monotonic()
    with _terminated_as_interrupted():
        campaign, code = run_campaign(options, shown)
    if code == INTERRUPTED:
        where = campaign.folder
        fail(
            f"Interrupted; go on with: ringcross run --resume {where}"
            if where
            else "Interrupted before anything was measured.",
            INTERRUPTED,
        )
    if campaign.error is not None:
        kept = f" What was measured is kept in {campaign.folder}." if campaign.folder else ""
        fail(f"{campaign.error}{kept}", campaign.error.exit_code)
    assert campaign.folder is not None
    page = render([campaign.folder]) if report else None
    if as_json:
        print(json.dumps({"run": str(campaign.folder), "report": str(page) if page else None,
                          "failed": campaign.failed()}))  # fmt: skip
    else:
        print_table(campaign.folder)
        took = progress.clock_text(time.monotonic() - begun)
        console.OUT.print(
            f"{len(campaign.results)} cells in {took}, recorded in {campaign.folder}/",
            soft_wrap=True,
        )
        if page:
            console.OUT.print(f"Report: {page}", soft_wrap=True)
    for warning in campaign.warnings():
        if warning in campaign.shown_warnings:
            continue
        console.ERR.print(f"Note: {warning}", style="yellow", markup=False, soft_wrap=True)
    for reason in campaign.failed():
        console.ERR.print(reason, style="red", markup=False, soft_wrap=True)
    sys.exit(1 if campaign.failed() else 0)


def _options(given: dict[str, Any]) -> RunOptions:
    factors = read_factors(**{axis: given.pop(axis) for axis in FACTORS})
    return RunOptions(
        **given
        | {
            "append": tuple((given["append"] or "").split()),
            "channels": run_options.words(given["channels"]),
            "operations": run_options.words(given["operations"]),
            "sizes": run_options.sizes(given["sizes"]),
            "factors": factors,
        }
    )


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM end a run as Ctrl-C does, so that no machine is left behind."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
