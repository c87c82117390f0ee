# SPDX-License-Identifier: GPL-2.0-only
"""``ringcross run``: measure channels and render a report."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from bench.commands import console, run_set
from bench.commands.console import INTERRUPTED, fail
from bench.commands.options import KERNEL_NAMES, SEED, CpuCount, duration, share
from bench.commands.report import render
from bench.commands.result_table import print_table
from bench.errors import UsageError
from bench.plan import options as run_options
from bench.plan.cells import OPERATIONS
from bench.plan.factors import CONTEXTS, FACTORS, PLACEMENTS, WAITS, read_factors
from bench.plan.options import ACCELERATORS, CLOCKS, TARGETS, USUAL_CPUS, RunOptions
from bench.plan.plans import PLANS
from bench.plan.variants import read_variants
from bench.run import progress
from bench.run.run_set import is_set


def _run_parameters(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that select what is measured, and where."""
    folder = click.Path(path_type=Path, file_okay=False)
    options = (
        click.option("--target", type=click.Choice(TARGETS), default="vm", show_default=True,
                     help="Where the kernel under test runs."),
        click.option("--kernel", default="stock", show_default=True, metavar="SPEC",
                     help=f"Kernel under test: {KERNEL_NAMES}. Several, e.g. 6.1,6.12, are "
                     "measured in turn and shown in one report."),
        click.option("--clock", type=click.Choice(CLOCKS), default="auto", show_default=True,
                     help="What is counted: time (nanoseconds) or instructions. auto: time with "
                     "KVM or --target local, instructions without KVM."),
        click.option("--plan", default="quick", show_default=True, metavar="PLAN",
                     help=f"How much is measured: {', '.join(PLANS)}."),
        click.option("--channels", metavar="LIST",
                     help="Measure only these channels and the controls, e.g. netlink,ioctl."),
        click.option("--operations", metavar="LIST",
                     help=f"Measure only these operations: {', '.join(OPERATIONS)}."),
        click.option("--sizes", metavar="LIST",
                     help="Message sizes in bytes of body, e.g. 8,4k,1M."),
        click.option("--contexts", metavar="LIST",
                     help=f"Where the kernel emits events: {', '.join(CONTEXTS)}."),
        click.option("--waits", metavar="LIST",
                     help=f"How the reader waits for events: {', '.join(WAITS)}."),
        click.option("--bursts", metavar="LIST",
                     help="Events per burst of a stream, e.g. 1,16."),
        click.option("--rates", metavar="LIST",
                     help="Rates of a stream: max, search (find the highest rate without loss), "
                     "or numbers: messages per second, or per million instructions."),
        click.option("--queues", metavar="LIST",
                     help="Queue lengths of a stream, in the channel's own unit."),
        click.option("--records", metavar="LIST",
                     help="Numbers of records of a dump's table, e.g. 16,4096."),
        click.option("--threads", metavar="LIST",
                     help="Numbers of concurrent threads, e.g. 1,2,4."),
        click.option("--placements", metavar="LIST",
                     help="Where the two ends of a conversation run, with the clock time: "
                     f"{', '.join(PLACEMENTS)}."),
        click.option("--seed", type=SEED, default=1, show_default=True,
                     help="Seed of the first boot and of the order of cells."),
        click.option("--boots", type=click.IntRange(1, 100), default=1, show_default=True,
                     metavar="N", help="Number of boots in which each cell is measured."),
        click.option("--loads", type=click.IntRange(0, 100), default=0, metavar="N",
                     help="Loads of the module in each boot; as the plan says if 0 or not given."),
        click.option("--precision", metavar="SHARE", callback=share,
                     help="Under the clock time, measure each cell again until its 95 % interval "
                     "reaches at most this share to either side, e.g. 2%. Cells that are precise "
                     "enough are not measured again."),
        click.option("--budget", metavar="TIME", callback=duration,
                     help="With --precision, stop measuring again after this time, e.g. 10m "
                     "(default: 10m). The cells that are not precise then are named."),
        click.option("--append", metavar="WORDS",
                     help="Parameters for the kernel command line of the virtual machine, e.g. "
                     "mitigations=off. Several sets, e.g. \"none | mitigations=off\", are measured "
                     "in turn and shown in one report."),
        click.option("--cpus", type=CpuCount(), default="auto", metavar="N", show_default=True,
                     help="CPUs of the virtual machine. auto: 1 to count instructions, otherwise "
                     "one less than this machine has, but at least 2 if it has 2, and at most "
                     f"{USUAL_CPUS}."),
        click.option("--accel", type=click.Choice(ACCELERATORS), default="auto",
                     show_default=True, help="How QEMU runs the guest. auto: kvm where it works, "
                     "except to count instructions."),
        click.option("--force-time", "--force", is_flag=True,
                     help="Allow --clock time without KVM. Such nanoseconds say little about real "
                     "time."),
        click.option("--yes-load-modules", is_flag=True,
                     help="Allow --target local to load modules into the running kernel (needs "
                     "root). A faulty module can crash this machine."),
        click.option("--prebuilt", type=folder, metavar="DIR",
                     help="Use ringcross_agent and ringcross_*.ko from this folder, on a machine "
                     "without a compiler or kernel headers."),
        click.option("--explore/--no-explore", default=True, show_default=True,
                     help="Also probe properties and take x-rays, in one more boot."),
        click.option("--run-dir", type=folder, metavar="DIR",
                     help="Folder to record in; a new one in reports/runs/ if not given."),
        click.option("--resume", type=folder, metavar="DIR",
                     help="Continue the run in this folder, with the options it started with."),
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


@click.command()
@_run_parameters
@click.option(
    "--dry-run",
    is_flag=True,
    help="Only list what would be measured, and estimate how long it takes.",
)
@click.option("--report/--no-report", default=True, show_default=True,
              help="Render the report at the end.")  # fmt: skip
@click.option(
    "--json", "as_json", is_flag=True, help="Print the result as JSON instead of a table."
)
def run(report: bool, as_json: bool, dry_run: bool, **given: Any) -> None:
    """Measure channels and render a report.

    By default this boots the kernel under test in a virtual machine, loads the kernel half of each
    channel, validates the messages, and measures. The first run fetches the kernel and builds the
    agent and the modules.

    A plan says how much is measured: quick (2 sizes, 11 rounds per cell), standard (4 sizes, 15
    rounds, more factors) or full (18 sizes, 51 rounds in each of 3 loads, most factors). Only full
    takes the x-rays of every mode; the others take those of the first mode of each operation.
    Factors are contexts, waits, bursts, rates, queues, threads, placements and, for dumps, records.
    Giving values for one factor replaces all the factors that the plan varies. Under the clock
    time, rounds are shorter, and each cell is measured in at least 4 loads; --precision repeats
    those that are not precise.

    Prints progress on standard error, then a table with the median cost per operation and the
    paths of the run folder and the report. Results are written as they are measured, so an
    interrupted run can be continued with --resume.

    \b
    Examples:
      ringcross run --plan standard
      ringcross run --plan full --dry-run                 cells, skips and an estimate of the time
      ringcross run --kernel 6.12 --channels netlink,ioctl --sizes 64,4k
      ringcross run --kernel 5.10,6.1,6.12                how each cost moved, in one report
      ringcross run --target local --channels syscall     nanoseconds on this kernel, no root
      ringcross run --precision 2% --budget 10m           repeat what is imprecise
      ringcross run --resume reports/runs/20250101T120000Z-6.1.0-amd64-instructions
    """
    from bench.commands.dry_run import describe, print_description
    from bench.run.pytest_bridge import run_campaign

    variants = read_variants(given["kernel"], given["append"])
    options = variants[0].applied_to(_options(given))
    reporter = progress.for_console(console.ERR)
    if dry_run:
        if is_set(options.resume):
            raise UsageError(
                f"{options.resume} is a run set, and --dry-run describes one run: name one of its "
                "folders, or leave out --dry-run."
            )
        description = describe(options, len(variants), reporter)
        if as_json:
            print(json.dumps(description))
        else:
            print_description(description)
        return
    started = time.monotonic()
    if len(variants) > 1 or is_set(options.resume):
        sys.exit(run_set.measure(options, variants, reporter, report=report, as_json=as_json))
    campaign, code = run_campaign(options, reporter)
    if code == INTERRUPTED:
        folder = campaign.folder
        fail(
            f"Interrupted. Continue with: ringcross run --resume {folder}"
            if folder
            else "Interrupted before anything was measured.",
            INTERRUPTED,
        )
    if campaign.error is not None:
        kept = f" Results so far are kept in {campaign.folder}." if campaign.folder else ""
        fail(f"{campaign.error}{kept}", campaign.error.exit_code)
    assert campaign.folder is not None
    page = render([campaign.folder]) if report else None
    if as_json:
        print(json.dumps({"run": str(campaign.folder), "report": str(page) if page else None,
                          "failed": campaign.failed()}))  # fmt: skip
    else:
        print_table(campaign.folder)
        elapsed = progress.clock_text(time.monotonic() - started)
        console.OUT.print(
            f"{len(campaign.results)} cells in {elapsed}, recorded in {campaign.folder}/",
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
    if campaign.failed() and (campaign.folder / "kernel.log").exists():
        console.ERR.print(f"Kernel log: {campaign.folder}/kernel.log", soft_wrap=True)
    sys.exit(1 if campaign.failed() else 0)


def _options(given: dict[str, Any]) -> RunOptions:
    factors = read_factors(**{axis: given.pop(axis) for axis in FACTORS})
    repetition = run_options.repetition(given.pop("precision"), given.pop("budget"))
    return RunOptions(
        **given
        | repetition
        | {
            "append": (),
            "channels": run_options.words(given["channels"]),
            "operations": run_options.words(given["operations"]),
            "sizes": run_options.sizes(given["sizes"]),
            "factors": factors,
        }
    )
