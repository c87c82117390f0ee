# SPDX-License-Identifier: GPL-2.0-only
"""The tables of README and docs/results are those that ``make results`` makes from the data."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bench.commands import publish
from bench.paths import ROOT
from reports.data.run import load_run
from reports.pages.render import render

RUN = load_run(publish.RESULTS / "data")


@pytest.mark.parametrize("path", publish.documents(RUN), ids=lambda path: path.name)
def test_tables_are_those_of_the_data(path: Path) -> None:
    """After a change: `python -m bench.commands.publish --tables`."""
    assert path.read_text() == publish.documents(RUN)[path]


def test_the_results_have_every_channel_of_the_readme() -> None:
    assert {channel.name for channel in RUN.channels} >= set(publish.SHOWN)


def test_the_sample_is_a_run_that_renders(tmp_path: Path) -> None:
    page = render([publish.SAMPLE / "run"], tmp_path)
    assert {path.name for path in page.parent.iterdir()} == {
        path.name for path in (publish.SAMPLE / "report").iterdir()
    }


def test_what_is_published_names_no_folder_of_a_machine() -> None:
    environment = {
        "session": {"command_line": "/usr/bin/qemu /home/me/x", "seed": 1},
        "version": "Linux version 6.1.0-56-amd64 (builder@host) (gcc-12) #1 SMP",
    }
    assert publish.public(environment) == {
        "session": {"seed": 1},
        "version": "Linux version 6.1.0-56-amd64",
    }
    for folder in (publish.RESULTS, publish.SAMPLE):
        for path in folder.rglob("*"):
            if path.suffix in (".json", ".csv", ".md", ".html"):
                text = path.read_text()
                assert not re.search(r"/(?:home|root|tmp)/\w", text), path
                assert str(ROOT) not in text, path


def test_the_sample_states_its_format() -> None:
    environment = json.loads((publish.SAMPLE / "run/environment.json").read_text())
    assert environment["format"] == 2
