# SPDX-License-Identifier: GPL-2.0-only
"""PROTOCOL.md describes the protocol that the agent really has.

The fields of real answers, the fields that the agent reads, and the names of properties and
verdicts must be on the page. Its examples must be requests that the agent accepts, and answers
with the fields that the agent writes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent.test_agent import ROOT, run, talk

AGENT = ROOT / "bench" / "agent"
PAGE = (AGENT / "protocol" / "PROTOCOL.md").read_text(encoding="utf-8")
NEVER_SENT = {"hang", "panic", "die"}
DATA_KEYS = {"files", "copy"}
"""Fields whose keys are paths and sizes, not names of fields."""


def objects(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects of *text*, one after the other."""
    decoder, at = json.JSONDecoder(), 0
    while at < len(text.rstrip()):
        value, at = decoder.raw_decode(text, at)
        yield value
        at += len(text[at:]) - len(text[at:].lstrip())


EXAMPLES = [
    value for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL) for value in objects(block)
]
REQUESTS = [e for e in EXAMPLES if "do" in e and e["do"] not in NEVER_SENT]
ANSWERS = [e for e in EXAMPLES if "re" in e]
LISTINGS = [e for e in EXAMPLES if "channels" in e]


def fields(value: Any) -> set[str]:
    """All names of fields in *value*, at any depth."""
    if isinstance(value, list):
        return set().union(*map(fields, value))
    if not isinstance(value, dict):
        return set()
    below = [fields(inner) for key, inner in value.items() if key not in DATA_KEYS]
    return set(value).union(*below)


def sources(folder: str) -> str:
    return "".join(path.read_text() for path in sorted((AGENT / folder).glob("*.c")))


def not_on_page(names: set[str]) -> set[str]:
    return {name for name in names if f"`{name}`" not in PAGE}


@pytest.fixture(scope="module")
def answers(agent: Path) -> list[dict[str, Any]]:
    """Real answers to the requests of the page, and to one that is unknown."""
    return talk(agent, *REQUESTS, {"do": "dance"}).answers


@pytest.fixture(scope="module")
def listing(agent: Path) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(run(agent, "--list").stdout)
    return parsed


def test_the_page_describes_the_version_of_the_agent(listing: dict[str, Any]) -> None:
    header = (AGENT / "include" / "agent.h").read_text()
    version = re.search(r"#define RCX_PROTOCOL\s+(\d+)", header)
    assert version
    assert PAGE.startswith(f"# The agent's protocol, version {version[1]}\n")
    assert listing["protocol"] == int(version[1])
    assert {e["protocol"] for e in EXAMPLES if "protocol" in e} == {int(version[1])}


def test_the_requests_of_the_page_are_understood(answers: list[dict[str, Any]]) -> None:
    replies = [a for a in answers if a["re"] not in ("hello", "begin", "end")]
    assert [r["do"] for r in REQUESTS] == [a["re"] for a in replies[:-1]]
    assert replies[-1]["re"] == "error"
    assert not [a["reason"] for a in replies if a["re"] in ("cell", "xray") and a["reason"]]


def test_every_field_of_an_answer_is_on_the_page(
    answers: list[dict[str, Any]], listing: dict[str, Any]
) -> None:
    assert {a["re"] for a in answers} == {a["re"] for a in ANSWERS}
    assert not not_on_page(set().union(*map(fields, answers)))
    modes = [mode for channel in listing["channels"] for mode in channel["modes"]]
    operations = [op for mode in modes for op in mode["operations"].values()]
    queues = [op["queue"] for op in operations if "queue" in op]
    for part in ([listing], listing["channels"], modes, operations, queues):
        assert not not_on_page(set().union(*part))


def test_the_example_of_an_answer_has_all_its_fields(answers: list[dict[str, Any]]) -> None:
    """The example has the same fields as the real answer to the example of the request."""
    for real in answers:
        kind = [a for a in ANSWERS if a["re"] == real["re"]]
        (example,) = [a for a in kind if a.get("id") == real.get("id")] or kind
        assert set(example) == set(real), real["re"]
        if real["re"] != "hostile":  # without a kernel half there are no cases
            assert fields(example) == fields(real), real["re"]


def test_the_example_of_the_listing_has_all_its_fields(listing: dict[str, Any]) -> None:
    (example,) = LISTINGS
    (part,) = example["channels"]
    (real,) = (c for c in listing["channels"] if c["name"] == part["name"])
    assert set(part) == set(real)
    names = {mode["name"]: mode for mode in real["modes"]}
    for mode in part["modes"]:
        assert fields(mode) == fields(names[mode["name"]])


def test_every_field_of_a_request_is_on_the_page() -> None:
    read = r'(?:rcx_(?:get_\w+|is_true)|array)\(request, "(\w+)"|NUMBER\("(\w+)"'
    names = {a or b for a, b in re.findall(read, sources("protocol"))}
    assert {"do", "clock", "size", "deadline_ms", "traced", "paths"} <= names
    assert not not_on_page(names)
    verbs = set(re.findall(r'\{ "(\w+)", (?:rcx_do|do)_\w+ \}', sources("protocol")))
    assert verbs == {e["do"] for e in EXAMPLES if "do" in e}


def test_the_defaults_of_numbers_are_those_of_the_agent() -> None:
    """The row of a field ends with its default."""
    numbers = re.findall(r'NUMBER\("(\w+)", .*, (\w+)\);', sources("protocol"))
    deadline = re.search(r"#define DEADLINE_MS\s+(\d+)", sources("protocol"))
    assert len(numbers) == 10
    assert deadline
    for name, default in numbers:
        (row,) = re.findall(rf"^\| `{name}` \| integer, .*\| (\S+) \|$", PAGE, re.MULTILINE)
        assert row == (deadline[1] if default == "DEADLINE_MS" else default), name


def test_every_property_is_on_the_page() -> None:
    names = set(re.findall(r'rcx_find_\w+\(\w+, "(\w+)"', sources("probes")))
    names |= set(re.findall(r'RCX_PROBE\w*\("(\w+)"', sources("probes")))
    assert len(names) == 17
    table = PAGE[PAGE.index("\n## Properties") :]
    assert names == set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))


def test_every_verdict_is_on_the_page() -> None:
    table = re.search(r"rcx_verdict_names\[\w+\] = \{(.*?)\}", sources("measure"))
    assert table
    assert not not_on_page(set(re.findall(r'"(\w+)"', table[1])))
