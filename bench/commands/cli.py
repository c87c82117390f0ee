"""The command line: ``ringcross`` and ``python -m bench``."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any, Literal, NoReturn

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.errors import RingcrossError, UsageError
from bench.plan import options as run_options
from bench.plan.cells import OPERATIONS, UNITS
from bench.plan.factors import CONTEXTS, FACTORS, WAITS, read_factors
from bench.plan.options import ACCELERATORS, CLOCKS, TARGETS, RunOptions
from bench.plan.plans import PLANS
from bench.run import progress

INTERRUPTED = 130
OUT = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
ERR = Console(stderr=True, highlight=False)


class Cli(click.Group):
    """A group whose errors are one sentence, and whose exit codes are ours."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a known error becomes its sentence and its exit code."""
        try:
            return super().invoke(ctx)
        except RingcrossError as error:
            if ctx.params.get("debug"):
                raise
            fail(str(error), error.exit_code)
        except KeyboardInterrupt:
            fail("Interrupted.", INTERRUPTED)


def fail(sentence: str, code: int) -> NoReturn:
    """Reporter why on standard error, and exit."""
    ERR.print(f"ringcross: {sentence}", style="red", markup=False, soft_wrap=True)
    sys.exit(code)


@click.group(
    cls=Cli,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 fine, 1 measured but some cells failed, 2 wrong usage, 3 the target "
    "could not be had, 4 disk full, 5 damaged run folder, 130 interrupted.",
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="ringcross")
def main(debug: bool) -> None:
    """What does it cost to cross from user space into the Linux kernel, or back?

    \b
    ringcross run                      measure all channels in a virtual machine
    ringcross run --channels netlink   only one
    ringcross list                     what there is to measure
    ringcross report RUN               render a run folder again
    ringcross xray netlink             the calls that the kernel makes for one message
    """
    del debug  # looked up by Cli.invoke()


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


@main.command()
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
    shown = progress.for_console(ERR)
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
    page = _render([campaign.folder]) if report else None
    if as_json:
        print(json.dumps({"run": str(campaign.folder), "report": str(page) if page else None,
                          "failed": campaign.failed()}))  # fmt: skip
    else:
        _print_table(campaign.folder)
        took = progress.clock_text(time.monotonic() - begun)
        OUT.print(
            f"{len(campaign.results)} cells in {took}, recorded in {campaign.folder}/",
            soft_wrap=True,
        )
        if page:
            OUT.print(f"Report: {page}", soft_wrap=True)
    for warning in campaign.warnings():
        if warning in campaign.told:
            continue
        ERR.print(f"Note: {warning}", style="yellow", markup=False, soft_wrap=True)
    for reason in campaign.failed():
        ERR.print(reason, style="red", markup=False, soft_wrap=True)
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


def _render(folders: list[Path], out: Path | None = None) -> Path:
    """Render the report of runs; a damaged one is an error of ours."""
    from reports.data.run import DamagedRun
    from reports.pages.render import render

    try:
        return render(folders, out)
    except DamagedRun as error:
        raise RingcrossError(str(error), exit_code=5) from error


def _print_table(folder: Path) -> None:
    """The smallest size of each channel and mode: median cost per operation."""
    from reports.data.run import load_run

    loaded = load_run(folder)
    cost: dict[tuple[str, str], dict[str, float]] = {}
    smallest: dict[tuple[str, str, str], float] = {}
    for row in (row for channel in loaded.channels for row in loaded.of(channel.name)):
        if row.measured and row.median is not None:
            key = (row.channel, row.mode, row.operation)
            if row.size <= smallest.get(key, row.size):
                smallest[key] = row.size
                cost.setdefault((row.channel, row.mode), {})[row.operation] = row.median
    unit = UNITS["time" if loaded.clock == "time" else "instructions"]
    table = Table(
        title=f"{unit} per operation, smallest message, median",
        title_justify="left",
        box=box.SIMPLE,
    )
    table.add_column("channel")
    for operation in OPERATIONS:
        table.add_column(operation, justify="right")
    references = {channel.name for channel in loaded.channels if channel.reference}
    for channel, mode in sorted(cost, key=lambda name: _order(name, references)):
        values = cost[channel, mode]
        cells = (f"{values[op]:,.0f}" if op in values else "–" for op in OPERATIONS)
        note = " (reference: to another process)" if channel in references else ""
        style = "dim" if channel == "null" or note else None
        table.add_row(f"{channel} {mode}{note}", *cells, style=style)
    if not cost:
        return
    OUT.print(table)
    own = loaded.environment.get("overhead") or {}
    if own:
        OUT.print(
            f"Taken off: {own['loop']:.3g} {unit} per operation and {own['read']:.3g} per clock "
            "reading, the harness's own.",
            style="dim",
        )


def _order(name: tuple[str, str], references: set[str]) -> tuple[bool, bool, str, str]:
    """Order of the table: the floor, channels and modes by name, references."""
    channel, mode = name
    return channel != "null", channel in references, channel, mode


@main.command("list")
@click.option("--json", "as_json", is_flag=True, help="The agent's own list, for programs.")
@click.option("--markdown", "as_markdown", is_flag=True, help="As the table of the README.")
def list_channels(as_json: bool, as_markdown: bool) -> None:
    """What can be measured: channels, their operations, and why one is missing.

    \b
    ringcross list
    ringcross list --json | jq '.channels[].name'
    ringcross list --markdown                   # the table of the README
    """
    from bench.commands import channel_table as tables
    from bench.targets.provision import Provisioner

    listing = Provisioner().listing()
    if as_json:
        print(json.dumps(listing, indent=1))
        return
    if as_markdown:
        print(tables.markdown(listing), end="")
        return
    table = Table("channel", *OPERATIONS, "what it is")
    for row in tables.rows(listing):
        kind = " [dim](a reference)[/]" if row.reference else ""
        table.add_row(row.name, *("yes" if has else "–" for has in row.has), row.summary + kind)
    OUT.print(table)
    for row in tables.rows(listing):
        for operation, reason in row.unsupported_reason.items():
            OUT.print(f"[bold]{row.name}[/] has no {operation}: {reason}", soft_wrap=True)
        for mode, once in row.one_shot_reason.items():
            OUT.print(f"[bold]{row.name} {mode}[/] is one-shot: {once}", soft_wrap=True)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--apply", "apply_", is_flag=True, help="Set what can be set for the time clock.")
@click.option("--undo", is_flag=True, help="Put back what --apply has set.")
def doctor(as_json: bool, apply_: bool, undo: bool) -> None:
    """Whether this machine has what a run needs, and what to do if not.

    Ends with 3 when something that the default run needs is missing. What moves nanoseconds
    (governor, turbo, SMT, interrupts …) can be set as root, until the next boot:

    \b
    ringcross doctor --apply
    ringcross doctor --undo
    """
    from bench.host import doctor as checks

    if apply_ or undo:
        _set_knobs(apply_, undo, as_json)
    findings = list(checks.examine())
    install = checks.install_command(findings)
    if as_json:
        print(json.dumps({"findings": [f.to_json() for f in findings], "install": install}))
    else:
        group = ""
        for finding in findings:
            if finding.group != group:
                group = finding.group
                OUT.print(checks.GROUPS[group], style="bold", soft_wrap=True)
            colour = {"ok": "green", "note": "yellow", "missing": "red"}[finding.state]
            OUT.print(f"[{colour}]{finding.state:8}[/]{finding.what}: {finding.found}",
                      soft_wrap=True)  # fmt: skip
            if finding.advice:
                OUT.print(f"        {finding.advice}", style="dim", soft_wrap=True)
        if install:
            OUT.print(f"Install what is missing: {install}", soft_wrap=True)
    sys.exit(3 if any(finding.state == "missing" for finding in findings) else 0)


def _set_knobs(apply: bool, undo: bool, as_json: bool) -> NoReturn:
    """Set the knobs of this machine, or put them back, and say what was written where."""
    from bench.host import knobs

    if apply and undo:
        raise UsageError("Either --apply or --undo: each undoes the other.")
    done = knobs.apply(knobs.every()) if apply else knobs.undo()
    if as_json:
        print(json.dumps(asdict(done)))
        sys.exit(1 if done.refused else 0)
    for path, before in done.before.items():
        told = f"was {before}" if apply else f"is {before} again"
        OUT.print(f"set     {path} ({told})", markup=False, soft_wrap=True)
    for path, error in done.refused.items():
        OUT.print(f"refused {path}: {error}", style="yellow", markup=False, soft_wrap=True)
    if not done.before:
        OUT.print("Nothing was changed." if done.refused else "There is nothing to set here.")
    elif apply:
        OUT.print("Put it back with: ringcross doctor --undo; or, by hand and as root:")
        OUT.print(f"  {done.undo_command()}", markup=False, soft_wrap=True)
    sys.exit(1 if done.refused else 0)


@main.command()
@click.argument("channel")
@click.option("--operation", metavar="NAME", help=f"One of {', '.join(OPERATIONS[:4])}; the most "
              "telling if not given.")  # fmt: skip
@click.option("--mode", metavar="NAME", help="The first that has the operation if not given.")
@click.option("--size", metavar="BYTES", help="Of body, e.g. 64 or 4k; 8 if not given.")
@click.option("--kernel", default="stock", show_default=True, metavar="SPEC",
              help="'stock', a series such as 6.12, or an exact release.")  # fmt: skip
@click.option("--clock", type=click.Choice(CLOCKS), default="auto", show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the boot.")
@click.option("--all", "everything", is_flag=True, help="Do not sum up what costs little.")
@click.option("--flat", is_flag=True, help="Functions by their own cost, not the tree.")
@click.option("--json", "as_json", is_flag=True, help="As in a run's xray.json.")
def xray(channel: str, everything: bool, flat: bool, as_json: bool, **asked: Any) -> None:
    """Print the calls that the kernel makes for one operation, and what each costs.

    \b
    ringcross xray netlink --operation call
    ringcross xray procfs --mode reopen --operation pull --json
    """
    from bench.commands import xray_text
    from bench.commands.xray import look

    xrays = look(channel, say=lambda line: ERR.print(line, style="dim"), **asked)
    if as_json:
        print(json.dumps(xrays.to_json()))
    else:
        smallest = 0 if everything else xray_text.SMALLEST
        for page in xray_text.pages(xrays, smallest=smallest, flat=flat):
            OUT.print(page, soft_wrap=isinstance(page, Text))
    sys.exit(0 if all(one.status == "ok" for one in xrays.operations) else 1)


@main.command()
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Where to.")
def report(runs: tuple[Path, ...], out: Path | None) -> None:
    """Render a report of one run, or of several side by side; of the newest if none is named.

    \b
    ringcross report reports/runs/20250101T120000Z-6.1.0-amd64-instructions
    """
    folders = list(runs) or _newest(1)
    if len(folders) > 1 and out is None:
        out = folders[0].parent / "side-by-side" / "+".join(f.resolve().name for f in folders)
    OUT.print(f"Report: {_render(folders, out)}", soft_wrap=True)


def _newest(count: int) -> list[Path]:
    """The newest runs, oldest first."""
    found = sorted(path.parent for path in run_options.RUNS.glob("*/cells.csv"))
    if len(found) < count:
        raise UsageError(
            f"There are {len(found)} runs in {run_options.RUNS}/, and {count} are needed: "
            "measure by `ringcross run`, or name run folders."
        )
    return found[-count:]


def _share(_context: click.Context, _option: click.Parameter, text: str | None) -> float | None:
    """A share from ``2%`` or ``0.02``."""
    if text is None:
        return None
    try:
        share = float(text.rstrip("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share < float("inf"):
        raise click.BadParameter(f"{text!r} is no share: write it as in 2% or 0.02.")
    return share


@main.command()
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--fail-above",
    metavar="SHARE",
    callback=_share,
    help="End with 1 when a cell got slower by more, e.g. 2%.",
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Page goes here.")
@click.option("--json", "as_json", is_flag=True, help="The table as JSON.")
def compare(
    runs: tuple[Path, ...], fail_above: float | None, out: Path | None, as_json: bool
) -> None:
    """Ratios of run B to run A, with intervals; of the two newest runs if none is named.

    Ends with 0, or with 1 when --fail-above is given and a cell got slower by more than that,
    beyond what chance explains. Runs of two clocks are refused, with 2; a damaged folder is 5.

    \b
    ringcross compare A B --fail-above 2%
    ringcross compare A B --json | jq '.rows[] | select(.verdict != "same")'
    """
    from reports.analysis.compare import Refused, render_comparison
    from reports.analysis.compare import compare as compared
    from reports.data.run import DamagedRun, load_run

    folders = list(runs) or _newest(2)
    if len(folders) != 2:
        raise UsageError(f"Two runs are compared, and {len(folders)} given: name A and B.")
    try:
        a, b = (load_run(path) for path in folders)
        comparison = compared(a, b, fail_above=fail_above)
    except DamagedRun as error:
        raise RingcrossError(str(error), exit_code=5) from error
    except Refused as error:
        raise UsageError(str(error)) from error
    name = "--".join(path.resolve().name for path in folders)
    page = render_comparison(comparison, out or folders[1].parent / "compare" / name)
    head, *rows = comparison.table()
    if as_json:
        print(json.dumps(comparison.to_json()))
    else:
        table = Table(*head, box=box.SIMPLE)
        for row in rows:
            table.add_row(*row)
        OUT.print(table)
        means = (f"{mean.operation} {mean.ratio:.4f}×" for mean in comparison.means)
        OUT.print(f"Geometric means of b / a: {', '.join(means)}", soft_wrap=True)
        for mark in comparison.marks:
            OUT.print(f"Differs: {mark.what}: {mark.a} → {mark.b}", markup=False, soft_wrap=True)
        for note in comparison.notes:
            OUT.print(note, style="yellow", markup=False, soft_wrap=True)
        OUT.print(f"{len(comparison.changed)} of {len(rows)} cells changed. Page: {page}",
                  soft_wrap=True)  # fmt: skip
    for cell in comparison.failing:
        ERR.print(f"{cell.name} got slower by {100 * (cell.ratio - 1):.1f} %.", style="red",
                  markup=False, soft_wrap=True)  # fmt: skip
    sys.exit(1 if comparison.failed else 0)


@main.command()
@click.option("--kernel", default="stock", show_default=True, metavar="SPEC")
@click.option("--accel", type=click.Choice(["kvm", "tcg"]), default="tcg", show_default=True,
              help="How QEMU runs the guest; kvm is quicker where it works.")  # fmt: skip
def shell(kernel: str, accel: Literal["kvm", "tcg"]) -> None:
    """Boot the kernel under test and try the modules by hand; `exit` ends it.

    \b
    ringcross shell --kernel 6.12
    """
    from bench.commands.shell_session import interact
    from bench.kernels import catalog as store

    sys.exit(interact(store.find(kernel, say=lambda line: ERR.print(line, style="dim")), accel))


@main.command()
@click.option("--kernel", default="stock", show_default=True, metavar="SPEC")
@click.option("--accel", type=click.Choice(["kvm", "tcg"]), default="tcg", show_default=True,
              help="How QEMU runs the guest; kvm is quicker where it works.")  # fmt: skip
def demo(kernel: str, accel: Literal["kvm", "tcg"]) -> None:
    """Watch a module and a program share memory through /dev/mem, command by command.

    Boots the kernel in a virtual machine, with a piece of its memory cut out, and shows: where
    the module says that its memory is; a string that a program writes there, and that the kernel
    logs when the module goes; the same in each of 1024 pages, both ways; and what the kernel
    refuses, and why. Ends with 1 when anything does not come as told.

    \b
    ringcross demo --kernel 6.12
    """
    from bench.commands import demo_session as session
    from bench.kernels import catalog as store

    def say(line: str) -> None:
        style = "bold" if line.startswith("# ") else None
        OUT.print(line, style=style, markup=False, soft_wrap=True)

    found = store.find(kernel, say=lambda line: ERR.print(line, style="dim"))
    session.play(found, accel, say)


@main.command()
@click.argument("what", type=click.Choice(["agent", "modules"]))
@click.option("--kernel", default="stock", show_default=True, metavar="SPEC")
@click.option("--check", is_flag=True, help="Have sparse check the modules too.")
def build(what: str, kernel: str, check: bool) -> None:
    """Build the agent, or the modules for a kernel; a run does so by itself.

    \b
    ringcross build modules --kernel 6.12
    ringcross build modules --check      and have sparse read them
    """
    from bench.kernels import build as builder
    from bench.kernels import catalog as store

    def say(line: str) -> None:
        ERR.print(line, style="dim")

    if what == "agent":
        OUT.print(f"{builder.build_agent()}", soft_wrap=True)
    else:
        found = store.find(kernel, say=say)
        OUT.print(f"{builder.build_modules(found)}", soft_wrap=True)
        if check:
            builder.check_modules(found)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--fetch", metavar="SPEC", help="Take this kernel into the cache.")
def kernels(as_json: bool, fetch: str | None) -> None:
    """Kernels that can be measured: those in the cache, and series known by name.

    \b
    ringcross kernels --fetch 6.12
    """
    from bench.kernels import catalog as store

    if fetch:
        store.find(fetch, say=lambda line: ERR.print(line, style="dim"))
    cached = [kernel.release for kernel in store.list_kernels()]
    if as_json:
        print(json.dumps({"cached": cached, "known": ["stock", *store.SERIES]}))
        return
    OUT.print(f"In the cache: {', '.join(cached) or 'none yet'}")
    by_name = ", ".join(f"{series} (Debian {name})" for series, name in store.SERIES.items())
    OUT.print(f"By name: stock (this distribution's), {by_name}")


@main.command()
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--format", "form", type=click.Choice(["csv", "json"]), default="csv",
              show_default=True)  # fmt: skip
def export(run: Path, form: str) -> None:
    """Print the rows of a run, for other programs.

    \b
    ringcross export reports/runs/… --format json | jq '.[] | select(.status == "fail")'
    """
    from reports.data.run import DamagedRun, load_run

    try:
        cells = load_run(run).cells
    except DamagedRun as error:
        raise UsageError(str(error)) from error
    text = cells.to_csv(index=False) if form == "csv" else cells.to_json(orient="records")
    click.echo(text, nl=form == "json")
