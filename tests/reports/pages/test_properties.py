# SPDX-License-Identifier: GPL-2.0-only
"""Properties in the report: the matrix of all modes, and the source of each value."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reports.data import properties as data_properties
from reports.data.properties import Property
from reports.data.run import DamagedRun, Run, load_run
from reports.pages import properties, render
from tests.reports.pages.test_render import check

Build = Callable[..., Path]


def prop(
    channel: str, mode: str, name: str, value: Any, how: str = "probe", detail: str = ""
) -> Property:
    return Property(channel, mode, name, value, how, detail or f"it was tried: {value}")


FOUND = (
    prop("ioctl", "direct", "kernel_initiated", True),
    prop("ioctl", "direct", "contexts", "process softirq hardirq"),
    prop("ioctl", "direct", "ordering", "kept"),
    prop("ioctl", "direct", "queue_full", "refuses newest"),
    prop("ioctl", "direct", "permissions", "CAP_DAC_OVERRIDE"),
    prop("ioctl", "direct", "size_limit", {"push": 16359, "pull": 1024}),
    prop("ioctl", "direct", "syscalls", {"push": 1, "pull": 2}, "counted"),
    prop("ioctl", "indirect", "kernel_initiated", False),
    prop("ioctl", "indirect", "contexts", None, "none", "the kernel starts nothing here"),
    prop("ioctl", "indirect", "ordering", "kept"),
    prop("ioctl", "indirect", "queue_full", None, "failed", "the drain did not end"),
    prop("ioctl", "indirect", "permissions", "CAP_NET_ADMIN CAP_SYSLOG"),
    prop("ioctl", "indirect", "size_limit", {"push": 2048, "pull": 2048}),
    prop("ioctl", "indirect", "kernel_log", None, "failed", "the kernel warned"),
    prop("ioctl", "", "lines_kernel", 180, "counted"),
    prop("ioctl", "", "since", "1.0", "documented", "as old as devices"),
    prop("null", "plain", "kernel_initiated", False),
)


def record(path: Path, recorded: tuple[Property, ...] = FOUND) -> Path:
    document = {"version": 1, "properties": [vars(one) for one in recorded]}
    (path / "properties.json").write_text(json.dumps(document))
    return path


@pytest.fixture
def run(build_run: Build) -> Run:
    return load_run(record(build_run(channels=("null", "ioctl", "signal"))))


@pytest.fixture
def table(run: Run) -> dict[tuple[str, str], properties.Field]:
    """Fields of the matrix by mode and property."""
    matrix = properties.matrix(run, data_properties.load(run))
    assert matrix
    return {
        (line.mode, column.name): field
        for line in matrix.lines
        for column, field in zip(matrix.columns, line.fields, strict=True)
    }


def test_what_was_recorded_is_read(run: Run) -> None:
    assert data_properties.load(run) == FOUND


def test_a_run_without_properties_has_no_matrix(build_run: Build) -> None:
    run = load_run(build_run())
    assert data_properties.load(run) == ()
    assert properties.matrix(run, ()) is None
    assert properties.sheet(run, "ioctl", ()) is None


@pytest.mark.parametrize("text", ["{", "[]", '{"properties": [{"channel": "x"}]}'])
def test_damage_is_one_sentence(build_run: Build, text: str) -> None:
    run = load_run(build_run())
    (run.path / "properties.json").write_text(text)
    with pytest.raises(DamagedRun, match="Delete it to render the run"):
        data_properties.load(run)


def test_floors_and_what_was_not_probed_are_left_out(run: Run) -> None:
    matrix = properties.matrix(run, FOUND)
    assert matrix
    assert [(line.channel, line.mode) for line in matrix.lines] == [
        ("ioctl", "direct"),
        ("ioctl", "indirect"),
    ]


@pytest.mark.parametrize(
    ("mode", "name", "text", "kind"),
    [
        ("direct", "kernel_initiated", "yes", "yes"),
        ("indirect", "kernel_initiated", "no", "no"),
        ("direct", "queue_full", "refuses newest", ""),
        ("indirect", "queue_full", "failed", "failed"),
        ("direct", "permissions", "file mode", ""),
        ("indirect", "permissions", "NET_ADMIN SYSLOG", ""),
        ("direct", "size_limit", "1 KiB–16,359 B", ""),
        ("indirect", "size_limit", "2 KiB", ""),
    ],
)
def test_values_are_words(
    table: dict[tuple[str, str], properties.Field], mode: str, name: str, text: str, kind: str
) -> None:
    field = table[mode, name]
    assert (field.text, field.kind) == (text, kind)


def test_what_all_modes_share_is_a_sentence_and_no_column(run: Run) -> None:
    matrix = properties.matrix(run, FOUND)
    assert matrix
    names = {column.name for column in matrix.columns}
    assert "ordering" not in names
    assert "contexts" not in names  # the question does not apply to the other mode
    assert "Order: kept." in matrix.same
    assert "Contexts: any." in matrix.same


def test_what_is_documented_is_marked(run: Run) -> None:
    sheet = properties.sheet(run, "ioctl", FOUND)
    assert sheet
    assert sheet.documented
    (since,) = [row for row in sheet.rows if row.column.name == "since"]
    (field,) = since.fields
    assert (field.text, field.kind, field.all_modes) == ("1.0\u202f†", "documented", True)
    assert field.title == "As old as devices. (Documented or declared, not tested.)"


def test_a_documented_value_per_operation_is_marked_too() -> None:
    column = next(column for column in properties.COLUMNS if column.name == "size_limit")
    value = {"push": 4096, "pull": 1024}
    documented = prop("ioctl", "direct", "size_limit", value, "documented")
    assert properties._text(column, documented, short=True) == "1–4 KiB\u202f†"
    assert properties._text(column, documented, short=False) == "push 4 KiB, pull 1 KiB\u202f†"


def test_every_documented_field_has_its_dagger(run: Run) -> None:
    sheet, matrix = properties.sheet(run, "ioctl", FOUND), properties.matrix(run, FOUND)
    assert sheet
    assert matrix
    fields = [field for row in sheet.rows for field in row.fields]
    fields += [field for line in matrix.lines for field in line.fields]
    for field in fields:
        assert field.text.endswith("†") == (field.kind == "documented"), field


def test_a_channels_page_tells_each_operation_apart(run: Run) -> None:
    sheet = properties.sheet(run, "ioctl", FOUND)
    assert sheet
    texts = {row.column.name: [field.text for field in row.fields] for row in sheet.rows}
    assert texts["syscalls"] == ["push 1, pull 2", "–"]
    assert texts["size_limit"] == ["push 16,359 B, pull 1 KiB", "2 KiB"]
    assert texts["lines_kernel"] == ["180"]


def test_every_answer_is_explained_and_no_failure_is_hidden(run: Run) -> None:
    sheet = properties.sheet(run, "ioctl", FOUND)
    assert sheet
    texts = {mode: {one.title: one.text for one in details} for mode, details in sheet.details}
    assert set(texts) == {"direct", "indirect", ""}
    assert texts["direct"]["Cost: system calls"].endswith("(Counted or calculated.)")
    assert texts["direct"]["Messages: order"] == "It was tried: kept."
    assert "The drain did not end. (The probe" in texts["indirect"]["Full queue: new event"]
    assert texts["indirect"]["kernel log"].startswith("The kernel warned.")


def test_the_pages_carry_them(run: Run) -> None:
    folder = render.render([run.path]).parent
    check(folder)
    index = (folder / "index.html").read_text()
    assert "refuses newest" in index
    assert "Since: 1.0\u202f†." in index
    assert "A dagger (†) marks a value from documentation" in index
    assert "channel-ioctl.html#properties" in index
    page = (folder / "channel-ioctl.html").read_text()
    assert "How the values were determined: indirect" in page
    assert "How the values were determined: the channel as a whole" in page
    page = (folder / "channel-signal.html").read_text()
    assert "neither properties nor call trees" in page
    assert "make bench CHANNELS=signal" in page


def test_a_page_without_them_says_so(build_run: Build) -> None:
    folder = render.render([build_run(channels=("ioctl",))]).parent
    assert "This run recorded no properties" in (folder / "index.html").read_text()


ONCE = prop("ioctl", "indirect", "load_parameter", "at load")


def test_what_happens_once_stands_on_its_channels_page_alone(run: Run) -> None:
    recorded = (*FOUND, ONCE)
    matrix, sheet = properties.matrix(run, recorded), properties.sheet(run, "ioctl", recorded)
    assert matrix
    assert sheet
    assert "load_parameter" not in {column.name for column in matrix.columns}
    assert not any("at load" in sentence for sentence in matrix.same)
    (row,) = [row for row in sheet.rows if row.column.name == "load_parameter"]
    assert [field.text for field in row.fields] == ["–", "at load"]


def test_a_mode_that_happens_once_says_so_on_its_page(build_run: Build) -> None:
    path = record(build_run(channels=("ioctl",)), (*FOUND, ONCE))
    document = json.loads((path / "environment.json").read_text())
    (ioctl,) = (each for each in document["channels"]["channels"] if each["name"] == "ioctl")
    ioctl["modes"][1] |= {"operations": {}, "one_shot_reason": "it reaches the module at load"}
    (path / "environment.json").write_text(json.dumps(document))
    folder = render.render([path]).parent
    check(folder)
    page = (folder / "channel-ioctl.html").read_text()
    assert "<strong>One-shot:</strong> It reaches the module at load." in page
