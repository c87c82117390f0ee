# SPDX-License-Identifier: GPL-2.0-only
"""Find the packages of a kernel in a package index.

No version is hard-coded here. The distribution's metapackages name the current kernels, for example
``linux-image-cloud-amd64`` in Debian and ``linux-image-generic`` in Ubuntu.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bench.errors import TargetError
from bench.kernels.apt import Apt, Package
from bench.kernels.kernel import Arch
from bench.kernels.names import Wanted

IMAGE = "linux-image-"
_NO_KERNEL = re.compile(r"-(?:dbg|dbgsym|unsigned|template)$|^linux-image-unsigned-")
# The version that a release or a metapackage's name begins with: 6.1.0-56, 6.12.95+deb12, 6.12.
_VERSION = re.compile(r"\d+\.\d+[^-]*(?:-\d[^-]*)?(?:-|$)")


@dataclass(frozen=True)
class Image:
    """A kernel in a package index.

    Attributes:
        package: the package of the boot image. Since kernel 6.19, Debian's only has dependencies.
        flavour: such as ``cloud``; empty for Debian's default kernel.
        default: whether the distribution's metapackage without a version names it.
        current: whether any metapackage names it.
    """

    package: Package
    flavour: str
    default: bool = False
    current: bool = False

    @property
    def release(self) -> str:
        """The release, as ``uname -r`` prints it."""
        return self.package.name.removeprefix(IMAGE)

    @property
    def version(self) -> list[int]:
        """The numbers of the package's version, for comparison."""
        return numbers(self.package.version)


def images(apt: Apt, arch: Arch) -> list[Image]:
    """Return the kernels in the index of *apt*, those that a metapackage names first."""
    names = [name for name in apt.names(IMAGE) if not _NO_KERNEL.search(name)]
    packages = apt.packages(*sorted(names))
    current: dict[str, Image] = {}
    plain: list[Image] = []
    for package in packages:
        label = package.name.removeprefix(IMAGE)
        version = _VERSION.match(label)
        flavour = _flavour(label[version.end() :] if version else label, arch)
        named = [(n, v) for n, v in package.depends if re.match(rf"{IMAGE}\d", n)]
        if not named:
            plain.append(Image(package, flavour))
            continue
        targets = (p for p in packages if {(p.name, p.version), (p.name, None)} & set(named))
        target = next(targets, None)
        if target is not None and not (target.name in current and current[target.name].default):
            current[target.name] = Image(target, flavour, default=not version, current=True)
    superseded = [image for image in plain if image.package.name not in current]
    return sorted(current.values(), key=_order) + sorted(superseded, key=_order)


def choose(found: Iterable[Image], wanted: Wanted) -> Image | None:
    """Return the kernel among *found* that fits *wanted* best, ``None`` if none fits.

    A kernel that a metapackage names goes before one that the distribution has superseded.
    """
    found = list(found)
    for image in found:
        if wanted.release and image.release == wanted.release:
            return image
    flavour = wanted.flavour or default_flavour(found)
    fitting = [image for image in found if _has_flavour(image, flavour, wanted)]
    if wanted.series:
        start = re.compile(re.escape(wanted.series) + r"(?!\d)")
        fitting = [image for image in fitting if start.match(image.package.version)]
    elif wanted.release:
        fitting = []
    else:
        fitting = [image for image in fitting if image.default]
    return max(fitting, key=lambda image: (image.current, image.version), default=None)


def default_flavour(found: Iterable[Image]) -> str:
    """Return the flavour of the kernel that the distribution installs by default."""
    flavours = {image.flavour for image in found if image.default}
    return "generic" if "generic" in flavours and "" not in flavours else ""


def closure(apt: Apt, image: Package) -> list[Package]:
    """Return *image*, its modules and headers, and their dependencies of the same kernel.

    Raises:
        TargetError: the kernel has no headers.
    """
    release = image.name.removeprefix(IMAGE)
    names = (f"linux-headers-{release}", f"linux-modules-extra-{release}")
    more = [p for p in apt.packages(*names) if p.version == image.version]
    if not any(package.name == names[0] for package in more):
        raise TargetError(
            f"Kernel {release} ({image.version}) has no matching headers package: "
            "modules cannot be built for this kernel, so choose another one."
        )
    return dependencies(apt, [image, *more], re.compile(r"linux-\D*\d+\.\d"))


def dependencies(apt: Apt, packages: Iterable[Package], names: re.Pattern[str]) -> list[Package]:
    """Return *packages* and all their dependencies, direct and indirect, that match *names*."""
    chosen = {package.name: package for package in packages}
    queue = list(chosen.values())
    while queue:
        needed = {
            name: version
            for package in queue
            for name, version in package.depends
            if name not in chosen and names.match(name)
        }
        queue = []
        for package in apt.packages(*sorted(needed)):
            if package.name not in chosen and needed[package.name] in (None, package.version):
                chosen[package.name] = package
                queue.append(package)
    return list(chosen.values())


def numbers(version: str) -> list[int]:
    """Return the numbers in *version*, without its epoch."""
    return [int(number) for number in re.findall(r"\d+", re.sub(r"^\d+:", "", version))]


def _has_flavour(image: Image, flavour: str, wanted: Wanted) -> bool:
    # Ubuntu has newer series in flavours such as generic-hwe-24.04.
    newer = bool(wanted.series) and image.flavour.startswith(f"{flavour}-hwe")
    return image.flavour == flavour or newer


def _flavour(label: str, arch: Arch) -> str:
    """Return ``cloud`` for ``cloud-amd64``, and the empty string for ``amd64``."""
    return label.removesuffix(arch.debian).removesuffix("-")


def _order(image: Image) -> list[int]:
    return [-number for number in image.version]
