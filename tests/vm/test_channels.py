# SPDX-License-Identifier: GPL-2.0-only
"""Every channel on a booted kernel: validation, limits, and the lifecycle of its module."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from bench.targets.kernel_log import complaints
from tests.vm import machine
from tests.vm.conftest import Trial, variants
from tests.vm.machine import Operation

pytestmark = pytest.mark.vm


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "operation" in metafunc.fixturenames:
        operations = machine.operations()
        metafunc.parametrize("operation", operations, ids=[op.name for op in operations])
    if "channel" in metafunc.fixturenames:
        metafunc.parametrize("channel", [c["name"] for c in machine.channels()])


@pytest.mark.contract
def test_messages_arrive_intact(trial: Trial, operation: Operation) -> None:
    """The agent validates each cell before it times it, and counts the messages."""
    machine.skip_lacking(
        operation.channel, operation.mode, trial.cells[operation, *variants(operation)[0]]
    )
    tried = 0
    for size, context in variants(operation):
        answer = trial.cells[operation, size, context]
        if answer["status"] == "skip":
            assert context != "default", answer["reason"]
            assert re.search(
                "cannot emit from|cannot emit events while another one spins", answer["reason"]
            )
            continue
        assert answer["status"] == "ok", f"{size} B, {context}: {answer['reason']}"
        assert answer["validation"]["messages"] > 0
        assert answer["validation"]["bad"] == 0
        assert len(answer["rounds"]) == 3
        assert all(total > 0 for total in answer["rounds"])
        tried += 1
    assert tried


@pytest.mark.contract
def test_kernel_half_counted_what_the_user_half_did(trial: Trial, operation: Operation) -> None:
    answer = trial.cells[operation, *variants(operation)[0]]
    machine.skip_lacking(operation.channel, operation.mode, answer)
    validation = answer["validation"]
    if not operation.baseline and operation.operation in ("push", "call"):
        assert validation["consumed"] == validation["messages"]
    if not operation.baseline and operation.operation == "pull":
        assert validation["made"] >= validation["messages"]


def test_what_has_no_kernel_half_starts_from_a_process_alone(trial: Trial) -> None:
    """The events of a reference come from its peer, and a process is not an interrupt."""
    references = {c["name"] for c in machine.listing()["channels"] if c["reference"]}
    notify = [key for key in trial.cells if key[0].channel in references and key[2] != "default"]
    assert {key[0].channel for key in notify} == references
    for key in notify:
        assert trial.cells[key]["status"] == ("ok" if key[2] == "process" else "skip"), key


def test_what_makes_a_process_is_measured_in_few(trial: Trial) -> None:
    """An expensive operation has few repetitions, a cheap one has the usual number."""
    named = {operation.name: operation for operation in machine.operations()}
    expensive = trial.cells[named["umh-wait-notify"], 8, "default"]
    cheap = trial.cells[named["ioctl-indirect-push"], 8, "default"]
    assert (expensive["n"], expensive["validation"]["messages"]) == (3, 4)
    assert cheap["n"] > 10
    assert cheap["validation"]["messages"] == 16


@pytest.mark.contract
def test_kernel_log_stays_clean(trial: Trial, operation: Operation) -> None:
    for variant in variants(operation):
        assert not complaints(trial.cells[operation, *variant]["log"])


@pytest.mark.contract
def test_module_lives_and_goes(trial: Trial, channel: str) -> None:
    """It is loaded and unloaded twice, and is not unloaded under a sleeping reader."""
    answer = trial.lifecycles[channel]
    assert answer["status"] == "ok", answer["reason"]
    assert not complaints(answer["log"])


@pytest.mark.contract
def test_size_above_the_limit_is_a_skip_with_the_limit_as_reason() -> None:
    narrowed = [op for op in machine.operations() if op.max < 1 << 20]
    if not narrowed:
        pytest.skip("No operation of these channels has a limit of its own.")
    requests = [machine.SETUP] + [
        machine.cell(op, op.max + 1, number) for number, op in enumerate(narrowed)
    ]
    answers = machine.boot(machine.machine(), requests)
    cells = [answer for answer in answers if answer["re"] == "cell"]
    assert len(cells) == len(narrowed)
    for operation, answer in zip(narrowed, cells, strict=True):
        assert answer["status"] == "skip", operation.name
        assert answer["reason"].endswith("."), operation.name


@pytest.mark.contract
def test_machine_without_a_channels_boot_words_is_a_skip() -> None:
    """If the mode requires the words, the reason names the first missing one."""
    boot_words = {channel["name"]: channel["boot"] for channel in machine.listing()["channels"]}
    booted = [op for op in machine.operations() if boot_words[op.channel]]
    if not booted:
        pytest.skip("None of these channels needs words on the kernel's command line.")
    requests = [machine.SETUP] + [
        machine.cell(op, op.min, number) for number, op in enumerate(booted)
    ]
    answers = machine.boot(replace(machine.machine(), append=()), requests)
    cells = [answer for answer in answers if answer["re"] == "cell"]
    for operation, answer in zip(booted, cells, strict=True):
        if answer["status"] == "ok" and operation.channel != "devmem":
            continue  # modparam's words are for a mode that has no operations
        assert answer["status"] == "skip", answer["reason"]
        assert boot_words[operation.channel][0] in answer["reason"]
