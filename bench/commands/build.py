# SPDX-License-Identifier: GPL-2.0-only
"""``ringcross build``: build the agent, or the modules for a kernel."""

from __future__ import annotations

import click

from bench.commands import console
from bench.commands.options import KERNEL_NAMES
from bench.errors import TargetError


@click.command()
@click.argument("what", type=click.Choice(["agent", "modules"]))
@click.option("--kernel", "spec", default="stock", show_default=True, metavar="SPEC",
              help=f"Kernel to build the modules for: {KERNEL_NAMES}.")  # fmt: skip
@click.option(
    "--check", is_flag=True, help="Treat warnings as errors, and check the modules with sparse."
)
def build(what: str, spec: str, check: bool) -> None:
    """Build the agent, or the kernel modules.

    A run builds both when they are missing or out of date, so this command is needed only while
    you change their code. It checks the files of all channels, and prints the path of the agent,
    or of the folder with the modules.

    \b
    Examples:
      ringcross build agent
      ringcross build modules --kernel 6.12
      ringcross build modules --check          fail on warnings, and check with sparse
    """
    from bench.kernels import build as builder
    from bench.kernels import catalog
    from bench.targets.provision import Provisioner

    Provisioner(console.dim).listing()  # builds the agent, and checks the files of all channels
    if what == "agent":
        console.OUT.print(f"{builder.build_agent()}", soft_wrap=True)
        return
    kernel = catalog.find(spec, say=console.dim)
    if check:
        console.OUT.print(f"{builder.build_modules(kernel)}", soft_wrap=True)
        builder.check_modules(kernel)
        return
    built = builder.compile_modules(kernel)
    console.OUT.print(f"{built.folder}", soft_wrap=True)
    if built.warning:
        console.dim(f"Warning: {built.warning} (complete log: {built.log})")
    if built.failures:
        names = ", ".join(built.failures)
        problem = next(iter(built.failures.values()))
        raise TargetError(f"The build of {names} failed: {problem} (complete log: {built.log}).")
