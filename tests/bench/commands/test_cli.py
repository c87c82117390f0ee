# SPDX-License-Identifier: GPL-2.0-only
"""The command line, mostly in separate processes, with the fake target."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from bench.commands.cli import main
from bench.host import knobs
from bench.targets.provision import Provisioner
from tests.bench.host.knobs.tree import CPU, GOOD, plant
from tests.fake_target import FakeProvisioner

ROOT = Path(__file__).resolve().parents[3]
Done = subprocess.CompletedProcess[str]


def start(folder: Path, *words: str, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.fake_ringcross", *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ringcross(folder: Path, *words: str, **env: str) -> Done:
    process = start(folder, *words, **env)
    out, err = process.communicate(timeout=120)
    return Done(words, process.returncode, out, err)


def only_run(folder: Path) -> Path:
    (run,) = (folder / "reports/runs").iterdir()
    return run


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "cells.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_whole_run(tmp_path: Path) -> None:
    done = ringcross(tmp_path, "run", "--no-report", "--boots", "2")
    assert done.returncode == 0, done.stderr
    run = only_run(tmp_path)
    assert "null ioctl" in done.stdout
    assert str(run.relative_to(tmp_path)) in done.stdout
    assert "[22/22]" in done.stderr
    assert "Traceback" not in done.stderr
    table = rows(run)
    assert {row["status"] for row in table} == {"ok", "skip"}
    assert {row["boots"] for row in table if row["status"] == "ok"} == {"2"}
    environment = json.loads((run / "environment.json").read_text())
    assert environment["kernel"] == "6.1.0-fake"
    assert environment["overhead"] == {"read": 2.0, "loop": 3.0}
    assert environment["floors"]["copy"]["8"] == 1.0
    assert environment["config"]["CONFIG_HZ"] == "250"
    assert environment["started"] <= environment["finished"]
    assert any("CONFIG_KASAN" in warning for warning in environment["warnings"])
    assert (run / "kernel.log").read_text().count("=====") == 6  # two boots and the properties
    assert json.loads((run / "properties.json").read_text())["properties"]


def test_pytest_benchmark_reads_what_a_run_saved(tmp_path: Path) -> None:
    assert ringcross(tmp_path, "run", "--no-report", "--channels", "null").returncode == 0
    saved = only_run(tmp_path) / "benchmark.json"
    (call,) = [b for b in json.loads(saved.read_text())["benchmarks"] if b["group"] == "call"]
    # See cost() in tests/fake_target.py: "null" has 4 letters, so 104, 105, 106 instructions.
    assert call["stats"]["min"] == pytest.approx(104e-9)
    assert call["stats"]["median"] == pytest.approx(105e-9)
    assert call["stats"]["rounds"] == 11
    assert call["extra_info"]["unit"] == "instructions"
    assert call["fullname"] == "bench/test_cells.py::test_cell[null-ioctl-call-0]"
    command = [str(Path(sys.executable).with_name("pytest-benchmark")), "compare", str(saved)]
    shown = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert "test_cell[null-ioctl-call-0]" in shown.stdout + shown.stderr


def test_by_hand_with_pytest(tmp_path: Path) -> None:
    """`pytest bench/ --channels=…` works; a plugin installs the fake provisioner."""
    (tmp_path / "fake.py").write_text(
        "import bench.run.campaign\nfrom tests.fake_target import FakeTarget, FakeProvisioner\n"
        "deeds = {'signal-notify': {'status': 'fail', 'reason': 'It broke.'}}\n"
        "bench.run.campaign.Provisioner = lambda *_: FakeProvisioner(FakeTarget(deeds))\n"
    )
    words = [sys.executable, "-m", "pytest", str(ROOT / "bench"), f"--rootdir={ROOT}"]
    words += ["-p", "fake", "-p", "no:cacheprovider", "-rsf", "-k", "not 2048"]
    words += ["--channels=netlink,signal", f"--run-dir={tmp_path / 'run'}"]
    clean = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")}
    env = clean | {"PYTHONPATH": f"{ROOT}:{tmp_path}"}
    done = subprocess.run(words, capture_output=True, text=True, env=env, cwd=tmp_path)
    assert done.returncode == 1, done.stdout
    assert "It broke." in done.stdout
    assert "A socket has no pull." in done.stdout
    table = rows(tmp_path / "run")
    assert {row["channel"] for row in table} == {"netlink", "signal"}
    assert "2048" not in {row["size"] for row in table}
    assert (tmp_path / "run/benchmark.json").exists()


def test_a_failed_cell_is_one_and_a_row(tmp_path: Path) -> None:
    done = ringcross(tmp_path, "run", "--no-report", FAKE_DEEDS="signal-notify=fail")
    assert done.returncode == 1
    assert "signal-realtime-notify-4 failed: The body was wrong." in done.stderr
    assert [r["reason"] for r in rows(only_run(tmp_path)) if r["status"] == "fail"] == [
        "The body was wrong."
    ]


def test_a_panic_does_not_end_the_run(tmp_path: Path) -> None:
    done = ringcross(tmp_path, "run", "--no-report", FAKE_DEEDS="netlink-push=panic")
    assert done.returncode == 1
    table = rows(only_run(tmp_path))
    assert len([row for row in table if "BUG: fake" in row["reason"]]) == 2
    assert len(table) == 28


def test_too_many_panics_end_it_and_it_can_go_on(tmp_path: Path) -> None:
    deeds = "netlink-push=panic,netlink-call=panic,netlink-notify=panic,netlink-stream=panic"
    done = ringcross(tmp_path, "run", "--no-report", "--channels", "netlink", FAKE_DEEDS=deeds)
    assert done.returncode == 3
    run = only_run(tmp_path)
    assert "died 3 times in a row" in done.stderr
    assert f"kept in {run.relative_to(tmp_path)}" in done.stderr
    assert ringcross(tmp_path, "run", "--no-report", "--resume", str(run)).returncode == 1
    assert [row["status"] for row in rows(run)].count("fail") == 3


def test_a_target_that_cannot_be_had_is_three(tmp_path: Path) -> None:
    done = ringcross(tmp_path, "run", "--no-report", FAKE_DEEDS="boot=never")
    assert done.returncode == 3
    assert done.stderr.count("did not come up") == 1
    assert "Traceback" not in done.stderr


def test_a_full_disk_is_four_and_keeps_rows(tmp_path: Path) -> None:
    done = ringcross(tmp_path, "run", "--no-report", FAKE_DEEDS="netlink-stream=full")
    assert done.returncode == 4
    assert "No space left" in done.stderr
    assert len(rows(only_run(tmp_path))) > 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_and_resumed(tmp_path: Path, number: int) -> None:
    process = start(tmp_path, "run", "--no-report", FAKE_SLOW="0.3")
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("[3/"):
            break
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    run = only_run(tmp_path)
    assert process.returncode == 130, err
    assert f"--resume {run.relative_to(tmp_path)}" in err
    assert "Traceback" not in err
    before = rows(run)
    assert 3 <= len([row for row in before if row["status"] == "ok"]) < 16
    assert (run / "samples.parquet").exists()

    done = ringcross(tmp_path, "run", "--no-report", "--resume", str(run))
    assert done.returncode == 0, done.stderr
    after = rows(run)
    assert after[: len(before)] == before
    assert len([row for row in after if row["status"] == "ok"]) == 11
    benchmarks = json.loads((run / "benchmark.json").read_text())["benchmarks"]
    assert len(benchmarks) == 11
    again = ringcross(tmp_path, "run", "--resume", str(run))
    assert again.returncode == 2
    assert "is complete" in again.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_every_command_tidies_up_when_it_is_ended(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    ended = click.Command("ended", callback=lambda: signal.raise_signal(number))
    monkeypatch.setitem(main.commands, "ended", ended)
    before = signal.getsignal(number)
    assert CliRunner().invoke(main, ["ended"]).exit_code == 130
    assert signal.getsignal(number) == before


def test_a_dry_run_of_a_set_names_its_runs(tmp_path: Path) -> None:
    (tmp_path / "set.json").write_text("{}")
    done = CliRunner().invoke(main, ["run", "--dry-run", "--resume", str(tmp_path)])
    assert done.exit_code == 2
    assert "is a run set" in done.output


def test_killed_and_resumed(tmp_path: Path) -> None:
    process = start(tmp_path, "run", "--no-report", FAKE_SLOW="0.2")
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("[4/"):
            break
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    run = only_run(tmp_path)
    assert len([row for row in rows(run) if row["status"] == "ok"]) >= 4
    environment = json.loads((run / "environment.json").read_text())
    assert environment["cpu_model"] == "Fake CPU"
    assert environment["finished"] is None
    assert ringcross(tmp_path, "run", "--no-report", "--resume", str(run)).returncode == 0
    assert len(rows(run)) == 28


def test_two_runs_of_one_seed_are_equal(tmp_path: Path) -> None:
    for name in ("a", "b"):
        words = ("run", "--no-report", "--seed", "7", "--run-dir", name)
        assert ringcross(tmp_path, *words).returncode == 0
    assert (tmp_path / "a/cells.csv").read_bytes() == (tmp_path / "b/cells.csv").read_bytes()


def test_json_is_all_that_is_printed(tmp_path: Path) -> None:
    done = ringcross(tmp_path, "run", "--no-report", "--channels", "null", "--json")
    assert json.loads(done.stdout)["failed"] == []


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["run", "--channels", "netlnk"], 2, "Did you mean netlink?"),
        (["run", "--plan", "fast"], 2, "Known: quick, standard, full"),
        (["run", "--sizes", "8x"], 2, "is not a size"),
        (["run", "--resume", "nowhere"], 2, "There is no run folder nowhere"),
        (["report"], 2, "too few runs (0 of 1)"),
        (["compare", "a"], 2, "needs two run folders, but 1 given"),
        (["run", "--clock", "sundial"], 2, "sundial"),
        (["nonsense"], 2, "No such command"),
    ],
)
def test_wrong_usage_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bench.run.campaign.Provisioner", lambda *_: FakeProvisioner())
    done = CliRunner().invoke(main, words)
    assert done.exit_code == code
    assert message in done.output
    assert not (tmp_path / "reports").exists()


def test_nothing_begun_leaves_no_folder(tmp_path: Path) -> None:
    done = ringcross(tmp_path, "run", "--no-report", FAKE_DEEDS="start=never")
    assert done.returncode == 3
    assert not list((tmp_path / "reports/runs").iterdir())


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = ringcross(tmp_path, "--debug", "run", "--plan", "fast")
    assert "Traceback" in done.stderr


def test_compare_ends_with_what_it_found(tmp_path: Path) -> None:
    """The exit code is 0, 1 if a cell is slower than allowed, 2 if runs cannot be compared."""
    for name, words in {"a": [], "b": ["--seed", "2"]}.items():
        done = ringcross(tmp_path, "run", "--no-report", "--run-dir", name, *words)
        assert done.returncode == 0, done.stderr
    same = ringcross(tmp_path, "compare", "a", "b", "--fail-above", "0%")
    assert same.returncode == 0, same.stderr
    assert "0 of 11 cells changed" in same.stdout
    assert "Differs: seed: 1 → 2" in same.stdout
    assert "Geometric means of b / a: push 1.0000×" in same.stdout

    alter(tmp_path / "b", "netlink", 1.5)
    slower = ringcross(tmp_path, "compare", "a", "b", "--fail-above", "20%", "--json")
    assert slower.returncode == 1
    assert "netlink unicast push 8 B is slower by 50.0 %." in slower.stderr
    comparison = json.loads(slower.stdout)
    assert {row["channel"] for row in comparison["rows"] if row["verdict"] == "slower"} == {
        "netlink"
    }
    assert ringcross(tmp_path, "compare", "a", "b", "--fail-above", "60%").returncode == 0
    assert ringcross(tmp_path, "compare", "a", "b").returncode == 0

    alter(tmp_path / "b", "netlink", 1.0, clock="time")
    other = ringcross(tmp_path, "compare", "a", "b")
    assert other.returncode == 2
    assert "no ratio between the two" in other.stderr


def alter(run: Path, channel: str, factor: float, clock: str = "instructions") -> None:
    """Multiply all costs of a channel by *factor*, and record *clock* as the clock of the run."""
    table = rows(run)
    for row in table:
        row["clock"] = clock
        for name in ("min", "median", "ci_low", "ci_high"):
            if row["channel"] == channel and row[name]:
                row[name] = str(float(row[name]) * factor)
    with (run / "cells.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        writer.writerows(table)
    environment = json.loads((run / "environment.json").read_text()) | {"clock": clock}
    (run / "environment.json").write_text(json.dumps(environment))
    (run / "rounds.parquet").unlink(missing_ok=True)


def test_list_has_reasons_and_json(tmp_path: Path) -> None:
    assert "netlink has no pull: A socket has no pull." in ringcross(tmp_path, "list").stdout
    listing = json.loads(ringcross(tmp_path, "list", "--json").stdout)
    assert [channel["name"] for channel in listing["channels"]] == ["null", "netlink", "signal"]


def test_list_tells_what_happens_once(monkeypatch: pytest.MonkeyPatch) -> None:
    mode = {"name": "boot", "operations": {}, "one_shot_reason": "It reaches the module at load."}
    channel = {"name": "modparam", "summary": "", "unsupported_reason": {}, "modes": [mode]}
    monkeypatch.setattr(Provisioner, "listing", lambda self: {"channels": [channel]})
    result = CliRunner().invoke(main, ["list"])
    assert "modparam boot is one-shot: It reaches the module at load." in result.stdout


def test_list_tells_what_figures_do_not_contain(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {"min": 0, "max": 8, "limit": "A slot.", "excludes": ["copy"]}
    operations = {"push": limits, "pull": {**limits, "excludes": []}, "call": limits}
    mode = {"name": "ring", "operations": operations}
    channel = {"name": "mmap", "summary": "", "unsupported_reason": {}, "modes": [mode]}
    monkeypatch.setattr(Provisioner, "listing", lambda self: {"channels": [channel]})
    result = CliRunner().invoke(main, ["list"])
    assert "mmap ring push, call, not contained: nobody copies the body" in result.stdout


def test_export_is_rows(tmp_path: Path) -> None:
    ringcross(tmp_path, "run", "--no-report", "--channels", "null", "--run-dir", "r")
    records = json.loads(ringcross(tmp_path, "export", "r", "--format", "json").stdout)
    assert {record["channel"] for record in records} == {"null"}
    assert ringcross(tmp_path, "export", "r").stdout.startswith("channel,operation,size")


def test_export_of_a_damaged_folder_ends_with_5(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r/cells.csv").write_text("channel\n")
    done = ringcross(tmp_path, "export", "r")
    assert done.returncode == 5
    assert "has no column" in done.stderr


def test_doctor_sets_knobs_and_says_how_to_undo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    governor = f"{CPU}/cpu0/cpufreq/scaling_governor"
    root = plant(tmp_path / "root", {**GOOD, governor: "powersave"})
    kept = tmp_path / "kept"
    real = knobs.apply, knobs.undo
    monkeypatch.setattr(knobs, "apply", lambda which: real[0](which, root, kept))
    monkeypatch.setattr(knobs, "undo", lambda: real[1](root, kept))
    done = CliRunner().invoke(main, ["doctor", "--apply"])
    assert done.exit_code == 0
    assert f"set     {governor} (was powersave)" in done.stdout
    assert "ringcross doctor --undo" in done.stdout
    again = CliRunner().invoke(main, ["doctor", "--apply"])
    assert "nothing to set" in again.stdout
    as_json = CliRunner().invoke(main, ["doctor", "--apply", "--json"])
    assert json.loads(as_json.stdout) == {"before": {}, "refused": {}}
    undone = CliRunner().invoke(main, ["doctor", "--undo"])
    assert f"set     {governor} (is powersave again)" in undone.stdout
    assert CliRunner().invoke(main, ["doctor", "--undo"]).exit_code == 2
    assert CliRunner().invoke(main, ["doctor", "--undo", "--apply"]).exit_code == 2


@pytest.mark.parametrize("command", ["", *main.commands])
def test_every_help_teaches(command: str) -> None:
    words = [command] if command else []
    result = CliRunner().invoke(main, [*words, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output
    explanation = result.output.split("Options:")[0].split("\n", 2)[2]
    assert f"ringcross {command}" in explanation, "an example"
    assert "`" not in result.output
    assert "Exit codes" in result.output
    assert ("130  interrupted" in result.output) != bool(command), "documented in one place"


def test_pytest_options_of_the_user_do_not_reach_a_run(tmp_path: Path) -> None:
    """PYTEST_ADDOPTS and PYTEST_PLUGINS are meant for other tests of the user."""
    variables = {"PYTEST_ADDOPTS": "-k nothing --maxfail=1", "PYTEST_PLUGINS": "no_such_plugin"}
    done = ringcross(tmp_path, "run", "--no-report", **variables)
    assert done.returncode == 0, done.stderr
    assert (only_run(tmp_path) / "benchmark.json").exists()


def test_pytest_files_and_plugins_of_the_user_do_not_reach_a_run(tmp_path: Path) -> None:
    """Files of pytest in the working directory, and a plugin that drops all tests."""
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    (tmp_path / "tox.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    (tmp_path / "conftest.py").write_text("raise SystemExit('The wrong conftest.py.')\n")
    (tmp_path / "plugin.py").write_text(
        "def pytest_collection_modifyitems(items):\n    items.clear()\n"
    )
    installed = tmp_path / "plugin-1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1\n")
    (installed / "entry_points.txt").write_text("[pytest11]\nplugin = plugin\n")
    done = ringcross(tmp_path, "run", "--no-report", PYTHONPATH=f"{ROOT}:{tmp_path}")
    assert done.returncode == 0, done.stderr
    assert (only_run(tmp_path) / "benchmark.json").exists()


@pytest.mark.parametrize("option", ["--boots=0", "--loads=-1", "--boots=101", "--seed=-1"])
def test_numbers_out_of_range_are_wrong_usage_of_pytest_too(tmp_path: Path, option: str) -> None:
    words = [sys.executable, "-m", "pytest", str(ROOT / "bench"), f"--rootdir={ROOT}", option]
    env = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(words, capture_output=True, text=True, env=env, cwd=tmp_path)
    assert done.returncode == 4
    assert "is not a whole number from" in done.stderr


@pytest.mark.parametrize("seed", ["-1", str(2**64)])
def test_a_seed_that_qemu_refuses_is_wrong_usage(tmp_path: Path, seed: str) -> None:
    done = ringcross(tmp_path, "run", "--no-report", "--seed", seed)
    assert done.returncode == 2
    assert "--seed" in done.stderr
    assert not (tmp_path / "reports").exists()


def test_a_dry_run_boots_and_records_nothing(tmp_path: Path) -> None:
    done = ringcross(
        tmp_path, "run", "--dry-run", "--channels", "netlink", FAKE_DEEDS="netlink-push=never"
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "reports").exists()
    assert "netlink" in done.stdout
    assert "1 skipped: A socket has no pull." in done.stdout
    assert "from usual costs, because reports/runs/ has no finished run" in done.stdout
    assert "Nothing was measured." in done.stdout


def test_a_dry_run_lists_what_the_run_then_measures(tmp_path: Path) -> None:
    words = ("run", "--channels", "netlink", "--no-report", "--no-explore")
    planned = json.loads(ringcross(tmp_path, *words, "--dry-run", "--json").stdout)
    assert ringcross(tmp_path, *words, FAKE_SLOW="0.2").returncode == 0
    table = rows(only_run(tmp_path))
    assert len(planned["measure"]) == sum(row["status"] != "skip" for row in table)
    assert [skip["reason"] for skip in planned["skip"]] == [
        row["reason"] for row in table if row["status"] == "skip"
    ]
    again = json.loads(ringcross(tmp_path, *words, "--dry-run", "--json").stdout)
    assert "from 1 recorded run with plan quick" in again["source"]


def test_a_failed_run_names_the_kernels_log(tmp_path: Path) -> None:
    done = ringcross(tmp_path, "run", "--no-report", FAKE_DEEDS="netlink-push=fail")
    assert done.returncode == 1
    assert f"Kernel log: {only_run(tmp_path).relative_to(tmp_path)}/kernel.log" in done.stderr


def test_rendering_shows_that_it_works(tmp_path: Path) -> None:
    words = ("run", "--channels", "null", "--no-explore")
    done = ringcross(tmp_path, *words)
    assert done.returncode == 0, done.stderr
    assert f"Rendering the report of {only_run(tmp_path).name}" in done.stderr
