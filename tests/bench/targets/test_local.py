# SPDX-License-Identifier: GPL-2.0-only
"""The local target asks before it loads modules, and takes them out on every way out."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from bench.errors import AgentDied, UsageError
from bench.targets import local
from bench.targets.base import Deadlines
from bench.targets.local import LocalTarget
from bench.targets.protocol import Answer

AGENT = """#!/bin/sh
# --in FILE --out FILE --loaded FILE
if test -f "$0.record"; then cp "$0.record" "$6"; fi
echo '{"re": "hello"}' > "$4"
cat "$2" > "$4"
%s
"""


class FakeKernel:
    """Stands for the running kernel's modules; some use ringcross_core."""

    USERS = frozenset({"ringcross_null", "ringcross_ioctl", "ringcross_user"})

    def __init__(self, *modules: str) -> None:
        self.modules = list(modules)
        self.removed: list[str] = []

    def loaded(self) -> set[str]:
        return set(self.modules)

    def rmmod(self, name: str) -> None:
        if name != "ringcross_core" or self.USERS.isdisjoint(self.modules):
            self.modules.remove(name)
            self.removed.append(name)


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


def test_a_request_that_cannot_be_written_leaves_no_folder(
    tmp_path: Path, kernel: FakeKernel
) -> None:
    target = LocalTarget(agent(tmp_path), needs_modules=False)
    with pytest.raises(TypeError):
        target.start([{"do": object()}], seed=1)
    assert list(tmp_path.glob("ringcross-local-*")) == []


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


def record(folder: Path, *slots: bytes) -> Path:
    """What the agent in *folder* records as loaded: these slots, and free ones."""
    path = folder / "ringcross_agent.record"
    path.write_bytes(b"".join(slot.ljust(64, b"\0") for slot in slots).ljust(4096, b"\0"))
    return path


OURS = (b"ringcross_core", b"evdev", b"ringcross_ioctl", b"ringcross_null")
ENDS = ['echo \'{"re": "end"}\' > "$4"', "exit 1", "kill -9 $$"]


@pytest.mark.parametrize("then", ENDS, ids=["end", "error", "killed"])
def test_recorded_modules_go_and_no_others(
    tmp_path: Path, kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    """Also one of the kernel's own that the run has loaded; not one that is merely named alike."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    record(tmp_path, *OURS)
    kernel.modules = ["rc_core", "ringcross_foreign", "ringcross_core", "evdev", "ringcross_ioctl"]
    target = LocalTarget(agent(tmp_path, then), yes_load_modules=True)
    with (
        target.start([], seed=1) as session,
        pytest.raises(AgentDied) if then in ENDS[1:] else contextlib.nullcontext(),
    ):
        list(session.answers())
    assert kernel.modules == ["rc_core", "ringcross_foreign"]
    assert kernel.removed == ["ringcross_ioctl", "evdev", "ringcross_core"], "the last loaded first"


def interrupted(_answer: Answer) -> None:
    raise KeyboardInterrupt


def test_recorded_modules_go_on_ctrl_c(
    tmp_path: Path, kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    record(tmp_path, b"ringcross_core", b"ringcross_null")
    kernel.modules = ["ringcross_core", "ringcross_null", "rc_core"]
    target = LocalTarget(agent(tmp_path, "sleep 60"), yes_load_modules=True)
    with pytest.raises(KeyboardInterrupt), target.start([], seed=1) as session:
        interrupted(next(session.answers()))
    assert kernel.modules == ["rc_core"]


def test_a_free_slot_of_the_record_is_no_module(tmp_path: Path) -> None:
    """An unloaded module's slot begins with a zero and still has the rest of the name."""
    written = record(tmp_path, b"ringcross_core", b"\0ingcross_null", b"x" * 63, b"", b"evdev")
    assert local.recorded(written) == ["ringcross_core", "x" * 63, "evdev"]
    written.write_bytes(b"")
    assert local.recorded(written) == []
    assert local.recorded(tmp_path / "none") == []


def test_busy_modules_are_told(
    tmp_path: Path,
    kernel: FakeKernel,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    kernel.modules = ["ringcross_core", "ringcross_user", "ringcross_null"]
    assert local.unload(["ringcross_core", "ringcross_null"], seconds=0.2) == ["ringcross_core"]
    record(tmp_path, b"ringcross_core")
    monkeypatch.setattr(local, "UNLOAD_SECONDS", 0.2)
    with LocalTarget(agent(tmp_path), needs_modules=False).start([], seed=1) as session:
        list(session.answers())
    assert "unload them later (rmmod ringcross_core)" in capsys.readouterr().err


def test_modules_in_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = tmp_path / "modules"
    listing.write_text(
        "ringcross_core 1 1 ringcross_null, Live 0x0\nringcross_null 1 0 - Live 0x0\nrcc 1 0 -\n"
    )
    monkeypatch.setattr(local, "PROC_MODULES", listing)
    assert local.loaded_modules() == {"ringcross_core", "ringcross_null", "rcc"}
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
