"""The command line: ``ringcross`` and ``python -m bench``."""

from __future__ import annotations

from typing import Any

import click

from bench.commands.build import build
from bench.commands.compare import compare
from bench.commands.console import INTERRUPTED, fail
from bench.commands.demo import demo
from bench.commands.doctor import doctor
from bench.commands.export import export
from bench.commands.kernels import kernels
from bench.commands.list import list_channels
from bench.commands.report import report
from bench.commands.run import run
from bench.commands.shell import shell
from bench.commands.xray import xray
from bench.errors import RingcrossError


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


for command in (
    run, list_channels, doctor, xray, report, compare, shell, demo, build, kernels, export,
):  # fmt: skip
    main.add_command(command)
