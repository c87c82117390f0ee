# SPDX-License-Identifier: GPL-2.0-only
"""What the suites offer, in the words of ``--kernel``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bench.kernels import packages
from bench.kernels.search import Place

DEFAULT = "default"
"""Stands for the flavour without a name in lists of flavours."""


@dataclass(frozen=True)
class Offer:
    """The kernels of one series in one suite that are current.

    Attributes:
        name: the series, such as ``6.12``, by which ``--kernel`` finds it.
        suite: the suite; ``stock`` for the system's own sources.
        version: the newest version, as apt says.
        release: its release, in the default flavour if there is one.
        flavours: all flavours, the default one first.
    """

    name: str
    suite: str
    version: str
    release: str
    flavours: tuple[str, ...]


def offers(places: Iterable[Place]) -> list[Offer]:
    """Return what *places* offer, in their order, the newest series of each place first."""
    return [offer for place in places for offer in _of_place(place)]


def _of_place(place: Place) -> list[Offer]:
    default = packages.default_flavour(place.images)
    by_series: dict[str, list[packages.Image]] = {}
    for image in place.images:  # they are sorted, the newest first
        if image.current:
            series = ".".join(map(str, image.version[:2]))
            by_series.setdefault(series, []).append(image)
    found = []
    for series, images in by_series.items():
        images = sorted(images, key=lambda image: image.flavour != default)
        flavours = dict.fromkeys(image.flavour or DEFAULT for image in images)
        newest = images[0]
        found.append(
            Offer(series, place.suite, newest.package.version, newest.release, tuple(flavours))
        )
    return found
