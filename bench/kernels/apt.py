# SPDX-License-Identifier: GPL-2.0-only
"""Run apt without root, with a private state and cache and the system's sources.

Nothing is installed. The system's apt configuration determines the hosts that packages come from.
Sources for another suite are that configuration with the name of the suite replaced.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import TargetError, check_room, writing

Fields = dict[str, str]
"""One deb822 stanza of a sources file or of apt's output: values by field name."""


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

    def update(self) -> None:
        """Fetch the package indexes.

        Raises:
            TargetError: apt is missing, or cannot reach its sources.
        """
        self._prepare()
        self._run("apt-get", "update", "--error-on=any")

    def packages(self, name: str) -> list[Package]:
        """Return all versions of package *name* in the indexes, newest first."""
        text = self._run("apt-cache", "show", name, check=False)
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
        if shutil.which(tool) is None:
            raise TargetError(
                f"{tool} is missing, and kernels are fetched through apt: use Debian or a "
                "derivative, or put the kernel into the cache by hand."
            )
        result = subprocess.run(
            [tool, *self._options(), *args],
            cwd=cwd,
            capture_output=True,
            text=True,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
        if check and result.returncode:
            check_room(result.stderr, "downloaded packages")
            raise TargetError(
                f"{tool} {args[0]} failed ({_first_error(result.stderr)}): "
                "check the network and the system's apt sources, then run again."
            )
        return result.stdout


def system_sources() -> list[Fields]:
    """Return the system's enabled package sources, one stanza each."""
    shell = ("apt-config", "shell", "L", "Dir::Etc::sourcelist/f", "P", "Dir::Etc::sourceparts/d")
    if shutil.which(shell[0]) is None:
        return []
    text = subprocess.run(shell, capture_output=True, text=True, check=True).stdout
    paths = dict(re.findall(r"^(\w)='(.*)'$", text, re.MULTILINE))
    files = [Path(paths["L"])] if "L" in paths else []
    if "P" in paths:
        parts = Path(paths["P"])
        files += sorted([*parts.glob("*.list"), *parts.glob("*.sources")])
    return [stanza for file in files if file.is_file() for stanza in _read_sources(file)]


def derive(stanzas: Iterable[Fields], suites: Mapping[str, str]) -> list[Fields]:
    """Return *stanzas* with suites replaced as in *suites*; other suites are left out."""
    derived = []
    for stanza in stanzas:
        replaced = [suites[s] for s in stanza.get("Suites", "").split() if s in suites]
        if replaced:
            derived.append({**stanza, "Types": "deb", "Suites": " ".join(replaced)})
    return derived


def parse_one_line(line: str) -> Fields | None:
    """Parse a line ``deb [options] uri suite component…``; return ``None`` for other lines."""
    match = re.match(r"deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)\s*([^#]*)", line.strip())
    if match is None:
        return None
    options, uri, suite, components = match.groups()
    fields = {"Types": "deb", "URIs": uri, "Suites": suite, "Components": components.strip()}
    names = {"signed-by": "Signed-By", "arch": "Architectures", "trusted": "Trusted"}
    for option in (options or "").split():
        key, _, value = option.partition("=")
        if key in names:
            fields[names[key]] = value.replace(",", " ")
    return fields


def parse_stanzas(text: str) -> list[Fields]:
    """Parse deb822 stanzas. Comments are left out; continuation lines are kept."""
    stanzas: list[Fields] = []
    fields: Fields = {}
    key = ""
    for line in [*text.splitlines(), ""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            if fields:
                stanzas.append(fields)
            fields = {}
        elif line[0] in " \t":
            fields[key] += "\n" + line
        else:
            key, _, value = line.partition(":")
            fields[key] = value.strip()
    return stanzas


def format_stanzas(stanzas: Iterable[Fields]) -> str:
    """Format stanzas as deb822 text, the inverse of :func:`parse_stanzas`."""
    return "\n".join(
        "".join(f"{key}: {value}\n" for key, value in stanza.items()) for stanza in stanzas
    )


def _read_sources(file: Path) -> list[Fields]:
    text = file.read_text(errors="replace")
    if file.suffix == ".sources":
        stanzas = parse_stanzas(text)
    else:
        stanzas = [s for s in map(parse_one_line, text.splitlines()) if s is not None]
    return [
        s
        for s in stanzas
        if "deb" in s.get("Types", "").split() and s.get("Enabled", "yes").lower() != "no"
    ]


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


def _first_error(stderr: str) -> str:
    lines = [line for line in stderr.splitlines() if line.startswith(("E:", "Err:"))]
    lines = lines or stderr.strip().splitlines() or ["no message"]
    return lines[0].removeprefix("E:").strip()
