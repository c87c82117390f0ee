# SPDX-License-Identifier: GPL-2.0-only
"""Rules that hold for every file of the repository."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import yaml

from bench.paths import ROOT

pytestmark = pytest.mark.contract

SPDX = "SPDX-License-Identifier: GPL-2.0-only"
COMMENTS = {
    ".c": "//",
    ".css": "/*",
    ".h": "/*",
    ".ini": "#",
    ".j2": "{#",
    ".js": "/*",
    ".py": "#",
    ".toml": "#",
    ".txt": "#",
    ".yaml": "#",
    ".yml": "#",
}
"""How the comment with the SPDX line begins, by a file's extension."""

FOREIGN_PATHS = [f"/{name}/" for name in ("work", "farm", "root")]
"""Folders of a developer's machine."""


def git(*words: str | Path, cwd: Path = ROOT, config: Path | None = None) -> bytes:
    """What git prints; without the user's configuration if there is another."""
    env = os.environ | ({"GIT_CONFIG_GLOBAL": str(config)} if config else {})
    done = subprocess.run(["git", *words], cwd=cwd, env=env, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@cache
def files() -> dict[Path, bytes]:
    """Every tracked file, from the root of the repository, and its content."""
    if not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("This copy of ringcross is not a git repository.")
    names = [Path(os.fsdecode(name)) for name in git("ls-files", "-z").split(b"\0") if name]
    return {name: (ROOT / name).read_bytes() for name in names if (ROOT / name).is_file()}


def texts() -> dict[Path, str]:
    """Every tracked text file, as git tells text from binary: without a NUL byte."""
    return {name: content.decode() for name, content in files().items() if b"\0" not in content}


def spdx_line(name: Path, text: str) -> str | None:
    """What the line with the licence of a file begins with; None where it needs no such line."""
    if name.suffix in COMMENTS:
        return f"{COMMENTS[name.suffix]} {SPDX}"
    is_script = text.startswith("#!") or name.name in ("Makefile", "Kbuild")
    return f"# {SPDX}" if is_script else None


def first_line(text: str) -> str:
    """The first line that is not the ``#!`` of a script."""
    lines = text.split("\n", 2)
    return lines[1] if text.startswith("#!") else lines[0]


def test_each_source_file_begins_with_its_licence() -> None:
    """In the first line, or in the second one after ``#!``; also where a file has no code."""
    wanted = {name: spdx_line(name, text) for name, text in texts().items()}
    assert sum(line is not None for line in wanted.values()) > 300
    assert not [
        f"{name}: {line}"
        for name, line in wanted.items()
        if line and not first_line(texts()[name]).startswith(line)
    ]


def test_text_ends_in_a_newline_and_lines_in_no_blank() -> None:
    for name, text in texts().items():
        assert not text or text.endswith("\n"), name
        assert not [line for line in text.split("\n") if line != line.rstrip()], name


def test_no_path_of_a_developers_machine() -> None:
    for name, text in texts().items():
        assert not [path for path in FOREIGN_PATHS if path in text], name


def test_data_files_can_be_read() -> None:
    parsers: dict[str, Callable[[str], object]] = {
        ".cff": yaml.safe_load,
        ".json": json.loads,
        ".toml": tomllib.loads,
        ".yaml": yaml.safe_load,
        ".yml": yaml.safe_load,
    }
    data = {name: text for name, text in texts().items() if name.suffix in parsers}
    assert Path("pyproject.toml") in data
    for name, text in data.items():
        assert parsers[name.suffix](text), name


def test_what_begins_as_a_script_can_be_executed() -> None:
    """And nothing else, by the mode that git records."""
    content_of = files()  # skips the test in a copy that is not a git repository
    entries = [entry.split(b"\t") for entry in git("ls-files", "-sz").split(b"\0") if entry]
    executable = {Path(os.fsdecode(name)) for mode, name in entries if mode.startswith(b"100755")}
    assert executable == {name for name, content in content_of.items() if content.startswith(b"#!")}


def test_a_clone_with_autocrlf_has_no_carriage_returns(tmp_path: Path) -> None:
    """As made by Git for Windows: CRLF in a script, a Makefile or a Kbuild breaks the build."""
    files()
    config = tmp_path / "gitconfig"
    config.write_text("[safe]\n\tdirectory = *\n")
    clone = tmp_path / "clone"
    git("clone", "-q", "--no-hardlinks", "-c", "core.autocrlf=true", ROOT, clone, config=config)
    for name in git("ls-files", "-z", cwd=clone, config=config).split(b"\0")[:-1]:
        path = clone / os.fsdecode(name)
        content = path.read_bytes()
        assert b"\0" in content or b"\r" not in content, path
        assert bool(path.stat().st_mode & 0o100) == content.startswith(b"#!"), path
    assert not git("status", "--porcelain", cwd=clone, config=config)
