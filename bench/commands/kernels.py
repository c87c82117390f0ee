"""``ringcross kernels``: the kernels that can be measured."""

from __future__ import annotations

import json

import click

from bench.commands import console


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--fetch", metavar="SPEC", help="Take this kernel into the cache.")
def kernels(as_json: bool, fetch: str | None) -> None:
    """Kernels that can be measured: those in the cache, and series known by name.

    \b
    ringcross kernels --fetch 6.12
    """
    from bench.kernels import catalog as store

    if fetch:
        store.find(fetch, say=console.dim)
    cached = [kernel.release for kernel in store.list_kernels()]
    if as_json:
        print(json.dumps({"cached": cached, "known": ["stock", *store.SERIES]}))
        return
    console.OUT.print(f"In the cache: {', '.join(cached) or 'none yet'}")
    by_name = ", ".join(f"{series} (Debian {name})" for series, name in store.SERIES.items())
    console.OUT.print(f"By name: stock (this distribution's), {by_name}")
