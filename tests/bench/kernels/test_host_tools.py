# SPDX-License-Identifier: GPL-2.0-only
"""Programs of a newer distribution run with its libraries."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from bench.errors import TargetError
from bench.kernels import host_tools

LOADER = Path("/lib64/ld-linux-x86-64.so.2")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An unpacked kernel with two programs; ``modpost`` needs a library that is nowhere."""
    tools = tmp_path / "new/usr/lib/linux-kbuild-9/scripts"
    tools.mkdir(parents=True)
    (tmp_path / "value.c").write_text("int value(void) { return 7; }\n")
    (tmp_path / "main.c").write_text(
        '#include <stdio.h>\nint value(void);\nint main(int n, char **words) { printf("%s %d\\n", '
        'n > 1 ? words[1] : "", value()); return 3; }\n'
    )
    library = tmp_path / "libvalue.so.1"
    gcc = ["gcc", "-o"]
    subprocess.run([*gcc, library, "-shared", "-fPIC", "-Wl,-soname,libvalue.so.1",
                    tmp_path / "value.c"], check=True)  # fmt: skip
    subprocess.run([*gcc, tools / "modpost", tmp_path / "main.c", library], check=True)
    shutil.copy(os.path.realpath("/bin/true"), tools / "fixdep")
    (tools / "script").write_text("#!/bin/sh\n")
    (tools / "script").chmod(0o755)
    return tmp_path / "new"


def unpack_libraries(root: Path, *more: Path) -> None:
    """Put the loader, the C library and *more* where the packages would be unpacked."""
    folder = root / host_tools.FOLDER / "usr/lib"
    folder.mkdir(parents=True)
    libc = subprocess.run(["gcc", "-print-file-name=libc.so.6"], capture_output=True, text=True)
    for file in (LOADER, Path(libc.stdout.strip()), *more):
        shutil.copy(os.path.realpath(file), folder / file.name)


def test_a_program_runs_with_other_libraries(root: Path, tmp_path: Path) -> None:
    found = {path.name: host_tools.runs(path) for path in host_tools.programs(root)}
    assert found == {"modpost": False, "fixdep": True}
    unpack_libraries(root, tmp_path / "libvalue.so.1")
    modpost = root / "usr/lib/linux-kbuild-9/scripts/modpost"
    final = tmp_path / "final place"
    host_tools.wrap(modpost, root, final)
    root.rename(final)
    result = subprocess.run(
        [final / modpost.relative_to(root), "a word"], capture_output=True, text=True
    )
    assert (result.stdout, result.returncode) == ("a word 7\n", 3)


def test_no_loader_for_a_program(root: Path, tmp_path: Path) -> None:
    modpost = next(p for p in host_tools.programs(root) if p.name == "modpost")
    with pytest.raises(TargetError, match="modpost of these headers cannot run on this machine"):
        host_tools.wrap(modpost, root, tmp_path)
    assert modpost.exists()


def test_a_program_for_an_unknown_loader_does_not_run(tmp_path: Path) -> None:
    program = tmp_path / "program"
    data = Path(os.path.realpath("/bin/true")).read_bytes()
    program.write_bytes(data.replace(b"/ld-linux-x86-64.so.2", b"/ld-linux-x86-64.so.9"))
    program.chmod(0o755)
    assert not host_tools.runs(program)
