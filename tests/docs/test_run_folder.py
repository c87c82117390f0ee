# SPDX-License-Identifier: GPL-2.0-only
"""docs/run-folder.md lists exactly the columns, fields and values that the code writes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import pytest

from bench.explore import properties
from bench.explore.call_tree import Node, Tracer
from bench.explore.xray import Xray, Xrays
from bench.host.knobs.base import State
from bench.plan.cells import Cell, CellResult, Clock, Status
from bench.plan.options import RunOptions
from bench.run import estimates, run_folder, stream_counts
from bench.run.campaign import Campaign
from bench.run.replay import Measured
from bench.run.run_folder import Header, Recorder
from reports.data import formats
from tests.fake_target import LISTING, LOOP, READ, FakeProvisioner, FakeTarget

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/run-folder.md").read_text()
AGENT = ROOT / "bench/agent"
CLOCKS: tuple[Clock, ...] = ("instructions", "time")

Row = list[str]


# ---- reading the page ---------------------------------------------------------------------


def table(heading: str) -> list[Row]:
    """The rows of the table under a heading, without the table's head.

    Checks that every row has as many columns as the head, and a meaning.
    """
    sections = re.split(r"^#+ (.*)\n", TEXT, flags=re.MULTILINE)
    section = dict(zip(sections[1::2], sections[2::2], strict=True))[heading]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    head, _, *rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]
    for row in rows:
        assert len(row) == len(head), row
        assert row[head.index("meaning")], row
        if "empty" in head:
            assert row[head.index("empty")], row
    return rows


def quoted(text: str) -> list[str]:
    """The words in backticks."""
    return re.findall(r"`([^`]+)`", text)


def names(heading: str) -> list[str]:
    """The words that a table lists in its first column."""
    words = [word for row in table(heading) for word in quoted(row[0])]
    assert len(words) == len(set(words)), "each once"
    return words


def version(heading: str) -> int:
    """The version that the first row of a table states."""
    (text,) = re.findall(r": (\d+)$", table(heading)[0][-2])
    return int(text)


def values(of: str) -> set[str]:
    """The values that the page lists for a column or field."""
    return {word for row in table("Values") for word in quoted(row[0]) if of in quoted(row[1])}


# ---- runs of the fake target ------------------------------------------------------------


@pytest.fixture(scope="module", params=CLOCKS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run with its exploration, under each clock."""
    folder = tmp_path_factory.mktemp(request.param) / "run"
    calibration = {"re": "setup", "clock": request.param, "read": READ, "loop": LOOP}
    target = FakeTarget({"setup": calibration | {"min_round": 10_000}})
    options = RunOptions(run_dir=folder, explore=True)
    with Campaign(options, provisioner=FakeProvisioner(target, request.param)) as campaign:
        campaign.run()
    return folder


@pytest.fixture
def environment(run: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((run / "environment.json").read_text())
    return document


def header(path: Path) -> list[str]:
    return path.read_text().splitlines()[0].split(",")


def test_the_files_are_listed(run: Path) -> None:
    """The page also lists the files of an unfinished run, of pytest-benchmark, and the report."""
    besides = {"benchmark.json", "journal.jsonl", "journal.u64", "report/"}
    first_table = TEXT.split("| file |")[1].split("\n\n")[0]
    listed = re.findall(r"^\| `([^`]+)`", first_table, re.MULTILINE)
    assert {path.name for path in run.iterdir()} | besides == set(listed)
    sections = {
        word for line in re.findall(r"^## (.*)", TEXT, re.MULTILINE) for word in quoted(line)
    }
    assert set(listed) == sections, "each has a section"


# ---- tables -----------------------------------------------------------------------------


def test_columns_of_cells(run: Path, environment: dict[str, Any]) -> None:
    further = names("Further columns under `time`")
    assert names("`cells.csv`") == run_folder.COLUMNS
    assert further == run_folder.TIME_COLUMNS
    in_time = further if environment["clock"] == "time" else []
    assert [*names("`cells.csv`"), *in_time] == header(run / "cells.csv")


def test_columns_of_trials(run: Path) -> None:
    assert names("`trials.csv`") == list(stream_counts.COLUMNS)
    assert names("`trials.csv`") == header(run / "trials.csv")


@pytest.mark.parametrize("name", ["samples", "rounds"])
def test_columns_of_parquet_files(run: Path, environment: dict[str, Any], name: str) -> None:
    frame = pd.read_parquet(run / f"{name}.parquet")
    types = {"object": "text", "str": "text"}
    written = [(column, types.get(str(kind), str(kind))) for column, kind in frame.dtypes.items()]
    of_time = environment["clock"] == "time"
    documented = [
        (quoted(row[0])[0], row[1])
        for row in table(f"`{name}.parquet`")
        if of_time or "only under `time`" not in row[3]
    ]
    assert documented == written


# ---- JSON files -------------------------------------------------------------------------


def test_fields_of_the_environment(environment: dict[str, Any]) -> None:
    in_time = {"noise"} if environment["clock"] == "time" else set()
    assert set(names("`environment.json`")) - {"noise"} | in_time == set(environment)
    assert environment["format"] == run_folder.FORMAT == formats.FORMAT
    assert f"format {formats.FORMAT}." in TEXT.split("\n\n")[1]


@pytest.mark.parametrize("field", ["overhead", "floors", "marked"])
def test_fields_that_the_environment_nests(environment: dict[str, Any], field: str) -> None:
    (meaning,) = (row[2] for row in table("`environment.json`") if quoted(row[0]) == [field])
    if field == "marked":
        assert set(quoted(meaning)) == {"cells", *values("marks")}
        assert set(environment[field]) <= set(quoted(meaning))
    else:
        assert set(quoted(meaning)) == set(environment[field])


def test_fields_of_a_knob(environment: dict[str, Any]) -> None:
    assert environment["knobs"]
    for knob in environment["knobs"]:
        assert set(names("Fields of a knob")) == set(knob)


def test_fields_of_the_session(environment: dict[str, Any]) -> None:
    """The fields of the session that the targets vm and local return."""
    documented = set(names("Fields of `session`"))
    assert set(environment["session"]) <= documented
    described = set()
    for name in ("vm", "local"):
        source = (ROOT / f"bench/targets/{name}.py").read_text()
        (fields,) = re.findall(r'\{\n\s+"target": .*?\n\s+\}', source, re.DOTALL)
        described |= set(re.findall(r'^\s+"(\w+)": ', fields, re.MULTILINE))
    assert documented == described


def test_fields_of_the_listing() -> None:
    source = (AGENT / "protocol/registry.c").read_text()
    written = set(re.findall(r'(?:add_string|json_object_object_add)\(\w+, "(\w+)"', source))
    (heading,) = re.findall(r"^### (Fields of `channels`.*)", TEXT, re.MULTILINE)
    assert set(names(heading)) == written - {"poll"}, "poll is a claim and not a field"


def test_fields_of_properties(run: Path) -> None:
    document = json.loads((run / "properties.json").read_text())
    assert names("`properties.json`") == list(document)
    assert version("`properties.json`") == document["version"]
    for entry in document["properties"]:
        assert names("Fields of a property") == list(entry)


def test_names_of_properties() -> None:
    """The names of the agent's probes, and the names that the host adds."""
    channel = LISTING["channels"][1]
    refused = properties.of_channel(channel, [], "It did not come up.")
    answer = {"channel": "netlink", "mode": "unicast", "properties": {}, "log": ["WARNING: x"]}
    added = {one.name for one in (*refused, *properties.of_answer(answer))}
    source = "".join(path.read_text() for path in sorted((AGENT / "probes").glob("*.c")))
    probed = set(re.findall(r'(?:RCX_PROBE\(|rcx_find_\w+\(probing,\s*)"(\w+)"', source))
    assert probed
    assert set(names("Properties")) == added | probed


def fixed_values(source: str) -> set[str]:
    """The words that the probes of one file give as the value of a property.

    The value is an expression in the call, or a variable, or a variable that another function of
    the file sets by its ``return`` statements.
    """
    expressions = re.findall(r'rcx_find_text\(probing,\s*"\w+",\s*((?:[^,"]|"[^"]*")*),', source)
    for variable in {text for text in expressions if re.fullmatch(r"\w+", text)}:
        assigned = re.findall(rf"\b{variable} = ([^;]*);", source)
        expressions += assigned
        for function in re.findall(r"\b(\w+)\(", " ".join(assigned)):
            (body,) = re.findall(rf"\b{function}\([^)]*\)\n\{{(.*?)\n\}}", source, re.DOTALL)
            expressions += re.findall(r"\breturn ([^;]*);", body)
    return {word for expression in expressions for word in literals(expression)}


def literals(expression: str) -> list[str]:
    """The strings of a C expression, its macros among them."""
    macros = re.findall(
        r'^#define (RCX_\w+)\s+("[^"]+")', (AGENT / "include/agent.h").read_text(), re.MULTILINE
    )
    for name, text in macros:
        expression = re.sub(rf"\b{name}\b", text, expression)
    return re.findall(r'"([^"]*)"', expression)


def test_values_of_properties() -> None:
    documented = {word for row in table("Properties") for word in quoted(row[3])}
    probes = [path.read_text() for path in sorted((AGENT / "probes").glob("*.c"))]
    found = {value for source in probes for value in fixed_values(source)}
    errno_name = "nothing"  # for 0, see rcx_errno_name()
    assert f'"{errno_name}"' in (AGENT / "probes/runner.c").read_text()
    assert documented == found | {errno_name}


def test_fields_of_an_xray(run: Path) -> None:
    document = json.loads((run / "xray.json").read_text())
    assert names("`xray.json`") == list(document)
    assert version("`xray.json`") == document["version"]
    for operation in document["operations"]:
        assert list(operation) == names("Fields of an operation")[: len(operation)]
        assert list(operation)[-1] == "reason"


def test_fields_of_a_call_tree() -> None:
    root = Node("operation", "", 1.0, 1, (Node("vfs_read", "", 2.0, 1),))
    operation = Xray(Cell("netlink", "unicast", "push", 8), "ok", untraced=3.0, tree=root)
    document = Xrays("time", "6.1", Tracer(1.0, 1.0, 1.0, 1.0, 1.0), (operation,)).to_json()
    (written,) = document["operations"]
    assert names("Fields of an operation") == list(written)
    assert names("Fields of a node") == list(written["tree"])
    (tracer,) = (row[3] for row in table("`xray.json`") if quoted(row[0]) == ["tracer"])
    assert quoted(tracer) == list(document["tracer"])


def test_fields_of_the_benchmark_file(tmp_path: Path) -> None:
    options = RunOptions(run_dir=tmp_path / "run", channels=("null",))
    with Campaign(options, provisioner=FakeProvisioner()) as campaign:
        campaign.run()
        assert names("`machine_info.ringcross`") == list(campaign.identity())
        cell, results = next(iter(campaign.results.items()))
        assert names("`extra_info`") == list(Measured(cell, results, campaign.clock).info)


def test_fields_of_the_journal(tmp_path: Path) -> None:
    cell = Cell("netlink", "unicast", "push", 8)
    with Recorder.create(tmp_path / "run", Header({}, "time", (cell,))) as recorder:
        recorder.add(CellResult(cell, "ok", n=1, rounds=(1,)))
    lines = (tmp_path / "run/journal.jsonl").read_text().splitlines()
    first, result = map(json.loads, lines)
    assert names("Fields of the header") == list(first)
    assert version("Fields of the header") == first["version"]
    assert set(names("Fields of a result")) == set(result)


# ---- values -----------------------------------------------------------------------------


def test_statuses() -> None:
    assert values("status") == set(get_args(Status))


def test_states_of_a_knob() -> None:
    assert values("state") == set(get_args(State))


def test_marks() -> None:
    given = {
        mark
        for clock in CLOCKS
        for mark in estimates.marks(clock, 100.0, (50.0, 150.0), 1.0).split()
    }
    assert values("marks") == given


def test_verdicts() -> None:
    source = (AGENT / "measure/rate_search.c").read_text()
    (initializer,) = re.findall(r"rcx_verdict_names\[RCX_VERDICTS\] = \{([^}]*)\}", source)
    verdicts = set(re.findall(r'"(\w+)"', initializer))
    assert verdicts
    assert values("verdict") == values("bound") == verdicts


def test_how_a_property_was_found() -> None:
    source = (AGENT / "probes/runner.c").read_text()
    (body,) = re.findall(r"\bhow_of\([^)]*\)\n\{(.*?)\n\}", source, re.DOTALL)
    assert values("how") == set(re.findall(r'"(\w+)"', body))


def test_no_value_is_listed_for_anything_else() -> None:
    fields = {word for row in table("Values") for word in quoted(row[1])}
    assert fields == {"status", "marks", "verdict", "bound", "how", "state"}


# ---- older formats ----------------------------------------------------------------------


def test_every_translation_is_listed() -> None:
    tables = [
        entries
        for name, entries in vars(formats).items()
        if isinstance(entries, dict) and not name.startswith("__")
    ]
    translated = sorted(pair for entries in tables for pair in entries.items())
    documented = sorted((quoted(row[1])[0], quoted(row[2])[0]) for row in renamings())
    assert documented == translated


def renamings() -> list[Row]:
    section = TEXT.split("\n## Older formats\n")[1]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in lines[2:]]


def test_every_new_name_is_documented_above() -> None:
    """A name that is translated to must be one that this page lists."""
    before = TEXT.split("\n## Older formats\n")[0]
    for _, old, new in renamings():
        assert new in before, f"{old} is translated to {new}"
