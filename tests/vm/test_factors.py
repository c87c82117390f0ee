# SPDX-License-Identifier: GPL-2.0-only
"""Each factor on a booted kernel: every value that the listing offers is measured, with effect."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bench.targets.kernel_log import complaints
from tests.vm import machine
from tests.vm.machine import Answer, Operation

pytestmark = [pytest.mark.vm, pytest.mark.contract]

OPERATIONS = machine.operations()
REQUESTED = [op for op in OPERATIONS if op.operation in ("push", "pull", "call")]
KERNEL_INITIATED = [op for op in OPERATIONS if op.operation in ("notify", "stream")]
UPCALLS = [op for op in OPERATIONS if op.operation == "upcall"]
DUMPS = [op for op in OPERATIONS if op.operation == "dump"]
STREAMS = [op for op in KERNEL_INITIATED if op.operation == "stream"]
THREADS = (1, 2, 4)
WAITS = ("block", "poll", "busy")
RECORDS = (1, 16)
IN_MEMORY = {"ring"}
"""Channels whose blocking call only waits: the message is in memory, also after a poll()."""
CONTEXTS = ("process", "softirq", "hardirq")
BURSTS = (1, 16)
EXPENSIVE_VALIDATION = 4  # messages of the validation pass of an expensive operation
INTERVAL = 40_000  # nanoseconds between bursts: enough to read each one

Key = tuple[Operation, str, Any]


def waits(operation: Operation) -> list[str]:
    found: list[str] = machine.mode_of(operation.channel, operation.mode)["operations"][
        operation.operation
    ]["waits"]
    return found


def variants() -> dict[Key, dict[str, Any]]:
    """Each value of each factor, with the other factors at their defaults."""
    found: dict[Key, dict[str, Any]] = {}
    for op in REQUESTED:
        found |= {(op, "threads", value): {"threads": value} for value in THREADS}
    for op in KERNEL_INITIATED:
        rate = {"interval": INTERVAL} if op.operation == "stream" else {}
        found |= {(op, "wait", value): {"wait": value, **rate} for value in WAITS}
    for op in UPCALLS:
        found |= {(op, "wait", value): {"wait": value} for value in WAITS}
    for op in DUMPS:
        found |= {(op, "records", value): {"records": value} for value in RECORDS}
    for op in STREAMS:
        for context in CONTEXTS:
            found[op, "context", context] = {"context": context, "interval": INTERVAL}
        for burst in BURSTS:
            found[op, "burst", burst] = {"burst": burst, "interval": burst * INTERVAL}
    return found


@pytest.fixture(scope="module")
def answers() -> dict[Key, Answer]:
    """The answers for all :func:`variants`, in one boot."""
    requested = variants()
    requests = [
        machine.cell(op, min(max(8, op.min), op.max), number, **more)
        for number, ((op, _, _), more) in enumerate(requested.items())
    ]
    replies = machine.boot(machine.machine(), [machine.SETUP, *requests])
    by_number = {answer["id"]: answer for answer in replies if answer["re"] == "cell"}
    return {key: by_number[number] for number, key in enumerate(requested)}


def cost(answer: Answer) -> float:
    """Instructions per operation: the median of the rounds."""
    counts = answer.get("delivered") or [answer["n"]] * len(answer["rounds"])
    each = [total / n for total, n in zip(answer["rounds"], counts, strict=True)]
    return float(np.median(each))


def ok(answers: dict[Key, Answer], operation: Operation, axis: str, value: Any) -> Answer:
    answer = answers[operation, axis, value]
    machine.skip_lacking(operation.channel, operation.mode, answer)
    assert answer["status"] == "ok", answer["reason"]
    return answer


def cannot_spin(answer: Answer) -> bool:
    """Whether the only emitter is a thread, which a spinning reader would starve on one CPU."""
    return bool(answer["reason"].startswith("A thread cannot emit events while another one spins"))


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda op: op.name)
def test_each_value_is_measured_or_has_a_reason(
    answers: dict[Key, Answer], operation: Operation
) -> None:
    """Each offered value is measured or skipped with a sentence as reason; none fails."""
    of_it = {key: answer for key, answer in answers.items() if key[0] == operation}
    assert of_it
    for (_, axis, value), answer in of_it.items():
        assert answer["status"] in {"ok", "skip"}, f"{axis} {value}: {answer['reason']}"
        assert not complaints(answer["log"])
        if answer["status"] == "skip":
            assert " " in answer["reason"], f"{axis} {value}"
            assert "context" in answer["reason"] or answer["reason"].endswith(".")
        else:
            assert "cpu" not in answer, "an instruction count includes both sides"


@pytest.mark.parametrize("operation", REQUESTED, ids=lambda op: op.name)
def test_each_thread_has_a_sequence_of_its_own(
    answers: dict[Key, Answer], operation: Operation
) -> None:
    """The kernel half has consumed the messages of all threads."""
    alone = ok(answers, operation, "threads", 1)
    for threads in THREADS[1:]:
        answer = answers[operation, "threads", threads]
        if machine.mode_of(operation.channel, operation.mode).get("single_threaded_reason"):
            assert (answer["status"], answer["reason"]) == (
                "skip",
                machine.mode_of(operation.channel, operation.mode)["single_threaded_reason"],
            )
            continue
        assert answer["status"] == "ok", answer["reason"]
        validation = answer["validation"]
        # An expensive operation has fewer messages, the same number in each thread.
        assert validation["messages"] in (
            threads * alone["validation"]["messages"],
            threads * EXPENSIVE_VALIDATION,
        )
        assert answer["n"] % threads == 0
        if operation.channel not in ("syscall",) and not operation.baseline:
            pushed = operation.operation != "pull"
            assert validation["consumed" if pushed else "made"] >= validation["messages"]
            assert validation["bad"] == 0


@pytest.mark.parametrize("operation", KERNEL_INITIATED + UPCALLS, ids=lambda op: op.name)
def test_a_wait_is_there_exactly_where_it_is_offered(
    answers: dict[Key, Answer], operation: Operation
) -> None:
    lacking = answers[operation, "wait", waits(operation)[0]]
    machine.skip_lacking(operation.channel, operation.mode, lacking)
    for wait in WAITS:
        answer = answers[operation, "wait", wait]
        offered = wait in waits(operation) and not cannot_spin(answer)
        assert (answer["status"] == "ok") == offered, answer["reason"]


@pytest.mark.parametrize(
    "operation",
    [op for op in KERNEL_INITIATED if op.operation == "notify" and len(waits(op)) > 1],
    ids=lambda op: op.name,
)
def test_poll_costs_a_call_more_and_spinning_saves_the_wake_up(
    answers: dict[Key, Answer], operation: Operation
) -> None:
    found = {
        wait: cost(ok(answers, operation, "wait", wait))
        for wait in waits(operation)
        if not cannot_spin(answers[operation, "wait", wait])
    }
    if "busy" in found and "poll" in found:
        assert found["busy"] < 0.8 * found["poll"]
    if "block" in found and "poll" in found and operation.channel not in IN_MEMORY:
        assert found["poll"] > found["block"] + 150  # no system call costs less


@pytest.mark.parametrize("operation", STREAMS, ids=lambda op: op.name)
def test_a_stream_comes_from_each_context(answers: dict[Key, Answer], operation: Operation) -> None:
    for context in CONTEXTS:
        answer = answers[operation, "context", context]
        if answer["status"] == "ok":
            assert answer["context"] == context
            assert sum(answer["delivered"]) + sum(answer["lost"]) == sum(answer["emitted"])


@pytest.mark.parametrize("operation", STREAMS, ids=lambda op: op.name)
def test_a_burst_comes_at_once(answers: dict[Key, Answer], operation: Operation) -> None:
    """The same rate in fewer bursts: a message waits for those before it in its burst."""
    one, many = (ok(answers, operation, "burst", burst) for burst in BURSTS)
    for answer, burst in zip((one, many), BURSTS, strict=True):
        assert all(emitted % burst == 0 for emitted in answer["emitted"])
        bursts = [emitted // burst for emitted in answer["emitted"]]
        for span, count in zip(answer["span"], bursts, strict=True):
            due = (count - 1) * burst * INTERVAL
            # A producer that waits until each message is processed may take longer.
            assert span == pytest.approx(due, rel=0.02) or min(cost(one), span / count) > INTERVAL
    held_back = np.median(one["samples"]) > INTERVAL  # by the channel, until a batch is full
    if not sum(many["lost"]) and not held_back:
        assert np.median(many["samples"]) > np.median(one["samples"])


@pytest.mark.parametrize(
    "reopen", [op for op in REQUESTED if op.mode == "reopen"], ids=lambda op: op.name
)
def test_to_open_for_each_operation_costs_two_calls_more(
    answers: dict[Key, Answer], reopen: Operation
) -> None:
    kept = [
        cost(ok(answers, op, "threads", 1))
        for op in REQUESTED
        if (op.channel, op.operation) == (reopen.channel, reopen.operation) and op != reopen
    ]
    assert kept
    assert cost(ok(answers, reopen, "threads", 1)) > min(kept) + 1000
