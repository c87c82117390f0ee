# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's command line, and the errors when QEMU is missing or fails; tests/vm boots machines."""

from __future__ import annotations

import lzma
import os
from dataclasses import replace
from pathlib import Path

import pytest

from bench.errors import AgentDied, NeverCameUp, TargetError
from bench.kernels.catalog import Kernel
from bench.targets import vm
from bench.targets.vm import VmTarget
from tests.bench.kernels.boot_image import ELF, boot_image

FAKE_QEMU = """#!/bin/sh
case "$*" in
--version) echo "QEMU emulator version 9.9.1 (Test)"; exit;;
"-cpu help") echo "Recognized CPUID flags: {flags}"; exit;;
esac
{then}
"""


def fake_qemu(folder: Path, then: str = "", flags: str = "erms fsrm") -> str:
    path = folder / "qemu"
    path.write_text(FAKE_QEMU.format(then=then, flags=flags))
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def target(tmp_path: Path) -> VmTarget:
    vmlinuz = tmp_path / "vmlinuz"
    vmlinuz.write_bytes(boot_image(lzma.compress(ELF)))
    agent = tmp_path / "ringcross_agent"
    agent.write_bytes(b"agent")
    root = tmp_path
    return VmTarget(Kernel("6.1.0-0-amd64", "6.1-1", vmlinuz, root, root, root, root), agent)


def options(target: VmTarget, qemu: str) -> dict[str, str]:
    """Return the options of the command line; the last value of an option that repeats."""
    path = Path("/x")
    words = target.command(qemu, kernel=path, initrd=path, console=path, answers=9, seed=5)
    return dict(zip(words, [*words[1:], ""], strict=True))


def test_a_comma_in_the_path_of_temporary_files(tmp_path: Path, target: VmTarget) -> None:
    """A single comma would end the value of QEMU's option."""
    path, console = Path("/x"), Path("/tmp/a,b/console")
    qemu = fake_qemu(tmp_path)
    words = target.command(qemu, kernel=path, initrd=path, console=console, answers=9, seed=5)
    assert "file,id=console,path=/tmp/a,,b/console" in words


def test_instructions_are_counted_and_nothing_comes_from_the_host(
    tmp_path: Path, target: VmTarget
) -> None:
    values = options(target, fake_qemu(tmp_path))
    assert values["-accel"] == "tcg"
    assert values["-icount"] == "shift=0,sleep=off,rr=record,rrfile=/dev/null"
    assert values["-cpu"] == "max,-erms,-fsrm"
    assert values["-M"] == "microvm,rtc=on,pit=on,pic=off", "QEMU 10 does not boot with pic=on"
    assert values["-seed"] == "5"
    assert values["-rtc"] == "base=2020-01-01T00:00:00,clock=vm"
    assert values["-smp"] == "1"
    assert int(values["-m"]) <= 512
    assert {"-nodefaults", "-no-user-config", "-no-reboot"} < set(values)


def test_flags_that_this_qemu_does_not_know_are_left_out(tmp_path: Path, target: VmTarget) -> None:
    assert options(target, fake_qemu(tmp_path, flags="erms"))["-cpu"] == "max,-erms"


def test_newer_string_instructions_are_left_out_where_qemu_has_them(
    tmp_path: Path, target: VmTarget
) -> None:
    """QEMU 10 has these flags; with them Linux 6.12 counted 11,862 instead of 8,354."""
    qemu = fake_qemu(tmp_path, flags="avx2 erms fsrc fsrm fsrs fzrm")
    assert options(target, qemu)["-cpu"] == "max,-erms,-fsrm,-fzrm,-fsrs,-fsrc"


@pytest.mark.parametrize(("accelerator", "cpu"), [("kvm", "host"), ("tcg", "max,-erms,-fsrm")])
def test_time_has_no_icount(
    tmp_path: Path, target: VmTarget, accelerator: vm.Accelerator, cpu: str
) -> None:
    timed = VmTarget(target.kernel, target.agent, clock="time", accelerator=accelerator)
    values = options(timed, fake_qemu(tmp_path))
    assert "-icount" not in values
    assert (values["-accel"], values["-cpu"]) == (accelerator, cpu)
    assert values["-M"] == "q35", "microvm cannot calibrate the TSC in real time"


def answer_options(target: VmTarget, folder: Path) -> tuple[list[str], list[str]]:
    """The devices that carry answers, and the words that tell the agent of them."""
    path = Path("/x")
    words = target.command(
        fake_qemu(folder), kernel=path, initrd=path, console=path, answers=9, seed=5
    )
    devices = [words[n + 1] for n, word in enumerate(words) if word == "-device"]
    sent = words.count("file,id=port,path=/dev/fd/9") + words.count("file,id=serial,path=/dev/fd/9")
    assert sent == 1
    told = [word for word in target.kernel_command_line().split() if "ANSWERS" in word]
    return devices, told


def test_counted_answers_go_through_the_debug_console(tmp_path: Path, target: VmTarget) -> None:
    """It stops the clock; the agent uses it without being told, so no count changes."""
    devices, told = answer_options(target, tmp_path)
    assert devices == ["isa-serial,chardev=console", "isa-debugcon,iobase=0xe9,chardev=port"]
    assert told == []


@pytest.mark.parametrize("accelerator", ["kvm", "tcg"])
def test_timed_answers_need_no_io_permission(
    tmp_path: Path, target: VmTarget, accelerator: vm.Accelerator
) -> None:
    devices, told = answer_options(replace(target, clock="time", accelerator=accelerator), tmp_path)
    assert devices == [
        "isa-serial,chardev=console",
        "virtio-serial-pci,ioeventfd=off",
        "virtserialport,name=ringcross.answers,chardev=virtio",
        "isa-serial,chardev=serial",
    ]
    assert told == ["RINGCROSS_ANSWERS=virtio:ringcross.answers,serial:/dev/ttyS1"]


def test_a_locked_down_kernel_refuses_the_debug_console(tmp_path: Path, target: VmTarget) -> None:
    by_word = replace(target, append=("lockdown=integrity",))
    config = tmp_path / "config"
    config.write_text("CONFIG_LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY=y\n")
    by_config = replace(target, kernel=replace(target.kernel, config=config))
    for locked in (by_word, by_config):
        devices, told = answer_options(locked, tmp_path)
        assert devices[1:] == ["isa-serial,chardev=serial"]
        assert told == ["RINGCROSS_ANSWERS=serial:/dev/ttyS1"]
    config.write_text("CONFIG_LOCK_DOWN_KERNEL_FORCE_NONE=y\n")
    assert answer_options(by_config, tmp_path)[1] == []


def test_drivers_of_the_answers_are_packed_where_the_kernel_has_them(
    tmp_path: Path, target: VmTarget
) -> None:
    timed = replace(target, clock="time", accelerator="tcg")
    assert timed._answer_modules() == ()
    (tmp_path / "modules.builtin").write_text("kernel/drivers/virtio/virtio_pci.ko\n")
    (tmp_path / "kernel").mkdir()
    (tmp_path / "kernel/virtio_console.ko.xz").touch()
    assert timed._answer_modules() == ("virtio_pci", "virtio_console")
    assert target._answer_modules() == ()


def test_several_cpus(tmp_path: Path, target: VmTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a topology, QEMU 5 makes sockets of the CPUs, and QEMU 7 makes cores."""
    monkeypatch.setattr(vm, "qemu_version", lambda _qemu: "1")
    several = replace(target, clock="time", accelerator="kvm", cpus=4)
    values = options(several, fake_qemu(tmp_path))
    assert (values["-smp"], values["-m"]) == ("4,sockets=1,cores=4,threads=1", "352")
    info = several._describe(["qemu"], 1)
    assert (info["cpus"], info["memory_mb"]) == (4, 352)
    assert info["topology"] == "sockets=1,cores=4,threads=1"
    siblings = replace(several, topology="sockets=2,cores=1,threads=2")
    assert options(siblings, fake_qemu(tmp_path))["-smp"] == "4,sockets=2,cores=1,threads=2"
    assert target._describe(["qemu"], 1)["topology"] == ""


def test_words_for_the_kernel(target: VmTarget) -> None:
    appended = VmTarget(target.kernel, target.agent, append=("mitigations=off", "a=b"))
    assert appended.kernel_command_line().endswith(" mitigations=off a=b")
    assert {"panic=-1", "nokaslr", "norandmaps"} < set(appended.kernel_command_line().split())


def test_times_are_of_many_layouts(target: VmTarget) -> None:
    timed = VmTarget(target.kernel, target.agent, clock="time", accelerator="kvm")
    assert not {"nokaslr", "norandmaps"} & set(timed.kernel_command_line().split())


def test_qemu_missing(monkeypatch: pytest.MonkeyPatch, target: VmTarget) -> None:
    monkeypatch.setenv("RINGCROSS_QEMU", "no-such-qemu")
    with pytest.raises(TargetError, match=r"QEMU is missing \(no-such-qemu\): install the package"):
        target.start([], seed=1)


def test_qemu_that_does_not_run(tmp_path: Path) -> None:
    qemu = tmp_path / "qemu"
    qemu.write_text("#!/bin/sh\necho 'library not found' >&2; exit 127\n")
    qemu.chmod(0o755)
    with pytest.raises(TargetError, match=r"does not run \(library not found\)"):
        vm.qemu_version(str(qemu))


def test_qemu_refuses_its_options(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, target: VmTarget
) -> None:
    qemu = fake_qemu(tmp_path, "echo 'qemu: unsupported machine type' >&2; exit 1")
    monkeypatch.setenv("RINGCROSS_QEMU", qemu)
    with (
        target.start([], seed=1) as session,
        pytest.raises(NeverCameUp, match=r"could not be started \(qemu: unsupported machine"),
    ):
        list(session.answers())


def test_answers_and_description(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, target: VmTarget
) -> None:
    """The guest sends its answers to the file descriptor that the command line names."""
    then = """
for word; do case "$word" in
*path=/dev/fd/*) echo '{"re": "hello"}' > "${word##*path=}";;
*id=console*) echo 'on the console' > "${word##*path=}";;
esac; done
"""
    monkeypatch.setenv("RINGCROSS_QEMU", fake_qemu(tmp_path, then))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with target.start([{"do": "setup"}], seed=7) as session:
        answers = session.answers()
        assert next(answers) == {"re": "hello"}
        with pytest.raises(AgentDied):
            next(answers)
        assert len(list(tmp_path.glob("ringcross-vm-*"))) == 1
    assert list(tmp_path.glob("ringcross-vm-*")) == []
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    assert session.kernel_log() == "on the console\n"
    info = session.describe()
    assert info["qemu"] == "9.9.1"
    assert (info["accelerator"], info["clock"], info["forced"]) == ("icount", "instructions", False)
    assert (info["kernel"], info["kernel_package"]) == ("6.1.0-0-amd64", "6.1-1")
    assert (info["memory_mb"], info["seed"]) == (256, 7)
    assert "-icount shift=0,sleep=off" in info["command_line"]


def test_nothing_is_left_when_packing_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, target: VmTarget
) -> None:
    monkeypatch.setenv("RINGCROSS_QEMU", fake_qemu(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    target.agent.unlink()
    with pytest.raises(TargetError, match="The agent is missing"):
        target.start([], seed=1)
    assert list(tmp_path.glob("ringcross-vm-*")) == []


def test_a_forced_clock_is_told(target: VmTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vm, "qemu_version", lambda _qemu: "1")
    forced = VmTarget(target.kernel, target.agent, clock="time", accelerator="tcg")
    assert forced._describe(["qemu"], 1)["forced"] is True
    real = VmTarget(target.kernel, target.agent, clock="time", accelerator="kvm")
    assert real._describe(["qemu"], 1)["forced"] is False
