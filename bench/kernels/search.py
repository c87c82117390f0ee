# SPDX-License-Identifier: GPL-2.0-only
"""Look for a kernel in the suites that this machine's package sources lead to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.errors import TargetError
from bench.kernels import packages, suites
from bench.kernels.apt import Apt
from bench.kernels.kernel import Arch, Reporter
from bench.kernels.names import STOCK, Wanted
from bench.kernels.packages import Image
from bench.kernels.sources import system_sources


@dataclass(frozen=True)
class Place:
    """A suite whose index was read.

    Attributes:
        suite: its name; ``stock`` for the system's own sources.
        apt: apt with the sources of this suite.
        images: its kernels.
    """

    suite: str
    apt: Apt
    images: list[Image]


class Search:
    """Reads the indexes of suites, each at most once.

    Args:
        folder: where apt keeps the indexes, in one folder for each suite.
        arch: the architecture of the kernels.
        say: receives lines of progress, and a line for each source that cannot be read.

    Attributes:
        unread: by suite, why it could not be read.
        places: the suites that were read.
    """

    def __init__(self, folder: Path, arch: Arch, say: Reporter) -> None:
        self._folder = folder
        self._arch = arch
        self._say = say
        self._host = suites.codename()
        self._system = system_sources()
        self.unread: dict[str, TargetError] = {}
        self.places: list[Place] = []

    def find(self, wanted: Wanted) -> tuple[Image, Place] | None:
        """Return the kernel that *wanted* describes and where it is; ``None`` if there is none.

        A kernel that a suite still offers goes before one that a suite has superseded.
        """
        superseded: tuple[Image, Place] | None = None
        for place in self._places(wanted):
            image = packages.choose(place.images, wanted)
            if image is None:
                continue
            if image.current or wanted.release == image.release:
                return image, place
            superseded = superseded or (image, place)
        return superseded

    def read_all(self) -> list[Place]:
        """Read the system's own sources and all other suites, and return those that have kernels.

        If the system's own sources cannot be read, there is no network, and nothing else is tried.
        """
        distribution = suites.distribution_of(self._system)
        if self._read(STOCK) and distribution:
            for suite in suites.search_order(distribution, self._host, newer=True):
                self._read(suite)
        return [place for place in self.places if place.images]

    def libraries(self, place: Place) -> Apt:
        """Return apt with the suite that has the libraries for programs of *place*."""
        home = suites.base(place.suite)
        if home == place.suite:
            return place.apt
        apt = self._apt(home)
        return apt if apt and self._update(apt, home) else place.apt

    def _places(self, wanted: Wanted) -> Iterator[Place]:
        stock = None if wanted.suite else self._read(STOCK)
        if stock is not None:
            yield stock
        for suite in self._others(wanted, stock):
            if place := self._read(suite):
                yield place

    def _others(self, wanted: Wanted, stock: Place | None) -> list[str]:
        if wanted.suite:
            return [wanted.suite]
        distribution = suites.distribution_of(self._system)
        if distribution is None or wanted.stays_here:
            return []
        here = packages.choose(stock.images, Wanted()) if stock else None
        version = packages.numbers(wanted.series or wanted.release)
        newer = here is None or version > here.version
        return suites.search_order(distribution, self._host, newer=newer)

    def _read(self, suite: str) -> Place | None:
        apt = self._apt(suite)
        if apt is None:
            return None
        self._say(f"Looking for kernels with apt ({suite})")
        if not self._update(apt, suite):
            return None
        place = Place(suite, apt, packages.images(apt, self._arch))
        self.places.append(place)
        return place

    def _apt(self, suite: str) -> Apt | None:
        sources = None if suite == STOCK else suites.derive(self._system, suite)
        if sources == []:
            return None
        return Apt(self._folder / suite, sources)

    def _update(self, apt: Apt, suite: str) -> bool:
        """Read the index of *suite*; return whether any of its sources could be read."""
        try:
            problems = apt.update()
        except TargetError as error:
            self.unread[suite] = error
            self._say(f"The suite {suite} is left out. {error}")
            return False
        for problem in problems:
            self._say(f"A package source is left out, because apt cannot read it: {problem}")
        return True
