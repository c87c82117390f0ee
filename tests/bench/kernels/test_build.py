# SPDX-License-Identifier: GPL-2.0-only
"""Builds run once per change, and an error shows the first problem of the log.

The "kernel" in these tests is a short makefile that takes the place of kbuild.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from bench.errors import TargetError
from bench.kernels import build
from bench.kernels.catalog import Kernel
from bench.kernels.module_sources import AGENT
from bench.paths import ROOT

HEADERS = """\
objects := $(patsubst $(M)/%/kernel.c,$(M)/ringcross_%.ko,$(wildcard $(M)/*/kernel.c))
modules: $(objects)
$(M)/ringcross_%.ko: $(M)/%/kernel.c
\t@echo made $* >> $(M)/made
\t$(CC) -g -Wall -c -o $@ $<
"""

needs_compiler = pytest.mark.skipif(
    not all(map(shutil.which, ("make", "gcc", "strip"))), reason="no compiler is installed"
)


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    headers = tmp_path / "headers"
    headers.mkdir()
    (headers / "Makefile").write_text(HEADERS)
    config = tmp_path / "config"
    config.write_text('CONFIG_CC_VERSION_TEXT="gcc-0 (none) 0.0"\n')
    return Kernel("6.1.0-0-amd64", "1", config, headers, config, tmp_path, tmp_path)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    modules = tmp_path / "modules"
    for name in ("null", "ioctl"):
        (modules / name).mkdir(parents=True)
        (modules / name / "kernel.c").write_text(f"int rcx_{name};\n")
        for agent_file in AGENT:
            (modules / name / agent_file).write_text("not for the kernel\n")
    (modules / "Kbuild").write_text("# nothing\n")
    return modules


def build_steps(tmp_path: Path) -> list[str]:
    return (tmp_path / "build/6.1.0-0-amd64/modules/made").read_text().split("\n")[:-1]


@needs_compiler
def test_builds_once_per_change(tmp_path: Path, kernel: Kernel, source: Path) -> None:
    def run() -> list[str]:
        folder = build.build_modules(kernel, source, tmp_path / "build")
        return sorted(p.name for p in folder.iterdir())

    assert run() == ["ringcross_ioctl.ko", "ringcross_null.ko"]
    count = len(build_steps(tmp_path))
    for agent_file in AGENT:
        (source / "null" / agent_file).write_text("changed\n")
    assert run() == ["ringcross_ioctl.ko", "ringcross_null.ko"]
    assert len(build_steps(tmp_path)) == count, "a module has no file of the agent"
    (source / "null/kernel.c").write_text("int changed;\n")
    run()
    assert build_steps(tmp_path)[count:].count("made null") == 1
    shutil.rmtree(source / "ioctl")
    assert run() == ["ringcross_null.ko"]
    assert not list(source.rglob("*.ko")), "nothing is built in the source tree"


@needs_compiler
def test_a_clock_that_was_set_back(tmp_path: Path, kernel: Kernel, source: Path) -> None:
    """What was built before seems to be newer than what changes now."""

    def build_both() -> list[bytes]:
        folder = build.build_modules(kernel, source, tmp_path / "build")
        agent = build.build_agent(agent_source, tmp_path / "build")
        return [(folder / "ringcross_null.ko").read_bytes(), agent.read_bytes()]

    agent_source = tmp_path / "agent"
    agent_source.mkdir()
    (agent_source / "main.c").write_text("int main(void) { return 0; }\n")
    (agent_source / "Makefile").write_text("$(OUT)/ringcross_agent: main.c\n\t$(CC) -g -o $@ $<\n")
    before = build_both()
    tomorrow = time.time() + 86400
    for path in [*(tmp_path / "build").rglob("*"), *source.rglob("*"), *agent_source.iterdir()]:
        os.utime(path, (tomorrow, tomorrow))
    assert build_both() == before
    (source / "null/kernel.c").write_text("int changed;\n")
    (agent_source / "main.c").write_text("int main(void) { return 1; }\n")
    after = build_both()
    assert after[0] != before[0]
    assert after[1] != before[1]


@needs_compiler
def test_modules_do_not_name_the_folder_they_were_built_in(
    tmp_path: Path, kernel: Kernel, source: Path
) -> None:
    code = "const char *where = __FILE__;\nint kept;\n"
    (source / "null/kernel.c").write_text(code)
    module = build.build_modules(kernel, source, tmp_path / "build") / "ringcross_null.ko"
    assert (
        str(tmp_path).encode() in (module.parent.parent / "modules/ringcross_null.ko").read_bytes()
    )
    assert b".debug_info" not in module.read_bytes()
    assert b"kept" in module.read_bytes()


@needs_compiler
@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("static int unused;\nint x;\n", "kernel.c:1:.* warning: .unused. defined but not used"),
        ("int x\n", "kernel.c:1:.* error: expected"),
    ],
)
def test_first_complaint_fails_the_strict_build(
    tmp_path: Path, kernel: Kernel, source: Path, code: str, message: str
) -> None:
    build.build_modules(kernel, source, tmp_path / "build")
    (source / "null/kernel.c").write_text(code)
    for _ in range(2):  # the second call must not take the failed build for a finished one
        with pytest.raises(TargetError, match=message) as caught:
            build.build_modules(kernel, source, tmp_path / "build")
    log = tmp_path / "build/6.1.0-0-amd64/modules.log"
    assert f"complete log: {log}" in str(caught.value)
    assert "kernel.c" in log.read_text()


@needs_compiler
def test_a_kernel_half_that_does_not_build_is_left_out(
    tmp_path: Path, kernel: Kernel, source: Path
) -> None:
    build.compile_modules(kernel, source, tmp_path / "build")
    (source / "ioctl/kernel.c").write_text("int rcx_ioctl\n")
    for _ in range(2):
        built = build.compile_modules(kernel, source, tmp_path / "build")
        assert [ko.name for ko in built.folder.iterdir()] == ["ringcross_null.ko"]
        assert list(built.failures) == ["ringcross_ioctl"]
        assert built.failures["ringcross_ioctl"].startswith("ioctl/kernel.c:1:")
        assert built.error_of("ringcross_ioctl")
        assert not built.error_of("ringcross_null")
    (source / "ioctl/kernel.c").write_text("int rcx_ioctl;\n")
    built = build.compile_modules(kernel, source, tmp_path / "build")
    assert len(list(built.folder.iterdir())) == 2
    assert not built.failures


@needs_compiler
def test_a_warning_takes_no_kernel_half_away(tmp_path: Path, kernel: Kernel, source: Path) -> None:
    (source / "ioctl/kernel.c").write_text("static int unused;\nint x;\n")
    for _ in range(2):
        built = build.compile_modules(kernel, source, tmp_path / "build")
        assert len(list(built.folder.iterdir())) == 2
        assert "warning: " in built.warning
        assert not built.failures
    # Other files change, and the one with the warning is not compiled for that reason.
    (source / "null/kernel.c").write_text("int changed;\n")
    with pytest.raises(TargetError, match=r"warning: .unused. defined but not used"):
        build.build_modules(kernel, source, tmp_path / "build")


@needs_compiler
def test_without_the_core_there_is_no_module(tmp_path: Path, kernel: Kernel, source: Path) -> None:
    (source / "core").mkdir()
    (source / "core/kernel.c").write_text("int rcx_core\n")
    built = build.compile_modules(kernel, source, tmp_path / "build")
    assert not list(built.folder.iterdir())
    assert "core/kernel.c:1:" in built.error_of("ringcross_null")
    assert list(built.failures) == [build.CORE]


@needs_compiler
def test_an_error_of_no_module_ends_the_build(tmp_path: Path, kernel: Kernel, source: Path) -> None:
    (kernel.headers / "Makefile").write_text("modules:\n\t@echo 'ERROR: no such header' && false\n")
    with pytest.raises(TargetError, match="The build of the modules failed: ERROR: no such header"):
        build.compile_modules(kernel, source, tmp_path / "build")


@needs_compiler
def test_repaired_build_works_again(tmp_path: Path, kernel: Kernel, source: Path) -> None:
    good = (source / "null/kernel.c").read_text()
    (source / "null/kernel.c").write_text("static int unused;\n")
    with pytest.raises(TargetError):
        build.build_modules(kernel, source, tmp_path / "build")
    (source / "null/kernel.c").write_text(good)
    assert (build.build_modules(kernel, source, tmp_path / "build") / "ringcross_null.ko").exists()


@needs_compiler
def test_no_modules_at_all(tmp_path: Path, kernel: Kernel) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(TargetError, match=r"created no ringcross_\*\.ko"):
        build.build_modules(kernel, tmp_path / "empty", tmp_path / "build")


@pytest.mark.parametrize("tool", ["make", "gcc"])
def test_missing_tool(
    tmp_path: Path, kernel: Kernel, monkeypatch: pytest.MonkeyPatch, tool: str
) -> None:
    installed = {"make", "gcc"} - {tool}
    monkeypatch.setattr(shutil, "which", lambda name: name if name in installed else None)
    with pytest.raises(TargetError, match=f"{tool} is missing: install the package"):
        build.module_command(kernel, tmp_path)


def test_command_for_newer_kernels(
    tmp_path: Path, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel.config.write_text(
        'CONFIG_CC_VERSION_TEXT="x86_64-linux-gnu-gcc-14 (Debian) 14.2.0"\n'
        "CONFIG_GCC_VERSION=140200\nCONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=y\n"
    )
    (kernel.headers / "vmlinux").touch()
    tools = {"make", "gcc", "gcc-14", "pahole"}
    monkeypatch.setattr(shutil, "which", lambda name: name if name in tools else None)
    monkeypatch.setattr(build, "_major", lambda compiler: 14 if compiler == "gcc-14" else 12)
    command = build.module_command(kernel, tmp_path)
    assert command[:3] == ["make", "-C", str(kernel.headers)]
    assert {f"M={tmp_path}", "W=1", "CC=gcc-14"} < set(command)
    assert command[-1] == "modules"
    assert "CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=" not in command
    assert "-Wno-attributes" not in command[-2]
    # Never BTF, which would need the pahole that fits this kernel.
    assert "CONFIG_DEBUG_INFO_BTF_MODULES=" in command
    tools -= {"gcc-14"}
    command = build.module_command(kernel, tmp_path)
    assert "CC=gcc" in command
    assert "CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=" in command
    assert command[-2] == f"KCFLAGS=-fmacro-prefix-map={tmp_path}/= -Wno-attributes"


@needs_compiler
def test_agent(tmp_path: Path) -> None:
    source = tmp_path / "agent"
    source.mkdir()
    (source / "main.c").write_text("int main(void) { return 0; }\n")
    (source / "Makefile").write_text(
        "$(OUT)/ringcross_agent: main.c\n\t@echo made >> $(OUT)/made\n\t$(CC) -g -o $@ $<\n"
    )
    folder = tmp_path / "build/agent"
    agent = build.build_agent(source, tmp_path / "build")
    assert agent.read_bytes().startswith(b"\x7fELF")
    assert b".debug_info" not in agent.read_bytes()
    assert build.build_agent(source, tmp_path / "build") == agent
    assert (folder / "made").read_text() == "made\n"
    (source / "main.c").write_text("int main(void) { return x; }\n")
    message = r"The build of the agent failed: main\.c:1:.*error.*log: "
    with pytest.raises(TargetError, match=message):
        build.build_agent(source, tmp_path / "build")


@needs_compiler
def test_a_removed_source_leaves_the_agent(tmp_path: Path) -> None:
    source = tmp_path / "checkout/bench/agent"
    (source / "protocol").mkdir(parents=True)
    shutil.copy(ROOT / "bench/agent/Makefile", source)
    (source / "protocol/main.c").write_text("int main(void) { return 0; }\n")
    removed = source / "protocol/channel.c"
    mark = b"a channel that is removed"
    removed.write_text(f'__attribute__((used)) const char mark[] = "{mark.decode()}";\n')
    assert mark in build.build_agent(source, tmp_path / "build").read_bytes()
    removed.unlink()
    agent = build.build_agent(source, tmp_path / "build")
    assert mark not in agent.read_bytes()
    before = agent.stat().st_mtime_ns
    assert build.build_agent(source, tmp_path / "build").stat().st_mtime_ns == before
