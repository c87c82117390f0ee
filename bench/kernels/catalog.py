"""Find, fetch and unpack kernels with their headers, without installing anything.

A kernel lives in ``<cache>/kernels/<release>/``, the unpacked packages of one version.
Its ABI number is never written down here: the distribution's metapackages name it.
"""

from __future__ import annotations

import fcntl
import json
import lzma
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import zstandard

from bench.errors import TargetError, UsageError, check_room, writing
from bench.kernels.apt import Apt, Fields, Package, derive, system_sources

Reporter = Callable[[str], None]
"""Takes one line of progress."""


def silent(_line: str) -> None:
    """A :data:`Reporter` that says nothing."""


SERIES = {"5.10": "bullseye", "6.1": "bookworm", "6.12": "trixie"}
"""Kernel series and the Debian release whose stock kernel it is."""

_FINISHED = ".ringcross.json"
_ABI = re.compile(r"\d+\.\d+.*-[a-z0-9]+")


@dataclass(frozen=True)
class Arch:
    """What one processor architecture is called, by whom.

    Attributes:
        machine: as in ``uname -m``.
        debian: as in package names.
        qemu: QEMU's binary.
    """

    machine: str
    debian: str
    qemu: str


ARCHES = {"x86_64": Arch("x86_64", "amd64", "qemu-system-x86_64")}


@dataclass(frozen=True)
class Kernel:
    """A kernel ready for use.

    Attributes:
        release: as ``uname -r`` prints it.
        package_version: the distribution's version, empty when it is not known.
        vmlinuz: boot image.
        headers: directory to build modules against.
        config: its ``.config``.
        modules_dir: its own modules, the folder that has ``kernel/`` in it.
        root: directory the packages were unpacked in.
    """

    release: str
    package_version: str
    vmlinuz: Path
    headers: Path
    config: Path
    modules_dir: Path
    root: Path


def host_arch() -> Arch:
    """The architecture to measure.

    Raises:
        TargetError: it is not supported.
    """
    machine = platform.machine()
    if machine not in ARCHES:
        raise TargetError(f"No target for {machine} yet: run on one of {', '.join(ARCHES)}.")
    return ARCHES[machine]


def default_cache() -> Path:
    """``$RINGCROSS_CACHE``, or ``ringcross`` in the user's cache directory."""
    own = os.environ.get("RINGCROSS_CACHE")
    if own:
        return Path(own).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).absolute() / "ringcross"


def find(
    spec: str = "stock",
    cache: Path | None = None,
    *,
    refresh: bool = False,
    say: Reporter = silent,
) -> Kernel:
    """Return the kernel that *spec* names, fetched when it is not in the cache yet.

    Args:
        spec: ``stock`` (what the running distribution's metapackage names), a series such
            as ``6.12``, or an exact release such as ``6.1.0-56-amd64``.
        cache: where kernels are kept, :func:`default_cache` when not given.
        refresh: ask the distribution again what *spec* names now.
        say: is given lines of progress.

    Raises:
        UsageError: no such kernel is known.
        TargetError: it cannot be fetched, or has no matching headers.
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
    """The kernels in the cache, sorted by release; needs no network."""
    store = (cache or default_cache()) / "kernels"
    found = [_load(folder) for folder in store.glob("*") if folder.is_dir()]
    return sorted((k for k in found if k is not None), key=lambda k: _numbers(k.release))


def running() -> Kernel:
    """The kernel this machine runs, for the local target.

    Raises:
        TargetError: its headers are not installed.
    """
    release = platform.release()
    modules = Path("/lib/modules") / release
    headers = modules / "build"
    if not (headers / "Makefile").exists():
        raise TargetError(
            f"The headers of the running kernel {release} are not installed: install "
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
    """The text of a ``.config``; empty when there is none to read."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def elf_image(kernel: Kernel) -> Path:
    """The uncompressed ELF kernel, taken out of the boot image once and kept beside it.

    QEMU boots it by PVH, without firmware and without decompressing under emulation.

    Raises:
        TargetError: the boot image is not one we can read.
    """
    image = kernel.root / "vmlinux.elf"
    if not image.exists():
        elf = extract_elf(kernel.vmlinuz.read_bytes(), str(kernel.vmlinuz.name))
        part = image.with_suffix(f".{os.getpid()}")
        with writing("the uncompressed kernel"):
            part.write_bytes(elf)
            part.replace(image)
    return image


def extract_elf(image: bytes, name: str = "vmlinuz") -> bytes:
    """Uncompress the payload of an x86 boot image (its setup header says where it is)."""
    if image[0x202:0x206] != b"HdrS":
        raise TargetError(
            f"{name} is no x86 boot image: remove the kernel from the cache and run again."
        )
    sectors = image[0x1F1] or 4
    offset = int.from_bytes(image[0x248:0x24C], "little")
    length = int.from_bytes(image[0x24C:0x250], "little")
    start = (sectors + 1) * 512 + offset
    elf = _uncompress(image[start : start + length], name)
    if not elf.startswith(b"\x7fELF"):
        raise TargetError(f"{name} holds no ELF kernel: use another kernel.")
    return elf


def _uncompress(payload: bytes, name: str) -> bytes:
    # The kernel appends the size to the payload, so what follows the stream is ignored.
    try:
        if payload.startswith(b"\xfd7zXZ\0"):
            xz = lzma.LZMADecompressor()
            data, whole = xz.decompress(payload), xz.eof
        elif payload.startswith(b"\x28\xb5\x2f\xfd"):
            zstd = zstandard.ZstdDecompressor().decompressobj()
            data, whole = zstd.decompress(payload), zstd.eof
        else:
            raise TargetError(
                f"{name} is compressed in a way that is not supported (neither xz nor zstd): "
                "use another kernel."
            )
    except (lzma.LZMAError, zstandard.ZstdError):
        whole = False
    if not whole:
        raise TargetError(f"{name} is damaged: remove the kernel from the cache and run again.")
    return data


def _store(cache: Path | None) -> Path:
    store = (cache or default_cache()) / "kernels"
    if re.search(r"[\s:]", str(store)):
        # The kernel's own makefiles cannot work in such a directory.
        raise TargetError(
            f"The cache directory must have no blank and no colon in it ({store}): "
            "set RINGCROSS_CACHE to another one."
        )
    with writing("the kernel cache"):
        store.mkdir(parents=True, exist_ok=True)
    return store


@contextmanager
def _locked(store: Path) -> Iterator[None]:
    """Keep a second ringcross out while this one fetches."""
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
    """The kernel in *folder*, ``None`` unless it was unpacked to the end."""
    try:
        finished = json.loads((folder / _FINISHED).read_text())
        version, root = finished["package_version"], finished["root"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if root != str(folder):  # a cache that was moved: the headers point to the old place
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
        f"The kernel's packages have no {paths[0].name}: remove it from the cache and run again."
    )


def _fetch(store: Path, spec: str, arch: Arch, say: Reporter) -> Kernel:
    trouble: TargetError | None = None
    for label, sources in _places(spec):
        apt = Apt(store.parent / "apt" / label, sources)
        say(f"Asking apt for kernel {spec} ({label})")
        try:
            apt.update()
        except TargetError as error:  # one suite that is gone must not hide another
            trouble = trouble or error
            continue
        image = _image(apt, spec, arch)
        if image is not None:
            return _unpack(store, apt, image, say)
    if trouble is not None:
        raise trouble
    raise UsageError(_unknown(spec, store.parent))


def _places(spec: str) -> list[tuple[str, list[Fields] | None]]:
    """Where to look for *spec*: labels, and sources (``None``: the system's own)."""
    places: list[tuple[str, list[Fields] | None]] = [("stock", None)]
    host = _codename()
    if spec == "stock" or not host:
        return places
    own = system_sources()
    places.append((f"{host}-backports", derive(own, {host: f"{host}-backports"})))
    home = SERIES.get(".".join(spec.split(".")[:2]), host)
    if home != host:
        kinds = ("", "-updates", "-security")
        places.append((home, derive(own, {host + kind: home + kind for kind in kinds})))
    return [(label, sources) for label, sources in places if sources is None or sources]


def _image(apt: Apt, spec: str, arch: Arch) -> Package | None:
    """The package of the boot image that *spec* names among *apt*'s packages."""
    exact = apt.packages(f"linux-image-{spec}") if _ABI.fullmatch(spec) else []
    if exact:
        return exact[0]
    for meta in apt.packages(f"linux-image-{arch.debian}"):
        if spec != "stock" and not re.match(re.escape(spec) + r"(?!\d)", meta.version):
            continue
        for name, version in meta.depends:
            found = [p for p in apt.packages(name) if version in (None, p.version)]
            if name.startswith("linux-image-") and found:
                return found[0]
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
        _repoint(new, release, final)
        _write_json(new / _FINISHED, {"package_version": image.version, "root": str(final)})
        _kernel(new, release, image.version)
        shutil.rmtree(final, ignore_errors=True)
        new.rename(final)
        shutil.rmtree(debs[0].parent)
    return _kernel(final, release, image.version)


def _closure(apt: Apt, image: Package) -> list[Package]:
    """*image*, its headers, and the parts of the same kernel that these depend on."""
    release = image.name.removeprefix("linux-image-")
    headers = [p for p in apt.packages(f"linux-headers-{release}") if p.version == image.version]
    if not headers:
        raise TargetError(
            f"Kernel {release} ({image.version}) has no matching headers package: "
            "modules cannot be built for it, so choose another kernel."
        )
    chosen = {image.name: image, headers[0].name: headers[0]}
    queue = list(chosen.values())
    while queue:
        for name, version in queue.pop().depends:
            if name in chosen or not re.match(r"linux-[a-z]+-\d", name):
                continue
            found = [p for p in apt.packages(name) if version in (None, p.version)]
            if found:
                chosen[name] = found[0]
                queue.append(found[0])
    return list(chosen.values())


def _extract(deb: Path, into: Path) -> None:
    done = subprocess.run(["dpkg-deb", "-x", deb, into], capture_output=True, text=True)
    if done.returncode:
        check_room(done.stderr, "the kernel cache")
        deb.unlink()
        raise TargetError(
            f"{deb.name} cannot be unpacked ({done.stderr.strip().splitlines()[-1]}): run again."
        )


def _repoint(root: Path, release: str, final: Path) -> None:
    """Point the headers' absolute paths to *final*, where *root* will be moved."""
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
    """The running distribution's code name, empty when it has none."""
    try:
        return platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    except OSError:
        return ""


def _numbers(release: str) -> list[int]:
    return [int(n) for n in re.findall(r"\d+", release)]


def _unknown(spec: str, cache: Path | None) -> str:
    cached = [k.release for k in list_kernels(cache)]
    known = ["stock", *SERIES, *cached]
    return f"Kernel {spec} is not known: choose one of {', '.join(known)}, or an exact release."
