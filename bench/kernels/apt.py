# SPDX-License-Identifier: GPL-2.0-only
"""Run apt without root, with a private state and cache and the system's sources.

Nothing is installed. The system's apt configuration determines the hosts that packages come from.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import child
from bench.errors import TargetError, check_room, writing
from bench.kernels.sources import Fields, format_stanzas, parse_stanzas


@dataclass(frozen=True)
class Package:
    """One version of one package, from the package index.

    Attributes:
        depends: pairs of package name and required exact version; ``None`` if any version fits.
        size: bytes to download.
    """

    name: str
    version: str
    depends: tuple[tuple[str, str | None], ...]
    size: int


class Apt:
    """apt with a private state.

    Args:
        state: directory for the indexes; it is kept between calls.
        sources: stanzas to use; ``None`` for the system's sources, unchanged.
    """

    def __init__(self, state: Path, sources: Sequence[Fields] | None = None) -> None:
        self._state = state
        self._sources = sources

    def update(self) -> list[str]:
        """Fetch the package indexes.

        Returns:
            apt's message for each source that it cannot read. The other sources are usable.

        Raises:
            TargetError: apt is missing, or reads none of its sources.
        """
        self._prepare()
        # Short: several suites may be read one after another, and there may be no network.
        patience = ("-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=20")
        result = self._start("apt-get", *patience, "update")
        problems = _errors(result.stderr)
        if not re.search(r"^(Get|Hit):", result.stdout, re.MULTILINE):
            raise _failure("apt-get update", problems)
        return problems

    def names(self, prefix: str) -> list[str]:
        """Return the names of all packages in the indexes that start with *prefix*."""
        return self._run("apt-cache", "pkgnames", prefix, check=False).split()

    def packages(self, *names: str) -> list[Package]:
        """Return all versions of the packages *names* in the indexes, each newest first."""
        text = self._run("apt-cache", "show", *names, check=False) if names else ""
        return [_package(fields) for fields in parse_stanzas(text) if "Version" in fields]

    def download(self, packages: Iterable[Package], into: Path) -> list[Path]:
        """Download *packages* into the directory *into*; skip those that are complete there.

        Returns:
            The package files, in the order of *packages*.

        Raises:
            TargetError: a package cannot be fetched.
        """
        with writing("downloaded packages"):
            into.mkdir(parents=True, exist_ok=True)
        packages = list(packages)
        missing = [p for p in packages if _deb(into, p) is None]
        if missing:
            names = [f"{p.name}={p.version}" for p in missing]
            self._run("apt-get", "download", *names, cwd=into)
        return [_downloaded_deb(into, p) for p in packages]

    def _prepare(self) -> None:
        with writing("apt's indexes"):
            for folder in ("lists/partial", "cache/archives/partial"):
                (self._state / folder).mkdir(parents=True, exist_ok=True)
            (self._state / "status").touch()
            if self._sources is not None:
                (self._state / "ringcross.sources").write_text(format_stanzas(self._sources))

    def _options(self) -> list[str]:
        state = self._state
        settings = {
            "Dir::State": state,
            "Dir::State::lists": state / "lists",
            # An empty file: the packages installed on the host must not affect what is fetched.
            "Dir::State::status": state / "status",
            "Dir::Cache": state / "cache",
            # Some containers switch these files off, and each apt-cache then reads all indexes.
            "Dir::Cache::pkgcache": "pkgcache.bin",
            "Dir::Cache::srcpkgcache": "srcpkgcache.bin",
            # As root, apt would switch to a user that cannot enter a private cache.
            "APT::Sandbox::User": "root",
            "Acquire::Retries": 3,
            "Acquire::http::Timeout": 60,
        }
        if self._sources is not None:
            settings["Dir::Etc::sourcelist"] = state / "ringcross.sources"
            settings["Dir::Etc::sourceparts"] = "-"
        return [part for key, value in settings.items() for part in ("-o", f"{key}={value}")]

    def _run(self, tool: str, *args: str, cwd: Path | None = None, check: bool = True) -> str:
        result = self._start(tool, *args, cwd=cwd)
        if check and result.returncode:
            raise _failure(f"{tool} {args[0]}", _errors(result.stderr))
        return result.stdout

    def _start(
        self, tool: str, *args: str, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        if shutil.which(tool) is None:
            raise TargetError(
                f"{tool} is missing, and kernels are fetched through apt: use --kernel running, or "
                "--kernel with the path of a build tree."
            )
        result = child.run([tool, *self._options(), *args], cwd=cwd, locale="C.UTF-8")
        if result.returncode:
            check_room(result.stderr, "downloaded packages")
        return result


def _package(fields: Fields) -> Package:
    depends = []
    for dependency in re.split(r"[,|]", fields.get("Depends", "")):
        match = re.match(r"\s*([a-z0-9+.-]+)(?::\w+)?\s*(?:\(=\s*([^)\s]+)\s*\))?", dependency)
        if match:
            depends.append((match[1], match[2]))
    size = int(fields.get("Size", "0"))
    return Package(fields["Package"], fields["Version"], tuple(depends), size)


def _deb(folder: Path, package: Package) -> Path | None:
    version = package.version.replace(":", "%3a")
    for file in folder.glob(f"{package.name}_{version}_*.deb"):
        if file.stat().st_size == package.size:
            return file
    return None


def _downloaded_deb(folder: Path, package: Package) -> Path:
    deb = _deb(folder, package)
    if deb is None:
        raise TargetError(f"apt did not download {package.name} {package.version}: run again.")
    return deb


def _failure(what: str, errors: Sequence[str]) -> TargetError:
    first_error = errors[0] if errors else "no message"
    return TargetError(
        f"{what} failed ({first_error}): check the network and the system's apt sources, then run "
        "again."
    )


def _errors(stderr: str) -> list[str]:
    """Return apt's messages without their prefixes, those of errors before those of warnings."""
    lines = [line for line in stderr.splitlines() if "Some index files failed" not in line]
    found = [line[2:].strip() for kind in "EW" for line in lines if line.startswith(f"{kind}:")]
    return found or stderr.strip().splitlines()
