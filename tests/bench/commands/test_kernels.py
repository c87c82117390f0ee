# SPDX-License-Identifier: GPL-2.0-only
"""What ``ringcross kernels`` prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.commands.kernels import kernels
from bench.errors import TargetError
from bench.kernels import catalog
from bench.kernels.offers import Offer
from tests.bench.kernels.user_kernels import write

R = "9.8.0-7-amd64"
OFFER = Offer("9.8", "stock", "9.8.100-2", R, ("default", "cloud"))
DEAD = TargetError("apt-get update failed (404 [IP: 1]): check the network.")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with one kernel."""
    monkeypatch.setenv("RINGCROSS_CACHE", str(tmp_path))
    folder = tmp_path / "kernels" / R
    write(
        folder,
        {
            f"boot/vmlinuz-{R}": bytes(5_000_000),
            f"boot/config-{R}": b"",
            f"lib/modules/{R}/kernel/x.ko": b"",
            f"usr/src/linux-headers-{R}/Makefile": b"",
            ".ringcross.json": json.dumps(
                {"package_version": "9.8.100-2", "root": str(folder)}
            ).encode(),
        },
    )
    return folder


def offered(monkeypatch: pytest.MonkeyPatch, *offers: Offer, **unread: TargetError) -> None:
    monkeypatch.setattr(catalog, "available", lambda **_: (list(offers), unread))


def run(*words: str) -> Result:
    return CliRunner().invoke(kernels, words, catch_exceptions=False)


def test_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    offered(monkeypatch, OFFER, sid=DEAD)
    lines = run().output.splitlines()
    assert ["9.8", "stock", "9.8.100-2", "default,", "cloud"] in [line.split() for line in lines]
    # apt's message has brackets, which must not be taken for markup.
    assert f"Without sid: {DEAD}" in lines
    assert any(line.startswith(f"{R}  9.8.100-2        5 MB  20") for line in lines)


def test_without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    offered(monkeypatch, stock=DEAD)
    output = run().output
    assert "What can be fetched is not known, because apt cannot read its sources." in output
    assert R in output


def test_json(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    offered(monkeypatch, OFFER, sid=DEAD)
    document = json.loads(run("--json").output)
    assert document["available"][0]["name"] == "9.8"
    assert document["available"][0]["flavours"] == ["default", "cloud"]
    assert document["unread"] == {"sid": str(DEAD)}
    cached = document["cached"][0]
    assert (cached["release"], cached["package_version"]) == (R, "9.8.100-2")
    assert cached["bytes"] >= 5_000_000
    assert cached["used"] == pytest.approx((folder / ".ringcross.json").stat().st_mtime)


def test_remove(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    def fails(**_: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(catalog, "available", fails)
    assert R in run("--cached").output
    assert "The cache has no kernels." in run("--remove", R).output
    assert not folder.exists()
