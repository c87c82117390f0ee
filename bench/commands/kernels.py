# SPDX-License-Identifier: GPL-2.0-only
"""``ringcross kernels``: list and fetch the kernels that can be measured."""

from __future__ import annotations

import json

import click

from bench.commands import console


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the lists as JSON.")
@click.option(
    "--fetch",
    metavar="SPEC",
    help="Download this kernel into the cache: stock, a series such as 6.12, or an exact release.",
)
def kernels(as_json: bool, fetch: str | None) -> None:
    """List the kernels that can be measured, or fetch one.

    Prints the releases in the cache, and the series that --kernel accepts by name. A run fetches
    its kernel when needed; use --fetch to download one in advance.

    \b
    Examples:
      ringcross kernels
      ringcross kernels --fetch 6.12
    """
    from bench.kernels import catalog, suites

    if fetch:
        catalog.find(fetch, say=console.dim)
    cached = [kernel.release for kernel in catalog.list_kernels()]
    if as_json:
        print(json.dumps({"cached": cached, "known": ["stock", *suites.names()]}))
        return
    console.OUT.print(f"In the cache: {', '.join(cached) or 'none yet'}")
    console.OUT.print(f"By name: stock (this distribution's), {', '.join(suites.names())}")
