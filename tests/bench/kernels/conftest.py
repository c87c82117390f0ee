# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures of the tests that fetch kernels."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.kernels import suites
from tests.bench.kernels.archive import TESTED, Archive


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Archive:
    """Create an archive for the release ``here`` and name it in the apt configuration."""
    archive = Archive(tmp_path / "archive")
    archive.root.mkdir()
    etc = tmp_path / "etc"
    (etc / "parts").mkdir(parents=True)
    line = f"deb [trusted=yes arch=amd64] copy:{archive.root} here main # comment\n"
    (etc / "sources.list").write_text(line)
    (etc / "apt.conf").write_text(
        f'Dir::Etc::sourcelist "{etc}/sources.list";\nDir::Etc::sourceparts "{etc}/parts";\n'
        f'Dir::Etc::preferences "/dev/null";\nDir::Etc::preferencesparts "{etc}/parts";\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(etc / "apt.conf"))
    monkeypatch.setenv("RINGCROSS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(suites, "codename", lambda: "here")
    monkeypatch.setattr(suites, "DISTRIBUTIONS", (TESTED,))
    archive.kernel("here", "9.8.100-2", "9.8.0-7-amd64")
    archive.kernel("here", "9.8.99-1", "9.8.0-6-amd64")
    archive.kernel("here-backports", "9.10.1-1~bpo", "9.10.1+here-amd64")
    archive.kernel("older", "9.7.5-1", "9.7.0-3-amd64")
    archive.kernel("next", "9.20.1-1", "9.20.1+next-amd64")
    archive.publish()
    return archive
