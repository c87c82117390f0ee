# SPDX-License-Identifier: GPL-2.0-only
"""Deriving the sources of one suite from those of another."""

from __future__ import annotations

import pytest

from bench.kernels import suites
from bench.kernels.sources import Fields

DEBIAN, UBUNTU = suites.DISTRIBUTIONS


def stanza(uri: str, names: str, **more: str) -> Fields:
    return {"Types": "deb", "URIs": uri, "Suites": names, "Components": "main"} | more


BOOKWORM = [
    stanza("http://a/debian", "bookworm bookworm-updates", **{"Signed-By": "/k.gpg"}),
    stanza("http://a/debian-security", "bookworm-security", Types="deb deb-src"),
    stanza("http://elsewhere/", "nodistro"),
]
NOBLE = [
    stanza("http://a/ubuntu", "noble noble-updates noble-backports"),
    stanza("http://s/ubuntu", "noble-security"),
]
SID = [stanza("http://a/debian/", "unstable")]


def suites_of(stanzas: list[Fields]) -> list[tuple[str, str]]:
    return [(s["URIs"], s["Suites"]) for s in stanzas]


@pytest.mark.parametrize(
    ("system", "suite", "expected"),
    [
        (
            BOOKWORM,
            "bullseye",
            [
                ("http://a/debian", "bullseye bullseye-updates"),
                ("http://a/debian-security", "bullseye-security"),
            ],
        ),
        (BOOKWORM, "trixie-backports", [("http://a/debian", "trixie-backports")]),
        (BOOKWORM, "sid", [("http://a/debian", "sid")]),
        (BOOKWORM, "jammy", []),
        (
            NOBLE,
            "jammy",
            [("http://a/ubuntu", "jammy jammy-updates"), ("http://s/ubuntu", "jammy-security")],
        ),
        (
            SID,
            "bullseye",
            [
                ("http://a/debian/", "bullseye"),
                ("http://a/debian-security", "bullseye-security"),
            ],
        ),
        (SID, "forky", [("http://a/debian/", "forky")]),
        (
            [stanza("http://a/debian", "stable")],
            "trixie",
            [("http://a/debian", "trixie"), ("http://a/debian-security", "trixie-security")],
        ),
        ([stanza("http://elsewhere/", "nodistro")], "trixie", []),
    ],
)
def test_sources_of_another_suite(
    system: list[Fields], suite: str, expected: list[tuple[str, str]]
) -> None:
    assert suites_of(suites.derive(system, suite)) == expected


def test_keys_and_options_are_kept() -> None:
    assert suites.derive(BOOKWORM, "sid")[0]["Signed-By"] == "/k.gpg"
    assert {s["Types"] for s in suites.derive(BOOKWORM, "trixie")} == {"deb"}


def test_order_of_the_search() -> None:
    newer = suites.search_order(DEBIAN, "bookworm", newer=True)
    assert newer[:4] == ["bookworm-backports", "trixie", "trixie-backports", "sid"]
    assert "bullseye" in newer
    assert suites.search_order(DEBIAN, "bookworm", newer=False)[0] == "bullseye"
    # sid calls itself forky; a wanted kernel may still be newer, in backports.
    assert "trixie-backports" in suites.search_order(DEBIAN, "forky", newer=True)
    assert suites.search_order(UBUNTU, "noble", newer=False)[:2] == ["jammy", "focal"]
    for distribution in suites.DISTRIBUTIONS:
        for host in (*distribution.releases, *distribution.rolling, "wilma"):
            for is_newer in (True, False):
                order = suites.search_order(distribution, host, newer=is_newer)
                assert sorted({*order, host}) == sorted({*distribution.suites, host})
