# SPDX-License-Identifier: GPL-2.0-only
"""Several runs side by side: labels, order, missing numbers, and reasons by call trees."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from reports.pages import render
from tests.reports.pages.test_render import check
from tests.reports.pages.test_xray import node, operation, record

Build = Callable[..., Path]
NAMES = ("null", "ioctl")


def environment(run: Path, **fields: str) -> None:
    path = run / "environment.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def text_of(page: Path) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.read_text(encoding="utf-8")))


def make_runs(make_run: Build, folder: Path) -> list[Path]:
    """Two kernels; the second one checks something in ``vfs_read``."""
    first = make_run(folder / "first", channels=NAMES)
    second = make_run(folder / "second", channels=NAMES)
    environment(first, kernel="6.1.0", cmdline="quiet")
    environment(second, kernel="6.12.0", cmdline="quiet mitigations=off")
    before = node("operation", "entry", 200, node("vfs_read", "vfs", 790))
    check_call = node("security_check", "vfs", 90)
    after = node("operation", "entry", 200, node("vfs_read", "vfs", 790, check_call))
    record(first, operation("ioctl", "direct", "push", before))
    record(second, operation("ioctl", "direct", "push", after, untraced=1080.0))
    return [first, second]


@pytest.fixture(scope="module")
def page(make_run: Build, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of both runs, and of the first one again."""
    folder = tmp_path_factory.mktemp("beside")
    first, second = make_runs(make_run, folder)
    return render.render([first, second, first], folder / "out")


def test_runs_are_named_by_what_distinguishes_them(page: Path) -> None:
    check(page.parent)
    text = text_of(page)
    assert "A is 6.1.0, B is 6.12.0 mitigations=off, C is 6.1.0." in text
    assert "A → B: 6.1.0 → 6.12.0 mitigations=off" in text


def test_the_call_trees_say_why_a_cost_moved(page: Path) -> None:
    text = text_of(page)
    assert "A → B: +90 (+9.1 %), of these +90 in security_check, new" in text
    assert "B → C: −90 (-8.3 %), of these −90 in security_check, gone" in text
    assert "By kind: VFS and security +90." in text
    assert "no call trees of this operation" in text, "only the push of ioctl has one"
    assert "+90 security_check new, +9.1 %" in text


def test_a_tree_of_another_cost_than_the_cell_is_told(page: Path) -> None:
    assert "A call tree shows one operation alone (990 → 1,080 → 990)." in text_of(page)


def test_each_run_has_its_comparison_with_the_one_before(page: Path) -> None:
    for folder in ("a-b", "b-c"):
        assert (page.parent / folder / "index.html").exists()
        assert f'href="{folder}/index.html"' in page.read_text()


def test_equal_trees_a_run_without_trees_and_a_cell_of_one_run(
    make_run: Build, tmp_path: Path
) -> None:
    first, second = make_runs(make_run, tmp_path)
    third = make_run(tmp_path / "third", channels=NAMES)
    (second / "xray.json").write_text((first / "xray.json").read_text())
    cells = third / "cells.csv"
    kept = [line for line in cells.read_text().splitlines() if not line.startswith("null,")]
    cells.write_text("\n".join(kept) + "\n")
    (third / "xray.json").unlink(missing_ok=True)
    page = render.render([first, second, third], tmp_path / "out")
    check(page.parent)
    assert "This run did not measure this cell." in page.read_text()
    assert "of these" not in text_of(page)
