# SPDX-License-Identifier: GPL-2.0-only
"""``ringcross run`` with several kernels or parameters, with the fake target."""

from __future__ import annotations

import json
from pathlib import Path

from tests.bench.commands.test_cli import only_run, ringcross, rows

WORDS = ("run", "--channels", "null", "--append", "none | mitigations=off")


def test_each_variant_has_its_run_and_one_page_shows_all(tmp_path: Path) -> None:
    done = ringcross(tmp_path, *WORDS, "--kernel", "6.1,6.12")
    assert done.returncode == 0, done.stderr
    folder = only_run(tmp_path)
    runs = sorted(path.parent.name for path in folder.glob("*/cells.csv"))
    off = "mitigations=off"
    assert runs == ["1-6.1", f"2-6.1-{off}", "3-6.12", f"4-6.12-{off}"]
    assert "Run 2 of 4: kernel 6.1 with mitigations=off" in done.stderr
    assert "4 of 4 runs" in done.stdout
    page = (folder / "index.html").read_text()
    assert "4 runs side by side" in page
    for letters in ("a-b", "b-c", "c-d"):
        assert (folder / letters / "index.html").exists()
        assert f'href="{letters}/index.html"' in page


def test_json_names_every_run(tmp_path: Path) -> None:
    done = ringcross(tmp_path, *WORDS, "--json", "--no-report")
    result = json.loads(done.stdout)
    assert [Path(run).name for run in result["runs"]] == ["1-stock", "2-stock-mitigations=off"]
    assert result["report"] is None
    assert result["failed"] == []


def test_a_misspelt_kernel_is_found_before_anything_is_measured(tmp_path: Path) -> None:
    done = ringcross(tmp_path, "run", "--kernel", "6.1,unknown")
    assert done.returncode == 2
    assert "There is no kernel 'unknown'" in done.stderr
    assert list((tmp_path / "reports/runs").iterdir()) == []


def test_an_interrupted_set_is_continued(tmp_path: Path) -> None:
    words = ("run", "--channels", "null,netlink", "--kernel", "6.1,6.12", "--no-report")
    done = ringcross(tmp_path, *words, FAKE_DEEDS="netlink-push=interrupt")
    folder = only_run(tmp_path)
    assert done.returncode == 130
    command = f"ringcross run --resume {folder.relative_to(tmp_path)}"
    assert command in done.stderr
    assert not (folder / "2-6.12").exists()
    done = ringcross(tmp_path, *command.split()[1:], "--no-report")
    assert done.returncode == 0, done.stderr
    for run in ("1-6.1", "2-6.12"):
        assert {row["status"] for row in rows(folder / run)} == {"ok", "skip"}
        assert not (folder / run / "journal.jsonl").exists()


def test_a_run_that_fails_does_not_end_the_set(tmp_path: Path) -> None:
    words = ("run", "--channels", "null,netlink", "--kernel", "6.1,6.12", "--no-report")
    done = ringcross(tmp_path, *words, FAKE_DEEDS="netlink-push=fail")
    assert done.returncode == 1
    assert "6.1: netlink" in done.stderr
    assert "6.12: netlink" in done.stderr
    assert len(list(only_run(tmp_path).glob("*/cells.csv"))) == 2


def test_if_no_machine_comes_up_nothing_is_left(tmp_path: Path) -> None:
    done = ringcross(tmp_path, "run", "--kernel", "6.1,6.12", FAKE_DEEDS="start=never")
    assert done.returncode == 3
    assert "did not come up" in done.stderr
    assert list((tmp_path / "reports/runs").iterdir()) == []


def test_the_local_target_has_one_kernel(tmp_path: Path) -> None:
    done = ringcross(tmp_path, "run", "--target", "local", "--kernel", "6.1,6.12")
    assert done.returncode == 2
    assert "--target vm" in done.stderr


def test_report_and_compare_find_the_runs_of_a_set(tmp_path: Path) -> None:
    assert ringcross(tmp_path, *WORDS, "--no-report").returncode == 0
    done = ringcross(tmp_path, "compare")
    assert done.returncode == 0, done.stderr
    assert "2-stock-mitigations=off" in done.stdout
