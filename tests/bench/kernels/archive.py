# SPDX-License-Identifier: GPL-2.0-only
"""A package archive made by hand, which the real apt reads."""

from __future__ import annotations

import hashlib
import lzma
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from bench.kernels import suites
from tests.bench.kernels.boot_image import ELF, boot_image

TESTED = suites.Distribution(("older", "here"), ("next",), (), backports=("here",))

NO_FILES: Mapping[str, bytes] = {}
NO_LINKS: Mapping[str, str] = {}

needs_apt = pytest.mark.skipif(
    not all(map(shutil.which, ("apt-get", "dpkg-deb"))), reason="apt is not installed"
)


class Archive:
    """A Debian archive in a directory, with several suites."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.suites: dict[str, str] = {}

    def add(
        self,
        suite: str,
        name: str,
        version: str,
        files: Mapping[str, bytes] = NO_FILES,
        depends: str = "",
        links: Mapping[str, str] = NO_LINKS,
    ) -> None:
        """Add a package, once; ELF files in it are executable."""
        if f"Package: {name}\nVersion: {version}\n" in self.suites.get(suite, ""):
            return
        tree = self.root / "tree"
        shutil.rmtree(tree, ignore_errors=True)
        control = f"Package: {name}\nVersion: {version}\nArchitecture: amd64\n"
        control += f"Maintainer: nobody <nobody@localhost>\nDescription: {name}\n"
        control += f"Depends: {depends}\n" if depends else ""
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "DEBIAN/control").write_text(control)
        for path, data in files.items():
            file = tree / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
            file.chmod(0o755 if data.startswith(b"\x7fELF") else 0o644)
        for path, target in links.items():
            (tree / path).symlink_to(target)
        deb = self.root / f"pool/{name}_{version}_amd64.deb"
        deb.parent.mkdir(exist_ok=True)
        subprocess.run(["dpkg-deb", "-Zgzip", "-b", tree, deb], check=True, capture_output=True)
        digest = hashlib.sha256(deb.read_bytes()).hexdigest()
        self.suites[suite] = self.suites.get(suite, "") + (
            f"{control}Filename: pool/{deb.name}\nSize: {deb.stat().st_size}\nSHA256: {digest}\n\n"
        )

    def kernel(
        self, suite: str, version: str, release: str, *, headers: bool = True, meta: str = "amd64"
    ) -> None:
        """Add a kernel with its packages, and the metapackage ``linux-image-META`` for it."""
        image = {
            f"boot/vmlinuz-{release}": boot_image(lzma.compress(ELF)),
            f"boot/config-{release}": b"CONFIG_X=y\n",
            f"lib/modules/{release}/kernel/fs/configfs.ko": b"module",
        }
        self.add(suite, f"linux-image-{release}", version, image, "kmod, linux-base (>= 4)")
        if meta:
            exact = f"linux-image-{release} (= {version})"
            self.add(suite, f"linux-image-{meta}", version, depends=exact)
        if headers:
            self.headers(suite, version, release)

    def split_kernel(
        self, suite: str, version: str, release: str, programs: Mapping[str, bytes] = NO_FILES
    ) -> None:
        """Add a kernel as Debian has it since 6.19: the image package only has dependencies.

        *programs* are the programs in its headers, with the libraries of the package ``libc6``.
        """
        folder = f"usr/lib/modules/{release}"
        parts = {
            "base": {f"{folder}/config": b"CONFIG_X=y\n"},
            "binary": {f"{folder}/vmlinuz": boot_image(lzma.compress(ELF))},
            "modules": {f"{folder}/kernel/fs/configfs.ko": b"module"},
        }
        for part, files in parts.items():
            self.add(suite, f"linux-{part}-{release}", version, files)
        exact = ", ".join(f"linux-{part}-{release} (= {version})" for part in parts)
        self.add(suite, f"linux-image-{release}", version, depends=f"dracut | initramfs, {exact}")
        exact = f"linux-image-{release} (= {version})"
        self.add(suite, "linux-image-amd64", version, depends=exact)
        name, kbuild = f"linux-headers-{release}", f"linux-kbuild-{release.removesuffix('-amd64')}"
        source = f"usr/src/{name}"
        makefile = f"KBUILD_OUTPUT=/{source}\ninclude /{source}-common/Makefile\n".encode()
        depends = f"{name}-common (= {version}), {kbuild}, gcc-14-for-host"
        self.add(suite, name, version, {f"{source}/Makefile": makefile}, depends)
        self.add(suite, f"{name}-common", version, {f"{source}-common/Makefile": b"all:\n"})
        scripts = f"usr/lib/{kbuild}/scripts"
        tools = {f"{scripts}/{program}": data for program, data in programs.items()}
        self.add(suite, kbuild, version, tools or {f"{scripts}/x": b""}, "pahole, libc6 (>= 2.38)")

    def ubuntu_kernel(
        self, suite: str, version: str, abi: str, flavour: str = "generic", meta: str = ""
    ) -> None:
        """Add a kernel in Ubuntu's packages, with a metapackage that names no version."""
        release = f"{abi}-{flavour}"
        image = {f"boot/vmlinuz-{release}": boot_image(lzma.compress(ELF))}
        self.add(suite, f"linux-image-{release}", version, image, f"linux-modules-{release}")
        for name, file in (("", "fs/configfs.ko"), ("-extra", "drivers/uio/uio.ko")):
            modules = {f"lib/modules/{release}/kernel/{file}": b"module"}
            config = {} if name else {f"boot/config-{release}": b"CONFIG_X=y\n"}
            self.add(suite, f"linux-modules{name}-{release}", version, modules | config)
        self.add(suite, f"linux-image-{meta or flavour}", version,
                 depends=f"linux-firmware, linux-image-{release}, intel-microcode")  # fmt: skip
        headers = f"linux-headers-{release}"
        files = {f"usr/src/{headers}/.config": b"CONFIG_X=y\n"}
        links = {f"usr/src/{headers}/Makefile": f"../linux-headers-{abi}/Makefile"}
        self.add(suite, headers, version, files, f"linux-headers-{abi}, libc6 (>= 2.34)", links)
        self.add(suite, f"linux-headers-{abi}", version,
                 {f"usr/src/linux-headers-{abi}/Makefile": b"all:\n"})  # fmt: skip

    def headers(self, suite: str, version: str, release: str) -> None:
        """Add the headers of a kernel, in three packages as in Debian."""
        series = ".".join(version.split(".")[:2])
        name, common = f"linux-headers-{release}", f"linux-headers-{release}-common"
        depends = f"{common} (= {version}), linux-kbuild-{series}, gcc-12"
        makefile = f"include /usr/src/{common}/Makefile\n".encode()
        self.add(suite, name, version, {f"usr/src/{name}/Makefile": makefile}, depends)
        self.add(suite, common, version, {f"usr/src/{common}/Makefile": b"all:\n"})
        tool = {f"usr/lib/linux-kbuild-{series}/fixdep": b"tool"}
        self.add(suite, f"linux-kbuild-{series}", version, tool)

    def publish(self) -> None:
        """Write the indexes."""
        for suite, text in self.suites.items():
            index = self.root / f"dists/{suite}/main/binary-amd64/Packages"
            index.parent.mkdir(parents=True, exist_ok=True)
            index.write_text(text)
            digest = hashlib.sha256(text.encode()).hexdigest()
            entry = f" {digest} {len(text)} main/binary-amd64/Packages\n"
            release = f"Origin: Test\nCodename: {suite}\nSuite: {suite}\nComponents: main\n"
            release += "Architectures: amd64\nDate: Mon, 01 Jan 2024 00:00:00 UTC\n"
            (self.root / f"dists/{suite}/Release").write_text(f"{release}SHA256:\n{entry}")
