# SPDX-License-Identifier: GPL-2.0-only
"""The tests fetch kernels with the real apt, from a package archive that they create."""

from __future__ import annotations

import json
import platform
import shutil
from pathlib import Path

import pytest

from bench.errors import TargetError, UsageError
from bench.kernels import catalog, sources, unpack
from bench.kernels.catalog import Kernel
from tests.bench.kernels.archive import Archive, needs_apt
from tests.bench.kernels.boot_image import ELF


@needs_apt
def test_stock_kernel(archive: Archive, tmp_path: Path) -> None:
    progress: list[str] = []
    kernel = catalog.find(say=progress.append)
    root = tmp_path / "cache/kernels/9.8.0-7-amd64"
    assert kernel == Kernel(
        release="9.8.0-7-amd64",
        package_version="9.8.100-2",
        vmlinuz=root / "boot/vmlinuz-9.8.0-7-amd64",
        headers=root / "usr/src/linux-headers-9.8.0-7-amd64",
        config=root / "boot/config-9.8.0-7-amd64",
        modules_dir=root / "lib/modules/9.8.0-7-amd64",
        root=root,
    )
    makefile = (kernel.headers / "Makefile").read_text()
    assert makefile == f"include {root}/usr/src/linux-headers-9.8.0-7-amd64-common/Makefile\n"
    assert (root / "usr/lib/linux-kbuild-9.8/fixdep").exists()
    assert any("Fetching kernel 9.8.0-7-amd64" in line for line in progress)
    # Temporary files are removed.
    names = sorted(p.name for p in (tmp_path / "cache/kernels").iterdir())
    assert names == [".lock", "9.8.0-7-amd64", "specs.json"]
    assert archive.root.exists()


@needs_apt
def test_second_call_needs_no_network(archive: Archive) -> None:
    first = catalog.find("stock")
    shutil.rmtree(archive.root)
    assert catalog.find("stock") == first
    assert catalog.find("9.8.0-7-amd64") == first
    assert catalog.list_kernels() == [first]
    assert catalog.elf_image(first).read_bytes() == ELF
    first.vmlinuz.unlink()
    assert catalog.elf_image(first).read_bytes() == ELF


@needs_apt
@pytest.mark.usefixtures("archive")
@pytest.mark.parametrize(
    ("spec", "release"),
    [
        ("9.8", "9.8.0-7-amd64"),
        ("9.8.0-6-amd64", "9.8.0-6-amd64"),
        ("9.10", "9.10.1+here-amd64"),
        ("9.7", "9.7.0-3-amd64"),
        ("9.20", "9.20.1+next-amd64"),
        ("next", "9.20.1+next-amd64"),
        ("older", "9.7.0-3-amd64"),
        ("here-backports", "9.10.1+here-amd64"),
    ],
)
def test_series_and_exact_releases(spec: str, release: str) -> None:
    assert catalog.find(spec).release == release
    assert [k.release for k in catalog.list_kernels()] == [release]


@needs_apt
@pytest.mark.usefixtures("archive")
def test_unknown_kernel_lists_what_is_known() -> None:
    catalog.find("9.8")
    for spec in ("9.1", "9", "10.0", "9.8.0-99-amd64", "mainline", "Here"):
        with pytest.raises(UsageError) as caught:
            catalog.find(spec)
        message = str(caught.value)
        assert f"Unknown kernel {spec}: choose one of stock, running, " in message
        assert "older, here, here-backports, next, 9.8.0-7-amd64, an exact release" in message


@needs_apt
def test_kernel_without_headers(archive: Archive) -> None:
    archive.kernel("here", "9.9.1-1", "9.9.0-1-amd64", headers=False)
    archive.publish()
    with pytest.raises(TargetError, match=r"9\.9\.0-1-amd64 .* has no matching headers") as caught:
        catalog.find("9.9")
    assert caught.value.exit_code == 3


@needs_apt
def test_interrupted_unpacking_is_redone(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    extract = unpack.extract
    extracted: list[str] = []

    def stops_at_the_third(deb: Path, into: Path) -> None:
        if len(extracted) == 2:
            raise KeyboardInterrupt
        extracted.append(deb.name)
        extract(deb, into)

    monkeypatch.setattr(unpack, "extract", stops_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        catalog.find()
    assert catalog.list_kernels() == []
    assert not (tmp_path / "cache/kernels/9.8.0-7-amd64").exists()
    monkeypatch.setattr(unpack, "extract", extract)
    shutil.rmtree(archive.root / "pool")  # downloaded packages are not fetched again
    assert catalog.find().release == "9.8.0-7-amd64"


@needs_apt
def test_damaged_download_is_told(archive: Archive) -> None:
    deb = archive.root / "pool/linux-kbuild-9.8_9.8.100-2_amd64.deb"
    deb.write_bytes(bytes(deb.stat().st_size))
    with pytest.raises(TargetError, match="apt-get download failed"):
        catalog.find()


@needs_apt
def test_no_network(archive: Archive) -> None:
    shutil.rmtree(archive.root)
    with pytest.raises(TargetError, match=r"apt-get update failed .*check the network"):
        catalog.find()


@needs_apt
def test_refresh_follows_the_metapackage(archive: Archive) -> None:
    assert catalog.find().release == "9.8.0-7-amd64"
    archive.kernel("here", "9.8.101-1", "9.8.0-8-amd64")
    archive.publish()
    assert catalog.find().release == "9.8.0-7-amd64"
    assert catalog.find(refresh=True).release == "9.8.0-8-amd64"
    assert catalog.find().release == "9.8.0-8-amd64"


@needs_apt
def test_a_file_of_the_cache_with_another_type_is_made_anew(
    archive: Archive, tmp_path: Path
) -> None:
    store = tmp_path / "cache/kernels"
    catalog.find()
    for name in ("specs.json", "9.8.0-7-amd64/.ringcross.json"):
        for text in ("[]", "null", "7", '["here/stock"]', '{"here/stock": 7}', "{"):
            (store / name).write_text(text)
            assert catalog.find().release == "9.8.0-7-amd64"
            assert isinstance(json.loads((store / name).read_text()), dict)
    shutil.rmtree(archive.root)
    assert catalog.find().release == "9.8.0-7-amd64"


@needs_apt
def test_moved_cache_is_not_trusted(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    catalog.find()
    (tmp_path / "cache").rename(tmp_path / "moved")
    monkeypatch.setenv("RINGCROSS_CACHE", str(tmp_path / "moved"))
    assert catalog.list_kernels() == []
    makefile = (catalog.find().headers / "Makefile").read_text()
    assert str(tmp_path / "moved") in makefile
    assert archive.root.exists()


def test_apt_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TargetError, match="apt-get is missing"):
        catalog.find(cache=tmp_path)


def test_cache_with_a_blank(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=r"a blank or a special character .* set RINGCROSS_CACHE"):
        catalog.find(cache=tmp_path / "my cache")


def test_unknown_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "pdp11")
    with pytest.raises(TargetError, match="The architecture pdp11 is not supported"):
        catalog.find()


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("RINGCROSS_CACHE", raising=False)
    assert catalog.default_cache() == tmp_path / "xdg/ringcross"
    monkeypatch.setenv("RINGCROSS_CACHE", str(tmp_path / "own"))
    assert catalog.default_cache() == tmp_path / "own"
    assert catalog.list_kernels() == []


def test_damaged_records_are_ignored(tmp_path: Path) -> None:
    folder = tmp_path / "kernels/9.8.0-7-amd64"
    folder.mkdir(parents=True)
    texts = ("", "[]", "null", "{}", '{"package_version": 1}', '"text"')
    for text in (*texts, json.dumps({"package_version": "1", "root": "/elsewhere"})):
        (folder / ".ringcross.json").write_text(text)
        assert catalog.list_kernels(tmp_path) == []


def test_running_kernel_without_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "release", lambda: "0.0.0-none")
    with pytest.raises(TargetError, match=r"linux-headers-0\.0\.0-none \(Debian, Ubuntu\)"):
        catalog.running()


def test_sources_in_both_formats() -> None:
    line = "deb [signed-by=/k.gpg arch=amd64,i386] scheme://host/debian here main contrib # x"
    assert sources.parse_one_line(line) == {
        "Types": "deb",
        "URIs": "scheme://host/debian",
        "Suites": "here",
        "Components": "main contrib",
        "Signed-By": "/k.gpg",
        "Architectures": "amd64 i386",
    }
    assert sources.parse_one_line("# deb x y z") is None
    assert sources.parse_one_line("deb-src x y z") is None
    text = (
        "# c\nTypes: deb deb-src\nSuites: here here-updates\nSigned-By:\n -----BEGIN\n .\n\nA: b\n"
    )
    stanzas = sources.parse_stanzas(text)
    assert stanzas == [
        {"Types": "deb deb-src", "Suites": "here here-updates", "Signed-By": "\n -----BEGIN\n ."},
        {"A": "b"},
    ]
    assert sources.parse_stanzas(sources.format_stanzas(stanzas)) == stanzas


def test_a_configuration_that_is_missing_is_empty(tmp_path: Path) -> None:
    assert catalog.read_config(tmp_path / "none") == ""
