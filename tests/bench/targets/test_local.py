"""The local target asks before it loads modules, and takes them out on every way out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.errors import AgentDied, UsageError
from bench.targets import local
from bench.targets.base import Deadlines
from bench.targets.local import LocalTarget

AGENT = """#!/bin/sh
# --in FILE --out FILE
echo '{"re": "hello"}' > "$4"
cat "$2" > "$4"
%s
"""


class FakeKernel:
    """Stands for the running kernel's list of modules; ringcross_core is in use by the others."""

    def __init__(self, *modules: str) -> None:
        self.modules = list(modules)

    def loaded(self) -> set[str]:
        return set(self.modules)

    def rmmod(self, name: str) -> bool:
        if name not in self.modules or (name == "ringcross_core" and len(self.modules) > 1):
            return False
        self.modules.remove(name)
        return True


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeKernel:
    fake = FakeKernel()
    monkeypatch.setattr(local, "loaded_modules", fake.loaded)
    monkeypatch.setattr(local, "_rmmod", fake.rmmod)
    monkeypatch.setattr(local, "KMSG", tmp_path / "no-kmsg")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return fake


def agent(folder: Path, then: str = 'echo \'{"re": "end"}\' > "$4"') -> Path:
    path = folder / "ringcross_agent"
    path.write_text(AGENT % then)
    path.chmod(0o755)
    return path


def test_needs_an_explicit_yes(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--target vm, .* or insist with --yes-load-modules"):
        LocalTarget(agent(tmp_path)).start([], seed=1)


def test_needs_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UsageError, match=r"needs root: use --target vm, or --channels syscall"):
        LocalTarget(agent(tmp_path), yes_load_modules=True).start([], seed=1)


def test_channels_without_modules_need_neither(
    tmp_path: Path, kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    target = LocalTarget(agent(tmp_path), needs_modules=False)
    with target.start([{"re": "echoed"}], seed=1) as session:
        assert [a["re"] for a in session.answers()] == ["hello", "echoed", "end"]
        assert session.describe()["target"] == "local"
        assert session.describe()["clock"] == "time"
    assert list(tmp_path.glob("ringcross-local-*")) == []
    assert not kernel.modules


@pytest.mark.parametrize("then", ["exit 1", "kill -9 $$"])
def test_modules_go_when_the_agent_died(
    tmp_path: Path, kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    kernel.modules = ["rcx_mine_before"]
    target = LocalTarget(agent(tmp_path, then), yes_load_modules=True)
    with target.start([], seed=1) as session:
        kernel.modules += ["ringcross_core", "ringcross_ioctl", "ringcross_null"]
        with pytest.raises(AgentDied):
            list(session.answers())
        kernel.modules.remove("rcx_mine_before")
    assert kernel.modules == []


def test_modules_go_on_ctrl_c(
    tmp_path: Path, kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    target = LocalTarget(agent(tmp_path, "sleep 60"), yes_load_modules=True)
    session = target.start([], seed=1)
    kernel.modules += ["ringcross_core", "ringcross_null"]
    with pytest.raises(KeyboardInterrupt), session:
        raise KeyboardInterrupt
    assert kernel.modules == []


def test_busy_modules_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_rmmod", lambda name: name != "rcx_busy")
    assert local.unload({"rcx_busy", "rcx_free"}, seconds=0.2) == {"rcx_busy"}


def test_only_our_modules_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = tmp_path / "modules"
    listing.write_text(
        "ringcross_core 1 1 ringcross_null, Live 0x0\nringcross_null 1 0 - Live 0x0\nrcc 1 0 -\n"
    )
    monkeypatch.setattr(local, "PROC_MODULES", listing)
    assert local.loaded_modules() == {"ringcross_core", "ringcross_null"}
    monkeypatch.setattr(local, "PROC_MODULES", tmp_path / "none")
    assert local.loaded_modules() == set()


def test_kernel_log_as_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe gives one record, the real device one after another."""
    record = tmp_path / "kmsg"
    record.touch()
    monkeypatch.setattr(local, "KMSG", record)
    log = local._KernelLog()
    record.write_text("4,1234,1500000,-;ioctl: a warning\n SUBSYSTEM=x\n")
    assert log.read() == "[    1.500000] ioctl: a warning\n"
    assert log.read() == "[    1.500000] ioctl: a warning\n"
    log.close()


def test_silent_agent(tmp_path: Path, kernel: FakeKernel) -> None:
    deadlines = Deadlines(boot=20, silence=0.6)
    target = LocalTarget(agent(tmp_path, "sleep 60"), needs_modules=False, deadlines=deadlines)
    with target.start([], seed=1) as session, pytest.raises(Exception, match="sent nothing for"):
        list(session.answers())
    assert not kernel.modules
