"""``ringcross build``: build the agent or the modules by hand."""

from __future__ import annotations

import click

from bench.commands import console


@click.command()
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
        console.ERR.print(line, style="dim")

    if what == "agent":
        console.OUT.print(f"{builder.build_agent()}", soft_wrap=True)
    else:
        found = store.find(kernel, say=say)
        console.OUT.print(f"{builder.build_modules(found)}", soft_wrap=True)
        if check:
            builder.check_modules(found)
