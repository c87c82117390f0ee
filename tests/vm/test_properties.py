# SPDX-License-Identifier: GPL-2.0-only
"""Properties of every mode, probed on a booted kernel, compared with its registration."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bench.explore import properties
from bench.targets.kernel_log import complaints
from tests.vm import machine
from tests.vm.machine import Answer

pytestmark = pytest.mark.vm

CHANNELS = machine.channels()
MODES = [(channel["name"], mode["name"]) for channel in CHANNELS for mode in channel["modes"]]
ALWAYS = {
    "boundaries",
    "contexts",
    "copies",
    "queue_full",
    "kernel_initiated",
    "size_limit",
    "module_unload",
    "permissions",
    "ordering",
    "poll",
    "reader_exit",
    "readers",
    "syscalls",
}
WORDS = {
    "boundaries": {"kept", "not kept"},
    "queue_full": {
        "refuses newest",
        "drops newest",
        "overwrites oldest",
        "empties its queue",
        "coalesces",
        "adds up",
        "producer waits",
        "loses some",
        "not filled",
    },
    "ordering": {"kept", "not kept"},
    "reader_exit": {"next reader works"},
    "readers": {"each gets all", "each gets some", "share", "one gets all", "second refused"},
}


@pytest.fixture(scope="module")
def answers() -> dict[tuple[str, str], Answer]:
    """All probes of all modes, in one boot."""
    requests = properties.requests(CHANNELS)
    replies = machine.boot(machine.machine(), [machine.SETUP, *requests])
    return {(a["channel"], a["mode"]): a for a in replies if a["re"] == "probe"}


def mode_of(name: tuple[str, str]) -> dict[str, Any]:
    channel, mode = name
    (entry,) = [c for c in CHANNELS if c["name"] == channel]
    (found,) = [m for m in entry["modes"] if m["name"] == mode]
    return {"baseline": entry["baseline"], **found}


@pytest.mark.contract
@pytest.mark.parametrize("name", MODES, ids="-".join)
def test_each_probe_comes_to_an_answer(
    answers: dict[tuple[str, str], Answer], name: tuple[str, str]
) -> None:
    found = answers[name]["properties"]
    if reason := machine.lacks(*name):
        assert {(p["how"], p["detail"]) for p in found.values()} == {("none", reason)}
        pytest.skip(reason)
    assert set(found) >= ALWAYS
    assert not {key: p["detail"] for key, p in found.items() if p["how"] == "failed"}
    assert all(p["detail"] for p in found.values())
    for key, words in WORDS.items():
        assert found[key]["value"] in words | {None}, found[key]
    assert not complaints(answers[name]["log"])


@pytest.mark.contract
@pytest.mark.parametrize("name", MODES, ids="-".join)
def test_no_probe_contradicts_what_the_mode_declares(
    answers: dict[tuple[str, str], Answer], name: tuple[str, str]
) -> None:
    machine.skip_lacking(*name)
    mode, found = mode_of(name), answers[name]["properties"]
    if "one_shot_reason" in mode:
        assert not mode["operations"]
        assert {key for key, one in found.items() if one["how"] != "none"} == {"load_parameter"}
        return
    if found["kernel_initiated"]["how"] == "none":
        assert {one["how"] for key, one in found.items() if key in ALWAYS} == {"none"}
        pytest.skip(found["kernel_initiated"]["detail"])
    (channel,) = [channel for channel in CHANNELS if channel["name"] == name[0]]
    only = [{**channel, "modes": [mode]}]
    assert not properties.contradictions(only, list(properties.of_answer(answers[name])))
    assert found["size_limit"]["value"] == {
        op: can["max"] for op, can in mode["operations"].items()
    }
    initiates = bool({"notify", "stream", "upcall"} & set(mode["operations"]))
    assert found["kernel_initiated"]["value"] is initiates
    assert set(found["syscalls"]["value"]) >= set(mode["operations"]) - {"stream"}


def value(answers: dict[tuple[str, str], Answer], channel: str, mode: str, name: str) -> Any:
    return answers[channel, mode]["properties"][name]["value"]


def test_probes_tell_channels_apart(answers: dict[tuple[str, str], Answer]) -> None:
    """The probes find the values that are known from the documentation of these channels."""
    assert value(answers, "netlink", "unicast", "reader_error") == "ENOBUFS"
    assert value(answers, "netlink", "unicast", "producer_error") == "EAGAIN"
    assert value(answers, "netlink", "unicast", "permissions") == "CAP_NET_ADMIN"
    # These modes do not wait for an answer to a push: only the kernel's counts show a refusal.
    assert value(answers, "genetlink", "do", "permissions") == "CAP_NET_ADMIN"
    largest = answers["netlink", "unicast"]["properties"]["size_limit"]["detail"]
    assert "push: 1048576 B works; one byte more: nothing arrives" in largest
    assert value(answers, "genetlink", "dump", "boundaries") == "kept"
    assert (
        value(answers, "genetlink", "multicast", "module_unload") == "unloads, user gets an error"
    )
    assert value(answers, "signal", "standard", "queue_capacity") == 1
    assert value(answers, "signal", "standard", "readers") == "each gets some"
    assert value(answers, "signal", "realtime", "queue_capacity") > 100
    assert value(answers, "signal", "realtime", "poll") is False
    assert value(answers, "signal", "signalfd", "poll") is True
    assert value(answers, "procfs", "reopen", "syscalls") == {"push": 3, "pull": 3}
    assert value(answers, "mmap", "ring", "syscalls")["stream"] == 0
    assert value(answers, "ioctl", "indirect", "copies")["push"] == 1
    assert value(answers, "mmap", "page", "copies") == dict.fromkeys(
        ("push", "pull", "call", "upcall"), 0
    )
    assert value(answers, "sysfs", "attribute", "module_unload") == "unloads, user gets an error"
    assert value(answers, "input", "event", "queue_full") == "empties its queue"
    assert value(answers, "input", "event", "queue_capacity") == 31
    assert value(answers, "input", "event", "reader_error") == "by a message"
    assert value(answers, "input", "event", "module_unload") == "unloads, user gets an error"
    assert value(answers, "input", "grab", "readers") == "second refused"
    assert value(answers, "pipe", "pair", "boundaries") == "not kept"
    assert value(answers, "unixsock", "seqpacket", "boundaries") == "kept"
    assert value(answers, "unixsock", "stream", "boundaries") == "not kept"
    assert value(answers, "posixmq", "queue", "queue_capacity") == 10
    assert value(answers, "shm", "futex", "copies") == dict.fromkeys(
        ("push", "call", "notify", "stream"), 0
    )
    assert value(answers, "shm", "futex", "readers") == "second refused"
    assert value(answers, "relay", "overwrite", "queue_full") == "overwrites oldest"
    assert value(answers, "relay", "batch", "boundaries") == "not kept"
    # The kernel half writes each record into the buffer, and mmap() saves the second copy.
    assert value(answers, "relay", "mmap", "copies")["stream"] == 1
    # Its read() copies each page by itself, which the slope shows as a part of a copy more.
    assert 2 <= value(answers, "relay", "batch", "copies")["stream"] < 3
    assert value(answers, "uevent", "device", "boundaries") == "kept"
    assert value(answers, "uevent", "device", "queue_full") == "drops newest"
    assert value(answers, "sysctl", "message", "permissions") == "uid 0"
    assert value(answers, "sysctl", "integer", "module_unload") == "unloads, user gets an error"
    assert value(answers, "modparam", "parameter", "boundaries") == "kept"
    assert value(answers, "umh", "wait", "syscalls") == {"notify": 0, "stream": 0, "upcall": 0}
    assert value(answers, "umh", "wait", "copies") is None
    assert value(answers, "umh", "wait", "permissions") == "CAP_DAC_OVERRIDE CAP_SYS_ADMIN"
    assert value(answers, "umh", "nowait", "contexts") == "process softirq hardirq"
    assert value(answers, "filewrite", "append", "boundaries") == "not kept"
    assert value(answers, "filewrite", "append", "producer_error") == "ENOSPC"
    assert value(answers, "syscall", "getppid", "permissions") == "anybody"
    assert value(answers, "syscall", "getppid", "syscalls") == {"call": 1}


def test_a_value_of_the_command_line_arrives_at_load_and_never_again(
    answers: dict[tuple[str, str], Answer],
) -> None:
    """The value of the command line arrives with this load; other loads have other values."""
    assert value(answers, "modparam", "boot", "load_parameter") == "at load"
    (entry,) = (channel for channel in CHANNELS if channel["name"] == "modparam")
    detail = answers["modparam", "boot"]["properties"]["load_parameter"]["detail"]
    assert all(word in detail for word in entry["boot"])


def test_without_the_word_on_the_command_line_nothing_is_claimed() -> None:
    request = {"do": "probe", "channel": "modparam", "mode": "boot"}
    plain = replace(machine.machine(), append=())
    (answer,) = (a for a in machine.boot(plain, [machine.SETUP, request]) if a["re"] == "probe")
    found = answer["properties"]["load_parameter"]
    assert (found["value"], found["how"]) == (None, "none")
    assert "was not booted with ringcross_modparam.boot=" in found["detail"]
