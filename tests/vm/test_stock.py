# SPDX-License-Identifier: GPL-2.0-only
"""Our channels and their counterparts in the kernel: none costs more for the same work."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest

from bench.plan.controls import STOCK, answering
from reports.analysis import counterparts
from reports.data import call_trees
from reports.data.call_trees import Call, Xrays
from reports.data.run import Run, load_run
from tests.vm import machine

pytestmark = [pytest.mark.vm, pytest.mark.slow]

MESSAGE_KINDS = ("copy", "channel")
"""Kinds of cost that may be higher for our messages, because of the header and its check."""

MESSAGE = 180
"""Instructions that a message of 8 bytes and its header may cost more than a number: to make or
check it, and to copy it once by copy_to_user() or copy_from_user() and not by one instruction."""

REQUEST_AND_REPLY = 350
"""The same for the two messages of a call or an upcall."""

COPY_CHECK = "__check_object_size"
"""The kernel's own check of the memory that it copies.  A number that one instruction copies needs
none.  It is 168 instructions on Linux 6.1, and 188 on 6.12, so its own tree says what it costs."""

KNOWN_EXTRA = {
    # IP passes unknown options on to netfilter, under the lock of the socket, and our handlers
    # check a capability.  IP_TTL needs neither, and the trees of Linux 6.12 show it without the
    # lock; those of 6.1 have the lock in both.
    "sockopt": (
        "capable",
        "sockopt_lock_sock",
        "sockopt_release_sock",
        "nf_setsockopt",
        "nf_getsockopt",
        "nf_sockopt_find",
    ),
}
"""By channel: functions on its path that are not on the path of its counterpart."""

WHOLE = ("capable", "sockopt_lock_sock", "sockopt_release_sock")
"""Those of :data:`KNOWN_EXTRA` that do nothing for a message, so all that they call counts."""

OWN_CODE = {
    "fuse": ("fuse",),
    "seccomp": ("seccomp", "secure_computing"),
}
"""By counterpart that keeps a request until user space has answered it: parts of the names of its
own functions.  Ours keeps it in functions of kind ``channel``.  The tree of the counterpart has
them in kind ``entry`` or ``vfs``, from which it is called; FUSE also copies messages in them."""

VARIANTS = {
    # The same as seccomp, with a flag.  Linux has it since 6.6, so a mode whose counterpart it were
    # would have none on older kernels.
    "seccomp-sync": "seccomp",
}
"""Modes of channel stock that are no counterpart: by each, the counterpart it is a variant of."""


def pairs() -> Iterator[tuple[str, str, str, str, str]]:
    """Channel, mode and operation of ours; mode and operation of the counterpart."""
    channels = machine.listing()["channels"]
    (stock,) = (channel for channel in channels if channel["name"] == STOCK)
    offered = {mode["name"]: mode["operations"] for mode in stock["modes"]}
    for channel in channels:
        for mode in channel["modes"]:
            theirs = offered[mode["counterpart"]] if "counterpart" in mode else {}
            for operation in mode["operations"]:
                if same := answering(operation, mode["operations"], theirs):
                    yield channel["name"], mode["name"], operation, mode["counterpart"], same


PAIRS = list(pairs())
Pair = tuple[str, str, str, str, str]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A quick run of all channels with a counterpart, with call trees."""
    folder = tmp_path_factory.mktemp("stock") / "run"
    names = ",".join(sorted({channel for channel, *_ in PAIRS}))
    words = ["run", "--clock", "instructions", "--accel", "tcg", "--channels", names]
    words += ["--kernel", machine.KERNEL, "--sizes", "8", "--no-report", "--run-dir", str(folder)]
    done = subprocess.run([sys.executable, "-m", "bench", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return load_run(folder)


@pytest.fixture(scope="module")
def xrays(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Xrays:
    """The x-rays of the run, and of each mode that a quick run omits."""
    xrays = call_trees.load(run)
    assert xrays is not None
    more: list[call_trees.Operation] = []
    for channel, mode, operation, *_ in PAIRS:
        if not traced_operation(xrays.operations, channel, mode, operation):
            words = ["xray", channel, "--mode", mode, "--operation", operation, "--json"]
            folder = tmp_path_factory.mktemp(channel)
            with (folder / "xray.json").open("w") as file:
                words += ["--kernel", machine.KERNEL, "--clock", "instructions"]
                command = [sys.executable, "-m", "bench", *words]
                subprocess.run(command, stdout=file, check=True)
            traced = call_trees.load(replace(run, path=folder))
            assert traced is not None
            more += traced.operations
    return replace(xrays, operations=(*xrays.operations, *more))


def traced_operation(
    operations: Iterable[call_trees.Operation], channel: str, mode: str, operation: str
) -> call_trees.Operation | None:
    """The x-ray of this operation, if it has a call tree."""
    key = (channel, mode, operation)
    return next(
        (one for one in operations if (one.channel, one.mode, one.operation) == key and one.tree),
        None,
    )


def calls(root: Call | None) -> Iterator[Call]:
    if root is not None:
        yield root
        for one in root.below:
            yield from calls(one)


def known_extra(channel: str, root: Call | None) -> float:
    """Cost of the functions in :data:`KNOWN_EXTRA`, with all that those in :data:`WHOLE` call."""
    names = KNOWN_EXTRA.get(channel, ())
    return sum(
        call.total if call.name in WHOLE else call.own
        for call in calls(root)
        if call.name.partition(".")[0] in names
    )


def copy_check(root: Call | None) -> float:
    """Cost of the checks of copied memory."""
    return sum(call.total for call in calls(root) if call.name == COPY_CHECK)


def own_code(stock: str, root: Call | None) -> float:
    """Own cost of the functions in :data:`OWN_CODE`, and of a kernel module of that name."""
    names = OWN_CODE.get(stock, ())
    return sum(
        call.own
        for call in calls(root)
        if names and (call.module == stock or any(name in call.name for name in names))
    )


def test_every_counterpart_stands_beside(run: Run, xrays: Xrays) -> None:
    """All pairs are in the run, and each mode of stock is a counterpart or a variant of one."""
    shown = {
        (channel.name, row.mode, row.operation, row.stock, row.same)
        for channel in run.channels
        for row in counterparts.rows(run, channel, xrays)
    }
    assert shown == set(PAIRS)
    (stock,) = (one for one in machine.listing()["channels"] if one["name"] == STOCK)
    offered = {mode["name"]: set(mode["operations"]) for mode in stock["modes"]}
    named = {pair[3] for pair in PAIRS}
    assert sorted([*named, *VARIANTS]) == sorted(offered)
    assert set(VARIANTS.values()) <= named
    for variant, of in VARIANTS.items():
        assert offered[variant] == offered[of]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: "-".join(pair[:3]))
def test_none_costs_more_than_the_kernels_own(run: Run, xrays: Xrays, pair: Pair) -> None:
    """Except for the message itself, and for functions that are known to be only on our path.

    Our own code is compared with the counterpart's own code, whatever kind its tree calls it.
    """
    channel, mode, operation, stock, same = pair
    ours = traced_operation(xrays.operations, channel, mode, operation)
    theirs = traced_operation(xrays.operations, STOCK, stock, same)
    assert ours is not None
    assert theirs is not None
    differences = {kind: ours.kinds[kind] - theirs.kinds[kind] for kind in xrays.kinds}
    difference = ours.untraced - theirs.untraced
    # The call trees account for the whole difference of the two figures.
    assert sum(differences.values()) == pytest.approx(difference, abs=0.05 * theirs.untraced)
    message = sum(differences[kind] for kind in MESSAGE_KINDS) - own_code(stock, theirs.tree)
    most = REQUEST_AND_REPLY if operation in ("call", "upcall") else MESSAGE
    assert message - copy_check(ours.tree) + copy_check(theirs.tree) <= most
    extra = known_extra(channel, ours.tree) - known_extra(channel, theirs.tree)
    assert difference - message - extra <= 0.1 * theirs.untraced
