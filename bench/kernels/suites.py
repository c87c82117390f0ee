# SPDX-License-Identifier: GPL-2.0-only
"""The suites of Debian and Ubuntu, and apt sources for each of them.

A suite's sources are those of the system with the name of the suite replaced. The hosts that
packages come from, the components and the keys therefore stay as the system's administrator chose.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass

from bench.kernels.sources import Fields, system_sources

BACKPORTS = "-backports"


@dataclass(frozen=True)
class Distribution:
    """The suites of one distribution.

    Attributes:
        releases: code names, oldest first.
        rolling: suites in development, which have no updates, security archive or backports. The
            one with the newest kernels is first.
        aliases: other names that apt's sources may use for these suites.
        backports: the releases that have kernels in ``<release>-backports``.
    """

    releases: tuple[str, ...]
    rolling: tuple[str, ...]
    aliases: tuple[str, ...]
    backports: tuple[str, ...]

    @property
    def suites(self) -> tuple[str, ...]:
        """All suites that can be named, from the oldest kernels to the newest."""
        stable: list[str] = []
        for release in self.releases:
            stable += [release, *([release + BACKPORTS] if release in self.backports else [])]
        return (*stable, *self.rolling)


DISTRIBUTIONS = (
    Distribution(
        releases=("bullseye", "bookworm", "trixie"),
        rolling=("sid", "forky"),
        aliases=("oldoldstable", "oldstable", "stable", "testing", "unstable"),
        backports=("bookworm", "trixie"),  # the mirrors drop older ones
    ),
    Distribution(
        releases=("focal", "jammy", "noble", "resolute"),
        rolling=("devel",),
        aliases=(),
        backports=(),
    ),
)
"""Debian and Ubuntu."""


def codename() -> str:
    """Return the running distribution's code name; empty if it has none."""
    try:
        return platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    except OSError:
        return ""


def names() -> list[str]:
    """Return every suite that can be named, of all distributions."""
    return [suite for distribution in DISTRIBUTIONS for suite in distribution.suites]


def known() -> list[str]:
    """Return the suites that can be named on this system."""
    distribution = distribution_of(system_sources())
    return list(distribution.suites) if distribution else []


def base(suite: str) -> str:
    """Return the release that the packages of *suite* are made for."""
    return suite.removesuffix(BACKPORTS)


def distribution_of(system: Iterable[Fields]) -> Distribution | None:
    """Return the distribution whose suites are in the sources *system*, ``None`` if none is."""
    found = [suite for stanza in system for suite in stanza.get("Suites", "").split()]
    for distribution in DISTRIBUTIONS:
        if any(_pocket(suite, distribution) is not None for suite in found):
            return distribution
    return None


def derive(system: list[Fields], suite: str) -> list[Fields]:
    """Return the sources of *suite*, derived from those of the *system*; empty if impossible."""
    distribution = distribution_of(system)
    if distribution is None or suite not in distribution.suites:
        return []
    derived: list[Fields] = []
    for stanza in _with_security(system, distribution):
        pockets = (_pocket(name, distribution) for name in stanza.get("Suites", "").split())
        wanted = dict.fromkeys(
            base(suite) + pocket for found in pockets for pocket in _wanted(found, suite)
        )
        if wanted:
            derived.append({**stanza, "Types": "deb", "Suites": " ".join(wanted)})
    return [stanza for place, stanza in enumerate(derived) if stanza not in derived[:place]]


def search_order(distribution: Distribution, host: str, *, newer: bool) -> list[str]:
    """Return the suites other than *host* in the order in which to look for a kernel.

    Args:
        distribution: see :func:`distribution_of`.
        host: code name of the running distribution.
        newer: whether the wanted kernel is newer than the stock kernel of *host*.
    """
    suites = list(distribution.suites)
    place = suites.index(host) if host in suites else len(suites)
    later = suites[place + 1 :]
    older = [
        release + suffix
        for release in reversed([suite for suite in suites[:place] if base(suite) == suite])
        for suffix in ("", BACKPORTS)
        if release + suffix in suites
    ]
    return [*later, *older] if newer else [*older, *later]


def _wanted(pocket: str | None, suite: str) -> list[str]:
    """Return the pocket of *suite* that a source with *pocket* stands for, as a list."""
    if suite.endswith(BACKPORTS):
        return [BACKPORTS] if pocket == "" else []
    rolling = any(suite in distribution.rolling for distribution in DISTRIBUTIONS)
    allowed = ("",) if rolling else ("", "-updates", "-security")
    return [pocket] if pocket is not None and pocket in allowed else []


def _with_security(system: list[Fields], distribution: Distribution) -> list[Fields]:
    """Return *system* with a security archive, which suites in development do not have.

    Without it, the kernels of older releases could not be found from such a system.
    """
    names = [name for stanza in system for name in stanza.get("Suites", "").split()]
    if any(_pocket(name, distribution) == "-security" for name in names):
        return system
    guessed = [
        {
            **s,
            "URIs": uri.rstrip("/") + "-security",
            "Suites": f"{distribution.rolling[0]}-security",
        }
        for s in system
        for uri in s.get("URIs", "").split()
        if uri.rstrip("/").endswith("/debian")
    ]
    return [*system, *guessed]


def _pocket(suite: str, distribution: Distribution) -> str | None:
    """Return the part of a release that *suite* is, such as ``-security``; ``None`` if unknown.

    The pocket of the release itself is the empty string.
    """
    homes = (*distribution.releases, *distribution.rolling, *distribution.aliases)
    pockets = "-updates|-security|-backports|-proposed-updates|-proposed|"
    match = re.fullmatch(rf"(?:{'|'.join(homes)})({pockets})", suite)
    return match[1] if match else None
