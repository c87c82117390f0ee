# SPDX-License-Identifier: GPL-2.0-only
"""The command line: ``ringcross`` and ``python -m bench``."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import click

from bench.commands.build import build
from bench.commands.compare import compare
from bench.commands.console import (
    BROKEN_PIPE,
    INTERRUPTED,
    discard,
    fail,
    is_output,
)
from bench.commands.demo import demo
from bench.commands.doctor import doctor
from bench.commands.export import export
from bench.commands.kernels import kernels
from bench.commands.list import list_channels
from bench.commands.report import report
from bench.commands.run import run
from bench.commands.shell import shell
from bench.commands.xray import xray
from bench.errors import RingcrossError, refusal

EXIT_CODES = """
\b
Exit codes of all commands:
  0    success
  1    the command ran, but not everything succeeded: a cell or x-ray failed, the session was
       lost, a cell is slower than compare --fail-above allows, the demo did not print what it
       must, or doctor could not change a setting
  2    wrong usage: a name that does not exist, or options that conflict
  3    the target is not available: a tool or kernel is missing, or a build or boot failed
  4    the disk is full
  5    a run folder cannot be read (report, compare, export, run --resume)
  130  interrupted
  141  nobody reads standard output any more, as after ringcross list | head -1
ringcross shell ends with the exit status of QEMU.
"""


class Cli(click.Group):
    """A command group that prints known errors without a traceback, with their exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a known error prints its message and ends with its exit code."""
        try:
            with _signals_as_interrupt(), _written_results():
                return super().invoke(ctx)
        except RingcrossError as error:
            if ctx.params.get("debug"):
                raise
            fail(str(error), error.exit_code)
        except OSError as error:
            if ctx.params.get("debug"):
                raise
            refused = refusal(error)
            fail(str(refused), refused.exit_code)
        except KeyboardInterrupt:
            fail("Interrupted.", INTERRUPTED)

    def main(self, *args: Any, **options: Any) -> Any:
        """Read the command line, and run; an error while writing the help is reported, too."""
        try:
            with _written_results():
                return super().main(*args, **options)
        except OSError as error:
            refused = refusal(error)
            fail(str(refused), refused.exit_code)


@contextmanager
def _written_results() -> Iterator[None]:
    """Write all of standard output before the process ends, which would hide an error.

    Raises:
        DiskFull: standard output is a file, and there is no space left for it.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except OSError as error:
        if not is_output(error):
            raise
        discard(sys.stdout)
        if isinstance(error, BrokenPipeError):
            sys.exit(BROKEN_PIPE)
        error.filename = "standard output"
        raise


@contextmanager
def _signals_as_interrupt() -> Iterator[None]:
    """Handle SIGTERM and SIGHUP (a closed terminal) like Ctrl-C: no machine or folder is left."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    numbers = (signal.SIGTERM, signal.SIGHUP)
    # nohup has the signal of a closed terminal ignored, so that the run goes on.
    heeded = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@click.group(
    cls=Cli,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EXIT_CODES,
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="ringcross")
def main(debug: bool) -> None:
    """Measure what it costs to cross from user space into the Linux kernel, or back.

    A channel is one way to exchange messages with the kernel, for example ioctl, netlink or
    mmap. ringcross sends the same messages over each channel, on a kernel of your choice, and
    renders the costs as a report.

    \b
    First steps:
      ringcross doctor                   check that this machine has what a run needs
      ringcross list                     list the channels and their operations
      ringcross run                      measure all channels in a virtual machine
      ringcross run --channels netlink   measure one channel
      ringcross report RUN               render the report of a run folder again
      ringcross xray netlink             show the kernel functions behind one message
    """
    del debug  # Cli.invoke() reads it from the context


for command in (
    run, list_channels, doctor, xray, report, compare, shell, demo, build, kernels, export,
):  # fmt: skip
    command.epilog = "Exit codes: see ringcross --help."
    main.add_command(command)
