"""What is known of the machine, and what is warned of."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import environment


def test_files_become_fields() -> None:
    files: dict[str, str | None] = dict.fromkeys(environment.PATHS)
    files["/proc/cmdline"] = "quiet nokaslr\n"
    files["/proc/cpuinfo"] = "processor\t: 0\nmodel name\t: A CPU\n"
    files["/sys/devices/system/cpu/vulnerabilities/mds"] = "Not affected\n"
    found = environment.from_files(files)
    assert found["cmdline"] == "quiet nokaslr"
    assert found["cpu_model"] == "A CPU"
    assert found["mitigations"] == {"mds": "Not affected"}
    assert found["governor"] == ""


def test_config_is_selected() -> None:
    text = '# CONFIG_KASAN is not set\nCONFIG_HZ=250\nCONFIG_CC_VERSION_TEXT="gcc 12"\nCONFIG_X=y\n'
    found = environment.select_config(text)
    assert found["CONFIG_HZ"] == "250"
    assert found["CONFIG_KASAN"] == "n"
    assert found["CONFIG_CC_VERSION_TEXT"] == "gcc 12"
    assert "CONFIG_X" not in found


def test_a_missing_config_is_empty(tmp_path: Path) -> None:
    assert environment.read_config(tmp_path / "none") == ""


def test_tools_are_named() -> None:
    assert "python" in environment.tools()


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"forced": True}, "emulator"),
        ({"governor": "powersave"}, "powersave"),
        ({"no_turbo": "0"}, "Turbo"),
        ({"smt": "1"}, "SMT"),
        ({"clocksource": "hpet"}, "hpet"),
        ({"target": "local", "load": "3.10 2 1 1/2 3"}, "load 3.10"),
        ({"boots": 1}, "single boot"),
        ({"config": {"CONFIG_KASAN": "y"}}, "CONFIG_KASAN"),
    ],
)
def test_each_warning_has_its_cause(fields: dict[str, object], word: str) -> None:
    told = list(environment.warnings({"clock": "time", "boots": 3} | fields))
    assert len(told) == 1
    assert word in told[0]


def test_a_good_machine_has_no_warning() -> None:
    quiet = {
        "clock": "time",
        "boots": 5,
        "governor": "performance",
        "no_turbo": "1",
        "smt": "0",
        "clocksource": "tsc",
        "target": "local",
        "load": "0.01 0 0 1/2 3",
    }
    assert list(environment.warnings(quiet)) == []
    assert list(environment.warnings({"clock": "instructions", "boots": 1, "smt": "1"})) == []
