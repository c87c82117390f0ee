# SPDX-License-Identifier: GPL-2.0-only
"""Read and write apt's package sources."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from bench import child

Fields = dict[str, str]
"""One deb822 stanza of a sources file or of apt's output: values by field name."""


def system_sources() -> list[Fields]:
    """Return the system's enabled package sources, one stanza each."""
    shell = ("apt-config", "shell", "L", "Dir::Etc::sourcelist/f", "P", "Dir::Etc::sourceparts/d")
    if shutil.which(shell[0]) is None:
        return []
    text = child.run(shell).stdout
    paths = dict(re.findall(r"^(\w)='(.*)'$", text, re.MULTILINE))
    files = [Path(paths["L"])] if "L" in paths else []
    if "P" in paths:
        parts = Path(paths["P"])
        files += sorted([*parts.glob("*.list"), *parts.glob("*.sources")])
    return [stanza for file in files if file.is_file() for stanza in _read_sources(file)]


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
