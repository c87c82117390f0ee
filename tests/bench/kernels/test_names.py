# SPDX-License-Identifier: GPL-2.0-only
"""The names of kernels that --kernel accepts."""

from __future__ import annotations

import pytest

from bench.kernels.names import Wanted, parse


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ("stock", Wanted()),
        ("6.12", Wanted(series="6.12")),
        ("6.1.192", Wanted(series="6.1.192")),
        ("6.12-cloud", Wanted(series="6.12", flavour="cloud", release="6.12-cloud")),
        ("6.1.0-56-amd64", Wanted(release="6.1.0-56-amd64")),
        ("6.12.95+deb12-cloud-amd64", Wanted(release="6.12.95+deb12-cloud-amd64")),
        ("6.8.0-31-generic", Wanted(release="6.8.0-31-generic")),
        ("cloud", Wanted(flavour="cloud")),
        ("rt", Wanted(flavour="rt")),
        ("sid", Wanted(suite="sid")),
        ("trixie-backports", Wanted(suite="trixie-backports")),
        ("trixie-rt", Wanted(suite="trixie", flavour="rt")),
        ("trixie-backports-cloud", Wanted(suite="trixie-backports", flavour="cloud")),
        ("linux-image-amd64", Wanted()),
        ("linux-image-cloud-amd64", Wanted(flavour="cloud")),
        ("linux-image-generic", Wanted(flavour="generic")),
        ("linux-headers-generic-hwe-24.04", Wanted(flavour="generic-hwe-24.04")),
        ("linux-image-6.8.0-31-generic", Wanted(release="6.8.0-31-generic")),
        ("linux-image-unsigned-6.8.0-31-generic", Wanted(release="6.8.0-31-generic")),
    ],
)
def test_names(spec: str, wanted: Wanted) -> None:
    assert parse(spec) == wanted


@pytest.mark.parametrize("spec", ["", "9", "6", "6.x", "Trixie", "a b", "-x", "linux-image-"])
def test_no_names(spec: str) -> None:
    assert parse(spec) is None
