# SPDX-License-Identifier: GPL-2.0-only
"""A PREEMPT_RT kernel: every emitter in every context delivers or is refused with a reason."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest

from bench.errors import RingcrossError
from bench.kernels import catalog
from bench.kernels.catalog import Kernel
from bench.targets import kernel_log
from tests.vm import machine
from tests.vm.conftest import CONTEXTS
from tests.vm.machine import Answer, Operation

pytestmark = [pytest.mark.vm, pytest.mark.slow]

REFUSED = (
    "This kernel is PREEMPT_RT: its spinlocks may sleep, so this channel cannot emit from a hard "
    "interrupt"
)
OTHERWISE_REFUSED = (
    r"(the kernel half|the peer) cannot emit from (softirq|hardirq) context"
    r"|A thread cannot emit events while another one spins on the only CPU\."
)

Key = tuple[Operation, str]


@pytest.fixture(scope="module")
def realtime() -> Kernel:
    """The PREEMPT_RT flavour of the kernel under test; fetched once."""
    release = re.sub(r"-amd64$", "-rt-amd64", machine.stock().release)
    try:
        return catalog.find(release)
    except RingcrossError as error:
        pytest.fail(f"the PREEMPT_RT kernel cannot be fetched: {error}")


@pytest.fixture(scope="module")
def emissions(realtime: Kernel) -> tuple[dict[Key, Answer], str]:
    """The answers by operation and context, and the kernel log, of one boot.

    The requests go to the agent directly: the harness would not request what it knows to be
    forbidden, and the kernel half must refuse it as well.
    """
    operations = [op for op in machine.operations() if op.operation in ("notify", "stream")]
    keys = list(itertools.product(operations, CONTEXTS))
    requests: list[dict[str, Any]] = [machine.SETUP]
    for number, (op, context) in enumerate(keys):
        rate = {"interval": 100_000} if op.operation == "stream" else {}
        size = max(op.min, min(8, op.max))
        requests.append(machine.cell(op, size, number, context=context, **rate))
    with machine.machine(kernel=realtime).start(requests, seed=1) as session:
        answers = [answer for answer in session.answers() if answer["re"] == "cell"]
        log = session.kernel_log()
    by_id = {answer["id"]: answer for answer in answers}
    return {key: by_id[number] for number, key in enumerate(keys)}, log


def test_each_emission_is_delivered_or_refused(
    emissions: tuple[dict[Key, Answer], str],
) -> None:
    answers, _ = emissions
    able = {c["name"] for c in machine.listing()["channels"] if c["rt_hardirq"]}
    own = {c["name"] for c in machine.listing()["channels"] if c["module"]}
    assert able
    for (op, context), answer in answers.items():
        what = f"{op.name} {context}: {answer['status']} {answer['reason']}"
        if reason := machine.lacks(op.channel, op.mode):
            assert (answer["status"], answer["reason"]) == ("skip", reason), what
            continue
        if context == "hardirq" and answer["reason"] == REFUSED:
            assert op.channel in own - able, what
        elif answer["status"] == "skip":
            assert re.fullmatch(OTHERWISE_REFUSED, answer["reason"]), what
            assert op.channel not in able or context == "process", what
        else:
            assert answer["status"] == "ok", what
            assert context != "hardirq" or op.channel in able, what
    refused = {op.channel for (op, _), answer in answers.items() if answer["reason"] == REFUSED}
    assert {"netlink", "genetlink", "signal", "input", "sysfs", "umh", "null"} <= refused
    softirq = {
        op.channel for (op, c), a in answers.items() if c == "softirq" and a["status"] == "ok"
    }
    assert refused <= softirq, "PREEMPT_RT runs softirqs in threads, where locks may sleep"


def test_the_kernel_log_is_clean(emissions: tuple[dict[Key, Answer], str]) -> None:
    _, log = emissions
    assert not kernel_log.complaints(log.splitlines())
    assert not re.search(r"BUG|WARNING|scheduling while atomic|sleeping function", log)
