# SPDX-License-Identifier: GPL-2.0-only
"""Check whether this machine has what a run needs, and advise what to do if not."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from bench.errors import RingcrossError
from bench.host import knobs, packages
from bench.kernels import catalog, module_signing, places

GROUPS = {
    "run": "Required for a run",
    "time": "Settings of this machine that affect wall-clock results, of --target local and of the "
    "time clock of a virtual machine. Instruction counts are the same on any machine.",
}
"""The headings of the groups of findings."""

# Packages, unpacked kernel and modules of one kernel fit, with a reserve.
_REQUIRED_BYTES = 2 << 30

State = Literal["ok", "note", "missing"]


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        what: name of the checked item.
        state: ``missing`` if a default run cannot start, ``note`` if it gives less or worse
            results, else ``ok``.
        found: the present state, in a few words.
        advice: what to do; empty if there is nothing to do.
        package: system package to install; empty if none helps.
        group: ``run`` for what any run needs, ``time`` for what affects only wall-clock results.
    """

    what: str
    state: State
    found: str
    advice: str = ""
    package: str = ""
    group: str = "run"

    def to_json(self) -> dict[str, Any]:
        """Return the fields for ``--json``."""
        return asdict(self)


def _packages() -> Iterator[Finding]:
    text = packages.LIST.read_text(encoding="utf-8")
    manager = packages.manager(text)
    # One package may have several signs.
    yield from dict.fromkeys(_package(one, manager) for one in packages.requirements(text))


def _package(requirement: packages.Requirement, manager: packages.Manager) -> Finding:
    sign = requirement.sign
    package = requirement.packages.get(manager.name, "")
    if packages.present(sign):
        return Finding(package or sign, "ok", "installed")
    advice = "" if package else f"Install what provides {sign}."
    return Finding(package or sign, "missing", f"no {sign}", advice, package)


def _python() -> Iterator[Finding]:
    yield Finding("python", "ok", platform.python_version())
    for package in ("pytest-benchmark", "pandas", "pyarrow", "scipy", "matplotlib"):
        try:
            yield Finding(package, "ok", metadata.version(package))
        except metadata.PackageNotFoundError:
            yield Finding(package, "missing", "not installed", "Run make setup.")


def _disk() -> Iterator[Finding]:
    try:
        cache = catalog.default_cache()
        places.check_cache(cache)
    except RingcrossError as error:
        yield Finding("cache", "missing", "it cannot be used", str(error))
        return
    folder = places.nearest(cache)
    free = shutil.disk_usage(folder).free
    free_text = f"{free / 1e9:.1f} GB free at {folder}"
    if free < _REQUIRED_BYTES:
        yield Finding(
            "disk",
            "missing",
            free_text,
            "Free 2 GB, or set RINGCROSS_CACHE to a directory with more space.",
        )
    else:
        yield Finding("disk", "ok", free_text)


def _kernels() -> Iterator[Finding]:
    cached = [kernel.release for kernel in catalog.list_kernels()]
    if cached:
        yield Finding("kernels", "ok", f"in the cache: {', '.join(cached)}")
    else:
        yield Finding(
            "kernels", "note", "none in the cache", "The first run fetches a kernel with apt."
        )


def _headers() -> Iterator[Finding]:
    try:
        yield Finding("headers", "ok", f"of the running kernel: {catalog.running().headers}")
    except RingcrossError as error:
        yield Finding(
            "headers",
            "note",
            "none for the running kernel",
            f"Only --target local needs them. {error}",
        )


def _module_signing() -> Iterator[Finding]:
    enforced = module_signing.enforced_here(catalog.read_config(_running_config()))
    if enforced:
        yield Finding(
            "unsigned modules",
            "note",
            f"refused by the running kernel ({enforced})",
            "Only --target local loads modules into the running kernel. The modules of ringcross "
            f"are not signed: {module_signing.ADVICE}",
        )
    else:
        yield Finding("unsigned modules", "ok", "the running kernel does not refuse them")


def _running_config() -> Path:
    return Path("/boot") / f"config-{platform.release()}"


def _knobs() -> Iterator[Finding]:
    """Check the knobs of this machine; see :mod:`bench.host.knobs`."""
    # Without the knob that reads the .config: it concerns the kernel under test.
    checked = [knob for knob in knobs.every() if knob.paths != (knobs.CONFIG,)]
    files = knobs.read(checked)
    for knob in checked:
        report = knobs.show(knob, files, here=True)
        state: State = "note" if report.state == "poor" else "ok"
        yield Finding(knob.name, state, report.found, report.warning, group="time")


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    _packages,
    _python,
    _disk,
    _kernels,
    _headers,
    _module_signing,
    _knobs,
)


def examine(*more: Finding) -> Iterator[Finding]:
    """Run all checks on this machine and yield their findings, in the order of :data:`GROUPS`.

    Args:
        more: findings of checks that are made elsewhere.
    """
    findings = [finding for check in CHECKS for finding in check()] + list(more)
    for group in GROUPS:
        yield from (finding for finding in findings if finding.group == group)


def install_command(findings: Iterable[Finding]) -> str:
    """Return one command that installs the missing system packages; empty if none is missing."""
    manager = packages.manager(packages.LIST.read_text(encoding="utf-8"))
    return manager.install(finding.package for finding in findings if finding.package)
