# SPDX-License-Identifier: GPL-2.0-only
"""``ringcross kernels``: list, fetch and remove the kernels that can be measured."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

import click
from rich.table import Table

from bench.commands import console
from bench.commands.options import KERNEL_NAMES

if TYPE_CHECKING:
    from bench.errors import TargetError
    from bench.kernels.cache import Entry
    from bench.kernels.offers import Offer


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the lists as JSON.")
@click.option("--fetch", metavar="SPEC", help=f"Download a kernel into the cache: {KERNEL_NAMES}.")
@click.option("--remove", metavar="RELEASE", help="Remove a kernel from the cache.")
@click.option("--cached", "only_cached", is_flag=True, help="List only the cache, without network.")
def kernels(as_json: bool, fetch: str | None, remove: str | None, only_cached: bool) -> None:
    """List the kernels that can be measured, fetch one, or remove one.

    Prints what the package sources of this machine offer, then what is in the cache. --kernel
    accepts each series, suite and flavour of the list, also combined: 6.12, trixie-backports, rt,
    6.12-cloud, sid-rt. A run fetches its kernel when needed; use --fetch to do it in advance.

    \b
    Examples:
      ringcross kernels
      ringcross kernels --fetch 6.12-cloud
      ringcross kernels --remove 6.1.0-56-amd64
    """
    from bench.kernels import cache, catalog

    if remove:
        cache.remove(remove)
    if fetch:
        catalog.find(fetch, say=console.dim)
    offered: list[Offer] = []
    unread: dict[str, TargetError] = {}
    if not (only_cached or fetch or remove):
        offered, unread = catalog.available(say=console.dim)
    cached = cache.entries()
    if as_json:
        print(
            json.dumps(
                {
                    "available": [asdict(offer) for offer in offered],
                    "unread": {suite: str(error) for suite, error in unread.items()},
                    "cached": [asdict(entry) for entry in cached],
                }
            )
        )
        return
    if offered or unread:
        _print_offers(offered, unread)
    _print_cached(cached)


def _print_offers(offered: Sequence[Offer], unread: Mapping[str, TargetError]) -> None:
    if offered:
        table = _table("What can be fetched")
        for heading in ("series", "suite", "newest version", "flavours"):
            table.add_column(heading, no_wrap=heading != "flavours")
        for offer in offered:
            table.add_row(offer.name, offer.suite, offer.version, ", ".join(offer.flavours))
        console.OUT.print(table)
    else:
        console.OUT.print("What can be fetched is not known, because apt cannot read its sources.")
    for suite, error in unread.items():
        console.OUT.print(f"Without {suite}: {error}", markup=False, soft_wrap=True)
    console.OUT.print()


def _print_cached(cached: Sequence[Entry]) -> None:
    if not cached:
        console.OUT.print("The cache has no kernels.")
        return
    table = _table("In the cache")
    for heading in ("release", "package version", "size", "last used"):
        table.add_column(heading, no_wrap=True)
    for entry in cached:
        used = datetime.fromtimestamp(entry.used).strftime("%Y-%m-%d %H:%M")
        table.add_row(entry.release, entry.package_version, f"{entry.bytes / 1e6:.0f} MB", used)
    console.OUT.print(table)


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
