# SPDX-License-Identifier: GPL-2.0-only
"""Other programs are started in an environment that does not depend on the user's shell."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest

from bench import child
from bench.kernels import build
from bench.kernels.catalog import Kernel
from bench.paths import ROOT

EXPORTED = {
    "ARCH": "arm64",
    "CC": "/no/such/cc",
    "CFLAGS": "-no-such-flag",
    "CONFIG_MODULES": "n",
    "CPATH": "/no/such/include",
    "CPPFLAGS": "-no-such-flag",
    "CROSS_COMPILE": "no-such-",
    "GNUMAKEFLAGS": "--no-such-option",
    "KBUILD_OUTPUT": "/no/such/folder",
    "KCFLAGS": "-no-such-flag",
    "LANG": "de_DE.ISO-8859-1",
    "LANGUAGE": "de",
    "LDFLAGS": "-no-such-flag",
    "LLVM": "1",
    "MAKEFILES": "/no/such/makefile",
    "MAKEFLAGS": "--no-such-option",
    "OUT": "/no/such/folder",
    "PYTHONHOME": "/no/such/python",
    "PYTHONPATH": "/no/such/python",
    "QEMU_AUDIO_DRV": "none",
    "V": "1",
    "W": "123",
}
"""Variables that people export for other projects."""

OWN = {"bench/commands/self_benchmark.py", "bench/commands/repeat.py"}
"""Files that start ringcross itself, which shall see what the user has set."""


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in EXPORTED.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("exported")
def test_a_child_sees_nothing_of_what_is_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    lines = child.run(["env"]).stdout.splitlines()
    given = dict(line.split("=", 1) for line in lines)
    assert not set(EXPORTED) & set(given)
    assert given["LC_ALL"] == "C"
    assert given["https_proxy"] == "http://proxy.example:3128", "the network needs it"


def test_programs_are_found_without_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PATH")
    assert shutil.which("env", path=child.search_path())
    assert child.run(["env"]).returncode == 0
    monkeypatch.setenv("PATH", "/opt/bin::/usr/bin")
    assert child.search_path().split(":")[:2] == ["/opt/bin", "/usr/bin"]
    assert "/usr/sbin" in child.search_path().split(":")


@pytest.mark.usefixtures("exported")
def test_builds_of_modules_are_not_led_astray(tmp_path: Path) -> None:
    headers, source = tmp_path / "headers", tmp_path / "modules"
    headers.mkdir()
    (source / "null").mkdir(parents=True)
    (source / "null/kernel.c").write_text("int rcx_null;\n")
    seen = " ".join(f"$({name})" for name in EXPORTED if name not in ("CC", "W", "KCFLAGS"))
    # As the kernel's makefile does, this one forgets LC_ALL; LANG then selects the language.
    (headers / "Makefile").write_text(
        f"unexport LC_ALL\nmodules:\n\t@echo 'seen: '{seen}\n"
        "\t$(CC) -c -o $(M)/ringcross_null.ko $(M)/null/kernel.c\n"
    )
    config = tmp_path / "config"
    config.write_text("")
    kernel = Kernel("6.1.0-0-amd64", "1", config, headers, config, tmp_path, tmp_path)
    assert list(build.build_modules(kernel, source, tmp_path / "build").iterdir())
    log = (tmp_path / "build/6.1.0-0-amd64/modules.log").read_text()
    # Make itself sets this one, from the options that ringcross gives it.
    (line,) = [line for line in log.splitlines() if line.startswith("seen:")]
    assert [word for word in line.split()[1:] if "no-such" in word or word in ("1", "arm64")] == []


@pytest.mark.usefixtures("exported")
def test_builds_of_the_agent_are_not_led_astray(tmp_path: Path) -> None:
    """The makefile of the agent, with one source file."""
    source = tmp_path / "checkout/bench/agent"
    (source / "protocol").mkdir(parents=True)
    shutil.copy(ROOT / "bench/agent/Makefile", source)
    (source / "protocol/main.c").write_text("int main(void) { return 0; }\n")
    assert build.build_agent(source, tmp_path / "build").exists()


def _starts(tree: ast.AST) -> list[ast.Call]:
    """The calls that start a process."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    names = ("subprocess.run", "subprocess.Popen", "subprocess.check_output", "os.system")
    return [call for call in calls if ast.unparse(call.func) in names]


def test_every_program_is_started_in_this_environment() -> None:
    files = [*(ROOT / "bench").rglob("*.py"), *(ROOT / "reports").rglob("*.py")]
    starts = {path: _starts(ast.parse(path.read_text(encoding="utf-8"))) for path in files}
    assert sum(map(len, starts.values())) > 3
    for path, calls in starts.items():
        if path.relative_to(ROOT).as_posix() in OWN:
            continue
        for call in calls:
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
            assert "environment(" in given.get("env", ""), f"{path}:{call.lineno}"
