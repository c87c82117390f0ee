# SPDX-License-Identifier: GPL-2.0-only
"""Find, fetch and unpack kernels with their headers, without installing anything.

The unpacked packages of one kernel are in ``<cache>/kernels/<release>/``. No ABI number is
hard-coded here: the distribution's metapackages name the current one.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.errors import TargetError, UsageError, check_room, writing
from bench.kernels.apt import Apt, Fields, Package, derive, system_sources
from bench.kernels.image import extract_elf

Reporter = Callable[[str], None]
"""A callback that prints one line of progress."""


def silent(_line: str) -> None:
    """A :data:`Reporter` that prints nothing."""


SERIES = {"5.10": "bullseye", "6.1": "bookworm", "6.12": "trixie"}
"""By kernel series, the Debian release that has it as its stock kernel."""

_FINISHED = ".ringcross.json"
_ABI = re.compile(r"\d+\.\d+.*-[a-z0-9]+")


@dataclass(frozen=True)
class Arch:
    """The names of one processor architecture.

    Attributes:
        machine: as ``uname -m`` prints it.
        debian: as in the names of Debian packages.
        qemu: name of the QEMU binary.
    """

    machine: str
    debian: str
    qemu: str


ARCHES = {"x86_64": Arch("x86_64", "amd64", "qemu-system-x86_64")}


@dataclass(frozen=True)
class Kernel:
    """A kernel that is ready for use.

    Attributes:
        release: as ``uname -r`` prints it.
        package_version: the distribution's version; empty if it is not known.
        vmlinuz: boot image.
        headers: directory to build modules against.
        config: its ``.config``.
        modules_dir: directory of its stock modules; it contains ``kernel/``.
        root: directory in which the packages were unpacked.
    """

    release: str
    package_version: str
    vmlinuz: Path
    headers: Path
    config: Path
    modules_dir: Path
    root: Path


def host_arch() -> Arch:
    """Return the architecture of this machine.

    Raises:
        TargetError: the architecture is not supported.
    """
    machine = platform.machine()
    if machine not in ARCHES:
        supported = ", ".join(ARCHES)
        raise TargetError(f"The architecture {machine} is not supported: run on {supported}.")
    return ARCHES[machine]


def default_cache() -> Path:
    """Return ``$RINGCROSS_CACHE``, or ``ringcross`` in the user's cache directory."""
    override = os.environ.get("RINGCROSS_CACHE")
    if override:
        return Path(override).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).absolute() / "ringcross"


def find(
    spec: str = "stock",
    cache: Path | None = None,
    *,
    refresh: bool = False,
    say: Reporter = silent,
) -> Kernel:
    """Return the kernel that *spec* names; fetch it if it is not in the cache.

    Args:
        spec: ``stock`` (the kernel that the running distribution's metapackage names), a series
            such as ``6.12``, or an exact release such as ``6.1.0-56-amd64``.
        cache: directory for kernels; by default :func:`default_cache`.
        refresh: look up again which kernel *spec* names now.
        say: receives lines of progress.

    Raises:
        UsageError: no kernel has this name.
        TargetError: the kernel cannot be fetched, or has no matching headers.
    """
    arch = host_arch()
    if spec != "stock" and not re.match(r"\d+\.\d+", spec):
        raise UsageError(_unknown(spec, cache))
    store = _store(cache)
    with _locked(store):
        release = None if refresh else _remembered(store, spec)
        kernel = _load(store / release) if release else None
        if kernel is None:
            kernel = _fetch(store, spec, arch, say)
            _remember(store, spec, kernel.release)
    return kernel


def list_kernels(cache: Path | None = None) -> list[Kernel]:
    """Return the kernels in the cache, sorted by release; this needs no network."""
    store = (cache or default_cache()) / "kernels"
    kernels = [_load(folder) for folder in store.glob("*") if folder.is_dir()]
    return sorted((k for k in kernels if k is not None), key=lambda k: _numbers(k.release))


def running() -> Kernel:
    """Return the kernel that runs on this machine, for the local target.

    Raises:
        TargetError: its headers are not installed.
    """
    release = platform.release()
    modules = Path("/lib/modules") / release
    headers = modules / "build"
    if not (headers / "Makefile").exists():
        raise TargetError(
            f"The headers of the running kernel {release} are missing: install the package "
            f"linux-headers-{release}, or use --target vm."
        )
    boot = Path("/boot")
    return Kernel(
        release=release,
        package_version="",
        vmlinuz=boot / f"vmlinuz-{release}",
        headers=headers.resolve(),
        config=boot / f"config-{release}",
        modules_dir=modules,
        root=Path("/"),
    )


def read_config(path: Path) -> str:
    """Return the text of a ``.config``; empty if the file cannot be read."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def elf_image(kernel: Kernel, say: Reporter = silent) -> Path:
    """Return the path of the uncompressed ELF kernel; extract it from the boot image once.

    QEMU boots an ELF kernel by PVH, without firmware and without decompressing under emulation.
    Where :func:`extract_elf` gives none, return the boot image, which decompresses itself, and
    *say* so.

    Raises:
        TargetError: the format of the boot image is not supported, or the image is damaged.
    """
    image = kernel.root / "vmlinux.elf"
    if not image.exists():
        elf = extract_elf(kernel.vmlinuz.read_bytes(), str(kernel.vmlinuz.name))
        if elf is None:
            say(f"{kernel.vmlinuz.name} decompresses itself in the guest, so each boot is slower")
            return kernel.vmlinuz
        part = image.with_suffix(f".{os.getpid()}")
        with writing("the uncompressed kernel"):
            part.write_bytes(elf)
            part.replace(image)
    return image


def _store(cache: Path | None) -> Path:
    store = (cache or default_cache()) / "kernels"
    if re.search(r"[\s:]", str(store)):
        # The kernel's makefiles do not work in such a directory.
        raise TargetError(
            f"The path of the cache must not contain a blank or a colon ({store}): set "
            "RINGCROSS_CACHE to another directory."
        )
    with writing("the kernel cache"):
        store.mkdir(parents=True, exist_ok=True)
    return store


@contextmanager
def _locked(store: Path) -> Iterator[None]:
    """Make a second ringcross wait while this one uses the cache."""
    with (store / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _remembered(store: Path, spec: str) -> str | None:
    if (store / spec / _FINISHED).exists():
        return spec
    return _specs(store).get(f"{_codename()}/{spec}")


def _remember(store: Path, spec: str, release: str) -> None:
    specs = _specs(store) | {f"{_codename()}/{spec}": release}
    with writing("the kernel cache"):
        _write_json(store / "specs.json", specs)


def _specs(store: Path) -> dict[str, str]:
    try:
        return dict(json.loads((store / "specs.json").read_text()))
    except (OSError, ValueError):
        return {}


def _load(folder: Path) -> Kernel | None:
    """Return the kernel in *folder*; ``None`` if it was not unpacked completely."""
    try:
        record = json.loads((folder / _FINISHED).read_text())
        version, root = record["package_version"], record["root"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if root != str(folder):  # the cache was moved, and the headers contain its old path
        return None
    return _kernel(folder, folder.name, version)


def _kernel(root: Path, release: str, version: str) -> Kernel:
    trees = [root / "lib/modules" / release, root / "usr/lib/modules" / release]
    return Kernel(
        release=release,
        package_version=version,
        vmlinuz=_first(root / "boot" / f"vmlinuz-{release}", *(t / "vmlinuz" for t in trees)),
        headers=_first(root / "usr/src" / f"linux-headers-{release}"),
        config=_first(root / "boot" / f"config-{release}", *(t / "config" for t in trees)),
        modules_dir=_first(*(t / "kernel" for t in trees)).parent,
        root=root,
    )


def _first(*paths: Path) -> Path:
    for path in paths:
        if path.exists():
            return path
    raise TargetError(
        f"The kernel's packages contain no {paths[0].name}: remove the kernel from the cache and "
        "run again."
    )


def _fetch(store: Path, spec: str, arch: Arch, say: Reporter) -> Kernel:
    first_error: TargetError | None = None
    for label, sources in _suites(spec):
        apt = Apt(store.parent / "apt" / label, sources)
        say(f"Looking for kernel {spec} with apt ({label})")
        try:
            apt.update()
        except TargetError as error:  # another suite may still have the kernel
            first_error = first_error or error
            continue
        image = _image(apt, spec, arch)
        if image is not None:
            return _unpack(store, apt, image, say)
    if first_error is not None:
        raise first_error
    raise UsageError(_unknown(spec, store.parent))


def _suites(spec: str) -> list[tuple[str, list[Fields] | None]]:
    """Return the suites to search for *spec*, each with a label and its sources.

    ``None`` stands for the system's sources, unchanged.
    """
    suites: list[tuple[str, list[Fields] | None]] = [("stock", None)]
    host = _codename()
    if spec == "stock" or not host:
        return suites
    system = system_sources()
    suites.append((f"{host}-backports", derive(system, {host: f"{host}-backports"})))
    home = SERIES.get(".".join(spec.split(".")[:2]), host)
    if home != host:
        kinds = ("", "-updates", "-security")
        suites.append((home, derive(system, {host + kind: home + kind for kind in kinds})))
    return [(label, sources) for label, sources in suites if sources is None or sources]


def _image(apt: Apt, spec: str, arch: Arch) -> Package | None:
    """Return the package of the boot image that *spec* names; ``None`` if *apt* has none."""
    exact = apt.packages(f"linux-image-{spec}") if _ABI.fullmatch(spec) else []
    if exact:
        return exact[0]
    for meta in apt.packages(f"linux-image-{arch.debian}"):
        if spec != "stock" and not re.match(re.escape(spec) + r"(?!\d)", meta.version):
            continue
        for name, version in meta.depends:
            matches = [p for p in apt.packages(name) if version in (None, p.version)]
            if name.startswith("linux-image-") and matches:
                return matches[0]
    return None


def _unpack(store: Path, apt: Apt, image: Package, say: Reporter) -> Kernel:
    release = image.name.removeprefix("linux-image-")
    final = store / release
    if (kernel := _load(final)) and kernel.package_version == image.version:
        return kernel
    packages = _closure(apt, image)
    megabytes = sum(p.size for p in packages) / 1e6
    say(f"Fetching kernel {release} and its headers ({megabytes:.0f} MB)")
    debs = apt.download(packages, store / f".{release}.debs")
    say(f"Unpacking kernel {release}")
    new = store / f".{release}.new"
    shutil.rmtree(new, ignore_errors=True)
    with writing("the kernel cache"):
        new.mkdir()
        for deb in debs:
            _extract(deb, new)
        _relocate_headers(new, release, final)
        _write_json(new / _FINISHED, {"package_version": image.version, "root": str(final)})
        _kernel(new, release, image.version)
        shutil.rmtree(final, ignore_errors=True)
        new.rename(final)
        shutil.rmtree(debs[0].parent)
    return _kernel(final, release, image.version)


def _closure(apt: Apt, image: Package) -> list[Package]:
    """Return *image*, its headers, and their dependencies that belong to the same kernel."""
    release = image.name.removeprefix("linux-image-")
    headers = [p for p in apt.packages(f"linux-headers-{release}") if p.version == image.version]
    if not headers:
        raise TargetError(
            f"Kernel {release} ({image.version}) has no matching headers package: "
            "modules cannot be built for this kernel, so choose another one."
        )
    chosen = {image.name: image, headers[0].name: headers[0]}
    queue = list(chosen.values())
    while queue:
        for name, version in queue.pop().depends:
            if name in chosen or not re.match(r"linux-[a-z]+-\d", name):
                continue
            matches = [p for p in apt.packages(name) if version in (None, p.version)]
            if matches:
                chosen[name] = matches[0]
                queue.append(matches[0])
    return list(chosen.values())


def _extract(deb: Path, into: Path) -> None:
    result = subprocess.run(["dpkg-deb", "-x", deb, into], capture_output=True, text=True)
    if result.returncode:
        check_room(result.stderr, "the kernel cache")
        deb.unlink()
        last_error_line = result.stderr.strip().splitlines()[-1]
        raise TargetError(f"{deb.name} cannot be unpacked ({last_error_line}): run again.")


def _relocate_headers(root: Path, release: str, final: Path) -> None:
    """Rewrite the absolute paths of the headers to *final*, where *root* is moved later."""
    makefile = root / "usr/src" / f"linux-headers-{release}" / "Makefile"
    if not makefile.exists():
        raise TargetError(
            f"The headers of kernel {release} have no makefile: choose another kernel."
        )
    text = makefile.read_text()
    makefile.write_text(text.replace("/usr/src/", f"{final}/usr/src/"))


def _write_json(path: Path, value: object) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(value))
    part.replace(path)


def _codename() -> str:
    """Return the running distribution's code name; empty if it has none."""
    try:
        return platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    except OSError:
        return ""


def _numbers(release: str) -> list[int]:
    return [int(n) for n in re.findall(r"\d+", release)]


def _unknown(spec: str, cache: Path | None) -> str:
    cached = [k.release for k in list_kernels(cache)]
    known = ["stock", *SERIES, *cached]
    return f"Unknown kernel {spec}: choose one of {', '.join(known)}, or an exact release."
