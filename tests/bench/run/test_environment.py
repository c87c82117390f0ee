# SPDX-License-Identifier: GPL-2.0-only
"""Fields of ``environment.json``, and the warnings made from them."""

from __future__ import annotations

from typing import Any

import pytest

from bench.host import knobs
from bench.host.knobs import KnobReport
from bench.plan.cells import Clock
from bench.run import environment
from tests.bench.host.knobs.tree import GOOD


def test_files_become_fields() -> None:
    files: dict[str, str | None] = dict.fromkeys(environment.PATHS)
    files["/proc/cmdline"] = "quiet nokaslr\n"
    files["/proc/cpuinfo"] = "processor\t: 0\nmodel name\t: A CPU\n"
    files["/sys/devices/system/cpu/vulnerabilities/mds"] = "Not affected\n"
    values = environment.from_files(files)
    assert values["cmdline"] == "quiet nokaslr"
    assert values["cpu_model"] == "A CPU"
    assert values["mitigations"] == {"mds": "Not affected"}
    assert values["governor"] == ""


def test_config_is_selected() -> None:
    text = '# CONFIG_KASAN is not set\nCONFIG_HZ=250\nCONFIG_CC_VERSION_TEXT="gcc 12"\nCONFIG_X=y\n'
    config = environment.select_config(text)
    assert config["CONFIG_HZ"] == "250"
    assert config["CONFIG_KASAN"] == "n"
    assert config["CONFIG_CC_VERSION_TEXT"] == "gcc 12"
    assert "CONFIG_X" not in config


def test_tools_are_named() -> None:
    assert "python" in environment.tools()


def states(clock: Clock, **changed: str) -> list[KnobReport]:
    """Knob states of a good machine with some files ``changed``, given by their last path part."""
    files: dict[str, str | None] = {
        path: changed.get(path.rpartition("/")[2], text) for path, text in GOOD.items()
    }
    return environment.knob_states(clock, files, {"CONFIG_KASAN": changed.get("kasan", "n")}, files)


def test_all_knobs_are_recorded_under_time_and_the_kernels_under_instructions() -> None:
    assert len(states("time")) == len(knobs.every())
    names = {knob.name for knob in states("instructions")}
    assert names == {"mitigations", "kernel config"}
    assert {knob.state for knob in states("time")} == {"good"}


def test_a_host_that_was_not_looked_at_is_not_told_of() -> None:
    shown = environment.knob_states("time", {}, {}, None)
    assert {knob.place for knob in shown} == {"kernel"}


def test_warnings_of_knobs_are_warnings_of_the_run() -> None:
    poor = [knob.to_json() for knob in states("time", loadavg="3.1 1 1 1/2 3", kasan="y")]
    warnings = list(environment.warnings({"clock": "time", "boots": 3, "knobs": poor}))
    assert len(warnings) == 2
    assert "CONFIG_KASAN" in warnings[0]
    assert "load 3.1" in warnings[1]


def test_the_agent_reads_what_the_kernels_knobs_look_at() -> None:
    assert "/proc/sys/kernel/randomize_va_space" in environment.PATHS
    assert "/sys/devices/system/cpu/vulnerabilities/meltdown" in environment.PATHS
    assert not any("*" in path or not path.startswith("/") for path in environment.PATHS)


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"forced": True}, "emulator"),
        ({"boots": 1}, "single boot"),
        ({"overhead": {"read": 20.0, "loop": 0.3}}, "too noisy"),
        (
            {"marked": {"cells": 40, "imprecise": 3}},
            "3 of 40 cells have an interval wider than 5",
        ),
        ({"marked": {"cells": 40, "differs": 2}}, "2 of 40 cells differ by more than 0.5 %"),
    ],
)
def test_each_warning_has_its_cause(fields: dict[str, object], word: str) -> None:
    warnings = list(environment.warnings({"clock": "time", "boots": 3} | fields))
    assert len(warnings) == 1
    assert word in warnings[0]


def test_wide_intervals_name_the_knobs_that_would_help() -> None:
    """Settable knobs come first, then the other poor knobs, then more boots."""
    poor = states("time", loadavg="3.1 1 1 1/2 3", scaling_governor="powersave")
    env = {"clock": "time", "boots": 3, "marked": {"cells": 9, "imprecise": 1}}
    first = next(environment.warnings(env | {"knobs": [knob.to_json() for knob in poor]}))
    places = [first.index(word) for word in ("governor (", "load (", "--boots 6")]
    assert places == sorted(places)
    assert "--boots 6" in next(environment.warnings(env))


def test_a_noisy_machine_is_reported() -> None:
    env = {"clock": "time", "boots": 5, "noise": {"pace": 0.31}}
    (warning,) = environment.warnings(env)
    assert "its speed changed by 31 % during the run" in warning
    assert list(environment.warnings(env | {"noise": {"pace": 0.04}})) == []
    assert list(environment.warnings(env | {"noise": {"pace": None}})) == []


def test_who_asked_for_a_precision_is_not_advised_to() -> None:
    env = {"clock": "time", "boots": 5, "marked": {"cells": 9, "imprecise": 1}}
    assert "--precision 2%" in next(environment.warnings(env))
    noise: dict[str, Any] = {"pace": None, "precision": 0.02, "budget": 60, "unreached": []}
    assert "--precision" not in next(environment.warnings(env | {"noise": noise}))


def test_a_good_run_has_no_warning() -> None:
    overhead = {"overhead": {"read": 20.0, "loop": 0.3, "min_round": 10000.0}}
    assert list(environment.warnings({"clock": "time", "boots": 5} | overhead)) == []
    assert list(environment.warnings({"clock": "instructions", "boots": 1})) == []
