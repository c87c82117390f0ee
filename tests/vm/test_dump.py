# SPDX-License-Identifier: GPL-2.0-only
"""Dumps on a booted kernel: each record once, in order and whole, for tables of several lengths."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from bench.kernels import build
from bench.targets.kernel_log import complaints
from tests.vm import machine
from tests.vm.machine import Answer, Operation

pytestmark = pytest.mark.vm

ROOT = Path(__file__).parents[2]
RECORDS = (1, 2, 63, 64, 65, 300, 4096)
"""Around a page of records, and more than every buffer has."""


def limits(operation: Operation) -> dict[str, Any]:
    """The limits of an operation, from the listing."""
    mode = machine.mode_of(operation.channel, operation.mode)
    found: dict[str, Any] = mode["operations"][operation.operation]
    return found


def dumps() -> list[Operation]:
    return [operation for operation in machine.operations() if operation.operation == "dump"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "operation" in metafunc.fixturenames:
        operations = dumps()
        metafunc.parametrize("operation", operations, ids=[op.name for op in operations])


@dataclass(frozen=True)
class Trial:
    """The cells of one boot, by operation and number of records."""

    cells: dict[tuple[Operation, int], Answer]


@pytest.fixture(scope="module")
def trial() -> Trial:
    numbers = count(1)
    keys = [(operation, records) for operation in dumps() for records in RECORDS]
    requests = [
        machine.cell(operation, 64, next(numbers), records=records, rounds=2, samples=1)
        for operation, records in keys
    ]
    answers = machine.boot(machine.machine(), [machine.SETUP, *requests])
    cells = [answer for answer in answers if answer["re"] == "cell"]
    return Trial(dict(zip(keys, cells, strict=True)))


@pytest.mark.contract
def test_each_record_arrives_once_and_in_order(trial: Trial, operation: Operation) -> None:
    """The agent checks every byte before it times, and index and dump number always."""
    most = limits(operation)["records"]
    for records in RECORDS:
        answer = trial.cells[operation, records]
        if answer["status"] == "skip":
            assert records > most, answer["reason"]
            continue
        assert records <= most
        assert answer["status"] == "ok", f"{records} records: {answer['reason']}"
        assert answer["validation"]["messages"] >= 2, "the second is not the first again"
        assert answer["validation"]["bad"] == 0
        assert all(total > 0 for total in answer["rounds"])
        assert not complaints(answer["log"])


@pytest.mark.contract
def test_the_kernel_half_has_begun_each_dump(trial: Trial, operation: Operation) -> None:
    """Unless there is no kernel half, or the table is there before anybody asks."""
    channel = next(c for c in machine.channels() if c["name"] == operation.channel)
    answer = trial.cells[operation, 1]
    if answer["status"] == "skip" or not channel["module"]:
        pytest.skip("No kernel half has counted it.")
    asked = "call" not in limits(operation).get("excludes", ())
    least = answer["validation"]["messages"] if asked else 1
    assert answer["validation"]["made"] >= least


@pytest.mark.contract
def test_more_records_cost_more(trial: Trial, operation: Operation) -> None:
    """A record that costs nothing would not have been delivered."""
    cost = {}
    for records in RECORDS:
        answer = trial.cells[operation, records]
        if answer["status"] == "ok":
            cost[records] = min(answer["rounds"]) / answer["n"]
    assert len(cost) > 1
    assert list(cost.values()) == sorted(cost.values())
    for few, many in zip(cost, list(cost)[1:], strict=False):
        assert cost[many] - cost[few] >= 8 * (many - few), "index and number were looked at"


def test_a_table_that_is_too_long_is_a_skip_with_the_limit(trial: Trial) -> None:
    named = {operation.name: operation for operation in dumps()}
    if "ioctl-direct-dump" not in named:
        pytest.skip("The channels under test have no mode with such a limit.")
    answer = trial.cells[named["ioctl-direct-dump"], 300]
    assert answer["status"] == "skip"
    assert "14 bits" in answer["reason"]


def test_only_a_dump_has_records() -> None:
    push = Operation("null", "handler", "push", 0, 0)
    dump = Operation("ioctl", "indirect", "dump", 64, 64)
    cells = [
        machine.cell(push, 0, 1, records=4),
        machine.cell(dump, 64, 2, records=65537),
        machine.cell(dump, 63, 3, records=1),
        machine.cell(dump, 64, 4),
    ]
    answers = machine.boot(machine.machine(), [machine.SETUP, *cells])
    pushed, long, narrow, usual = (answer for answer in answers if answer["re"] == "cell")
    assert (pushed["status"], pushed["reason"]) == ("skip", "Only a dump has records.")
    assert long["status"] == "fail"
    assert narrow["status"] == "skip"
    assert usual["status"] == "ok", "a table of one record"


FAULTS = {
    ("ioctl", "indirect"): (
        "ioctl/kernel.c",
        "\tret = rcx_dump_to_user(&state->file, user, len / RCX_RECORD);",
        "\tret = rcx_dump_to_user(&state->file, user, len / RCX_RECORD);\n\tret -= ret > 0;",
        "dump 0 has 299 records, but the table has 300",
    ),
    ("seqfile", "records"): (
        "seqfile/table.c",
        "\t++*index;",
        "\t*index += 2;",
        "record 2 arrived where 1 was expected",
    ),
    ("netlink", "unicast"): (
        "netlink/kernel.c",
        "rcx_dump_record(&walk->dump, walk->next, nlmsg_data(header));",
        "rcx_dump_record(&walk->dump, walk->next & ~1u, nlmsg_data(header));",
        "record 0 arrived where 1 was expected",
    ),
    ("sockopt", "option"): (
        "core/table_file.c",
        "\t\tcount = rcx_dump_page(&dump, first, page);",
        "\t\tcount = rcx_dump_page(&dump, first, page);\n\t\tpage[9].generation = 0;",
        "record 9 of dump 0 arrived in dump 1",
    ),
    ("mmap", "page"): (
        "mmap/kernel.c",
        "\t\trcx_dump_record(&dump, i, &to[i]);",
        "\t\trcx_dump_record(&dump, i, &to[i]);\n\t\tto[i].body[5] ^= i == 299;",
        "record 299 has a wrong body",
    ),
    ("genetlink", "dump"): (
        "genetlink/kernel.c",
        "\tfor (; walk->next < walk->dump.records; walk->next++) {\n\t\trcx_dump_record(",
        "\tfor (; walk->next < walk->dump.records + 1; walk->next++) {\n\t\trcx_dump_record(",
        "dump 0 has more records than the 300 of the table",
    ),
}
"""By mode: a file of its kernel half, a line in it, its replacement, and what must be found."""


@pytest.mark.slow
def test_faults_are_found(tmp_path: Path) -> None:
    tree = shutil.copytree(ROOT / "modules", tmp_path / "modules")
    for path, line, replacement, _ in FAULTS.values():
        text = (tree / path).read_text()
        assert text.count(line) == 1, (path, line)
        (tree / path).write_text(text.replace(line, replacement))
    kernel = machine.stock()
    modules = build.build_modules(kernel, tree, tmp_path / "build")
    cells = [
        machine.cell(Operation(*names, "dump", 64, 64), 64, number, records=300)
        for number, names in enumerate(FAULTS)
    ]
    target = replace(machine.machine(kernel=kernel), modules=modules)
    answers = machine.boot(target, [machine.SETUP, *cells])
    found = [answer for answer in answers if answer["re"] == "cell"]
    for names, answer in zip(FAULTS, found, strict=True):
        assert answer["status"] == "fail", names
        assert FAULTS[names][3] in answer["reason"], names
