"""Whether a machine has what a run needs, and what to do where it has not."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from bench.errors import RingcrossError
from bench.host import knobs
from bench.kernels import catalog
from bench.paths import ROOT

PACKAGES = ROOT / "packages.txt"
"""The system packages that the default run needs: name, then a command or file it brings."""

GROUPS = {
    "run": "What a run needs",
    "time": "What moves nanoseconds: of this machine, for --target local and for the time clock of "
    "a virtual machine on it. Counted instructions are the same on any machine.",
}

_ROOM = 2 << 30  # bytes: packages, unpacked kernel and modules of one kernel, with some to spare

State = Literal["ok", "note", "missing"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: its name.
        state: ``missing`` stops a default run, ``note`` makes it poorer.
        found: what there is.
        advice: what to do, empty when nothing.
        package: system package to install, empty when none helps.
        group: ``run`` for what any run needs, ``time`` for what moves nanoseconds alone.
    """

    what: str
    state: State
    found: str
    advice: str = ""
    package: str = ""
    group: str = "run"

    def to_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


def system_packages(text: str) -> dict[str, str]:
    """Package and what shows that it is there, from the lines of ``packages.txt``."""
    lines = (line.partition("#")[0].split() for line in text.splitlines())
    return {words[0]: words[1] for words in lines if words}


def _present(sign: str) -> bool:
    if sign.startswith("/"):
        return any(Path("/").glob(sign[1:]))
    if ":" in sign:
        interpreter, module = sign.split(":")
        tried = subprocess.run([interpreter, "-c", f"import {module}"], capture_output=True)
        return tried.returncode == 0
    return shutil.which(sign) is not None or Path(f"/usr/sbin/{sign}").exists()


def _packages() -> Iterator[Finding]:
    for package, sign in system_packages(PACKAGES.read_text()).items():
        if _present(sign):
            yield Finding(package, "ok", "installed")
        else:
            yield Finding(package, "missing", f"no {sign}", package=package)


def _python() -> Iterator[Finding]:
    yield Finding("python", "ok", platform.python_version())
    for package in ("pytest-benchmark", "pandas", "pyarrow", "scipy", "matplotlib"):
        try:
            yield Finding(package, "ok", metadata.version(package))
        except metadata.PackageNotFoundError:
            yield Finding(package, "missing", "not installed", "Run `make setup`.")


def _kvm() -> Iterator[Finding]:
    if os.access("/dev/kvm", os.R_OK | os.W_OK):
        yield Finding("kvm", "ok", "/dev/kvm opens; the first run tries it by a real boot")
    else:
        yield Finding(
            "kvm",
            "note",
            "/dev/kvm is missing or closed to you",
            "Runs count instructions. For nanoseconds, use a machine with KVM, or "
            "--target local --channels syscall.",
        )


def _disk() -> Iterator[Finding]:
    place = catalog.default_cache()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    told = f"{free / 1e9:.1f} GB free at {place}"
    if free < _ROOM:
        yield Finding(
            "disk", "missing", told, "Make 2 GB free, or set RINGCROSS_CACHE to a roomier place."
        )
    else:
        yield Finding("disk", "ok", told)


def _kernels() -> Iterator[Finding]:
    cached = [kernel.release for kernel in catalog.list_kernels()]
    if cached:
        yield Finding("kernels", "ok", f"in the cache: {', '.join(cached)}")
    else:
        yield Finding("kernels", "note", "none in the cache", "The first run fetches one by apt.")


def _headers() -> Iterator[Finding]:
    try:
        yield Finding("headers", "ok", f"of the running kernel: {catalog.running().headers}")
    except RingcrossError as error:
        yield Finding(
            "headers",
            "note",
            "of the running kernel: none",
            f"Needed for --target local only. {error}",
        )


def _knobs() -> Iterator[Finding]:
    """What of this machine moves nanoseconds; see :mod:`bench.host.knobs`."""
    here = [knob for knob in knobs.every() if knob.paths != (knobs.CONFIG,)]
    files = knobs.read(here)
    for knob in here:
        shown = knobs.show(knob, files, here=True)
        state: State = "note" if shown.state == "poor" else "ok"
        yield Finding(knob.name, state, shown.found, shown.warning, group="time")


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    _packages,
    _python,
    _disk,
    _kernels,
    _kvm,
    _headers,
    _knobs,
)


def examine() -> Iterator[Finding]:
    """All findings about this machine."""
    for check in CHECKS:
        yield from check()


def install_command(findings: Iterable[Finding]) -> str:
    """The one command that installs the missing system packages; empty when none is."""
    missing = [finding.package for finding in findings if finding.package]
    if not missing:
        return ""
    sudo = "" if os.geteuid() == 0 else "sudo "
    return f"{sudo}apt-get install --no-install-recommends {' '.join(missing)}"
