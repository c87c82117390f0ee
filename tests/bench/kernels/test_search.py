# SPDX-License-Identifier: GPL-2.0-only
"""Names of kernels, looked up with the real apt in package archives made by hand."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from bench.errors import TargetError, UsageError
from bench.kernels import cache, catalog, suites
from bench.kernels.offers import Offer
from tests.bench.kernels.archive import Archive, needs_apt

pytestmark = needs_apt

LIBC = subprocess.run(["gcc", "-print-file-name=libc.so.6"], capture_output=True, text=True)


NAMES = [
    ("cloud", "9.8.0-7-cloud-amd64"),
    ("9.8-cloud", "9.8.0-7-cloud-amd64"),
    ("here-cloud", "9.8.0-7-cloud-amd64"),
    ("next-cloud", "9.20.1+next-cloud-amd64"),
    ("9.20-cloud", "9.20.1+next-cloud-amd64"),
    ("linux-image-cloud-amd64", "9.8.0-7-cloud-amd64"),
    ("linux-headers-9.8.0-6-amd64", "9.8.0-6-amd64"),
    ("stock", "9.8.0-7-amd64"),
    # 9.9 has its own metapackage beside the stock one, and 9.15 was superseded.
    ("9.9", "9.9.3-amd64"),
    ("9.15", "9.15.2+here-amd64"),
]


def test_flavours_suites_and_series(archive: Archive) -> None:
    archive.kernel("here", "9.8.100-2", "9.8.0-7-cloud-amd64", meta="cloud-amd64")
    archive.kernel("here", "9.9.3-1", "9.9.3-amd64", meta="9.9-amd64")
    archive.kernel("here-backports", "9.15.2-1", "9.15.2+here-amd64", meta="")
    archive.kernel("next", "9.20.1-1", "9.20.1+next-cloud-amd64", meta="cloud-amd64")
    archive.publish()
    assert [(spec, catalog.find(spec).release) for spec, _ in NAMES] == NAMES


def test_a_split_kernel_with_programs_for_another_c_library(
    archive: Archive, tmp_path: Path
) -> None:
    """The libraries are in the release, and the kernel in its backports."""
    true = Path(os.path.realpath("/bin/true")).read_bytes()
    programs = {"modpost": true.replace(b"64.so.2", b"64.so.9"), "fixdep": true}
    release = "9.30.1+here-amd64"
    archive.split_kernel("here-backports", "9.30.1-1~bpo", release, programs)
    loader = Path("/lib64/ld-linux-x86-64.so.2").read_bytes()
    files = {"usr/lib/libc.so.6": Path(LIBC.stdout.strip()).read_bytes()}
    archive.add("here", "libc6", "2.99-1", files, "libgcc-s1")
    archive.add("here", "libgcc-s1", "99", {"usr/lib/ld-linux-x86-64.so.2": loader})
    archive.publish()
    progress: list[str] = []
    kernel = catalog.find("9.30", say=progress.append)
    root = tmp_path / "cache/kernels" / release
    assert kernel.vmlinuz == root / "usr/lib/modules" / release / "vmlinuz"
    assert kernel.config == kernel.vmlinuz.with_name("config")
    assert kernel.modules_dir == kernel.vmlinuz.parent
    headers = f"{root}/usr/src/linux-headers-{release}"
    makefile = f"KBUILD_OUTPUT={headers}\ninclude {headers}-common/Makefile\n"
    assert (kernel.headers / "Makefile").read_text() == makefile
    modpost = next(root.rglob("scripts/modpost"))
    assert subprocess.run([modpost]).returncode == 0
    assert modpost.with_name("fixdep").read_bytes() == true  # it runs as it is
    assert any("Fetching libraries for the programs" in line for line in progress)


UBUNTU_NAMES = [
    ("stock", "9.8.0-31-generic"),
    ("linux-image-generic", "9.8.0-31-generic"),
    ("linux-headers-9.8.0-31-generic", "9.8.0-31-generic"),
    ("generic", "9.8.0-31-generic"),
    ("lowlatency", "9.8.0-32-lowlatency"),
    ("9.8-lowlatency", "9.8.0-32-lowlatency"),
    ("9.11", "9.11.0-7-generic"),
    ("generic-hwe-24.04", "9.11.0-7-generic"),
]


def test_ubuntu(archive: Archive) -> None:
    archive.suites.clear()
    archive.ubuntu_kernel("here", "9.8.0-31.31", "9.8.0-31")
    archive.ubuntu_kernel("here", "9.8.0-32.32", "9.8.0-32", "lowlatency")
    archive.ubuntu_kernel("here", "9.11.0-7.7~24.04", "9.11.0-7", meta="generic-hwe-24.04")
    archive.publish()
    assert [(spec, catalog.find(spec).release) for spec, _ in UBUNTU_NAMES] == UBUNTU_NAMES
    kernel = catalog.find("9.11")
    assert (kernel.headers / "Makefile").read_text() == "all:\n"
    names = sorted(p.name for p in (kernel.modules_dir / "kernel").rglob("*.ko"))
    assert names == ["configfs.ko", "uio.ko"]


def test_a_suite_that_cannot_be_read_is_left_out(archive: Archive) -> None:
    shutil.rmtree(archive.root / "dists/here-backports")
    progress: list[str] = []
    assert catalog.find("9.20", say=progress.append).release == "9.20.1+next-amd64"
    lines = [line for line in progress if "here-backports is left out" in line]
    assert len(lines) == 1
    with pytest.raises(UsageError, match=r"Unknown kernel 9\.10: .* apt could not read here-back"):
        catalog.find("9.10")


def test_a_dead_source_of_another_party_is_left_out(archive: Archive, tmp_path: Path) -> None:
    with (tmp_path / "etc/sources.list").open("a") as file:
        file.write(f"deb [trusted=yes] copy:{tmp_path}/gone here main\n")
    progress: list[str] = []
    assert catalog.find(say=progress.append).release == "9.8.0-7-amd64"
    assert sum("A package source is left out" in line for line in progress) == 1
    assert archive.root.exists()


def test_what_can_be_fetched(archive: Archive) -> None:
    archive.kernel("here", "9.8.100-2", "9.8.0-7-cloud-amd64", meta="cloud-amd64")
    archive.publish()
    shutil.rmtree(archive.root / "dists/older")
    offered, unread = catalog.available()
    flavours = ("default", "cloud")
    assert offered == [
        Offer("9.8", "stock", "9.8.100-2", "9.8.0-7-amd64", flavours),
        Offer("9.10", "here-backports", "9.10.1-1~bpo", "9.10.1+here-amd64", ("default",)),
        Offer("9.20", "next", "9.20.1-1", "9.20.1+next-amd64", ("default",)),
    ]
    assert list(unread) == ["older"]
    for offer in offered:
        assert catalog.find(offer.name).release == offer.release


def test_without_network_nothing_else_is_tried(archive: Archive) -> None:
    shutil.rmtree(archive.root)
    progress: list[str] = []
    offered, unread = catalog.available(say=progress.append)
    assert (offered, list(unread)) == ([], ["stock"])
    with pytest.raises(TargetError, match="check the network"):
        catalog.find("9.20")


def test_a_folder_with_the_name_of_a_kernel(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "linux").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"For the folder, write \./linux\."):
        catalog.find("linux")
    assert archive.root.exists()


@pytest.mark.usefixtures("archive")
def test_removing_a_kernel(tmp_path: Path) -> None:
    kernel = catalog.find()
    entry = cache.entries()[0]
    assert (entry.release, entry.package_version) == (kernel.release, "9.8.100-2")
    assert entry.bytes > 0
    os.utime(kernel.root / ".ringcross.json", (1, 1))
    catalog.find()
    assert cache.entries()[0].used > 1
    cache.remove(kernel.release)
    assert (cache.entries(), kernel.root.exists()) == ([], False)
    assert "9.8.0" not in (tmp_path / "cache/kernels/specs.json").read_text()
    with pytest.raises(UsageError, match=r"no kernel in the cache '9\.8"):
        cache.remove(kernel.release)


def test_every_suite_can_be_named() -> None:
    for distribution in suites.DISTRIBUTIONS:
        assert set(distribution.backports) <= set(distribution.releases)
