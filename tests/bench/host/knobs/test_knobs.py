# SPDX-License-Identifier: GPL-2.0-only
"""Each knob on described machines: good, poor and unknown settings."""

from __future__ import annotations

import re

import pytest

from bench.host import knobs
from bench.host.knobs.base import Knob, format_cpus, parse_cpus, show
from tests.bench.host.knobs.tree import CPU, GOOD

CLOCK = "/sys/devices/system/clocksource/clocksource0"
VIRTUAL = "flags\t: fpu hypervisor tsc\nmicrocode\t: 0x1\n"

POOR = [
    ("governor", {f"{CPU}/cpu1/cpufreq/scaling_governor": "powersave\n"}, "powersave"),
    ("turbo", {f"{CPU}/intel_pstate/no_turbo": "0\n"}, "Turbo"),
    ("turbo", {f"{CPU}/intel_pstate/no_turbo": "", f"{CPU}/cpufreq/boost": "1\n"}, "Turbo"),
    ("SMT", {f"{CPU}/smt/active": "1\n"}, "SMT"),
    ("idle states", {f"{CPU}/cpu0/cpuidle/state2/disable": "0\n"}, "133 µs to leave"),
    ("microcode", {"/proc/cpuinfo": "microcode\t: 0x1\nmicrocode\t: 0x2\n"}, "different microcode"),
    ("hypervisor", {"/proc/cpuinfo": VIRTUAL}, "itself virtual"),
    ("hypervisor", {"/sys/hypervisor/type": "xen\n"}, "itself virtual"),
    ("mitigations", {"/proc/cmdline": "quiet mitigations=off\n"}, "switched off"),
    ("clock source", {f"{CLOCK}/current_clocksource": "hpet\n"}, "hpet"),
    ("kernel config", {"config": "CONFIG_KASAN=y\nCONFIG_HZ=250\n"}, r"\(CONFIG_KASAN\)"),
    ("address layout", {"/proc/sys/kernel/randomize_va_space": "0\n"}, "not random"),
    ("swap", {"/proc/swaps": "Filename\n/dev/sda2 partition 999 2048 -2\n"}, "swapped out"),
    ("perf events", {"/proc/sys/kernel/nmi_watchdog": "1\n"}, "NMI watchdog"),
    ("load", {"/proc/loadavg": "3.10 2 1 1/2 3\n"}, r"load 3\.10"),
    ("stolen time", {"/proc/stat": "cpu 100 0 50 9 1 0 0 40 0 0\n"}, r"21\.1%"),
    ("isolated CPUs", {f"{CPU}/isolated": "\n"}, "No CPU is isolated"),
    ("isolated CPUs", {f"{CPU}/nohz_full": "\n"}, "timer tick"),
    ("interrupt affinity", {"/proc/irq/24/smp_affinity_list": "0-1\n"}, "1 device interrupts"),
]

SET = [
    ("governor", {f"{CPU}/cpu1/cpufreq/scaling_governor": "schedutil"}, "performance"),
    ("turbo", {f"{CPU}/intel_pstate/no_turbo": "0"}, "1"),
    ("turbo", {f"{CPU}/cpufreq/boost": "1"}, "0"),
    ("SMT", {f"{CPU}/smt/control": "on"}, "off"),
    ("idle states", {f"{CPU}/cpu0/cpuidle/state2/disable": "0"}, "1"),
    ("clock source", {f"{CLOCK}/current_clocksource": "hpet"}, "tsc"),
    ("address layout", {"/proc/sys/kernel/randomize_va_space": "1"}, "2"),
    ("perf events", {"/proc/sys/kernel/nmi_watchdog": "1"}, "0"),
    ("interrupt affinity", {"/proc/irq/24/smp_affinity_list": "0-1"}, "0"),
]


def named(name: str) -> Knob:
    (knob,) = (knob for knob in knobs.every() if knob.name == name)
    return knob


def test_every_knob_is_here() -> None:
    """Each knob has a unique name, and :data:`POOR` has a case for it."""
    names = {knob.name for knob in knobs.every()}
    assert len(names) == len(knobs.every())
    assert names == {name for name, _, _ in POOR}


@pytest.mark.parametrize("knob", knobs.every(), ids=lambda knob: knob.name)
def test_a_good_machine_has_no_warning(knob: Knob) -> None:
    report = show(knob, GOOD, here=True)
    assert (report.state, report.warning, report.settable) == ("good", "", False)
    assert report.found
    assert knob.changes(GOOD) == {}


@pytest.mark.parametrize("knob", knobs.every(), ids=lambda knob: knob.name)
def test_a_machine_that_tells_nothing_is_not_blamed(knob: Knob) -> None:
    for files in ({}, dict.fromkeys(GOOD), dict.fromkeys(GOOD, "")):
        report = show(knob, files)
        assert report.state in ("unknown", "good") or knob.name == "isolated CPUs"
        assert knob.changes(files) == {}
    assert show(knob, {}).state == "unknown"


@pytest.mark.parametrize(("name", "files", "word"), POOR)
def test_each_warning_has_its_cause(name: str, files: dict[str, str], word: str) -> None:
    report = show(named(name), {**GOOD, **files})
    assert report.state == "poor"
    assert re.search(word, report.warning)
    assert report.warning.endswith(".")
    assert ": " in report.warning, "the problem, then the advice"


@pytest.mark.parametrize(("name", "files", "value"), SET)
def test_what_can_be_set_is_set_to_what_is_good(
    name: str, files: dict[str, str], value: str
) -> None:
    knob = named(name)
    before = {path: text for path, text in GOOD.items() if "no_turbo" not in path}
    before |= files
    changes = knob.changes(before)
    assert changes == dict.fromkeys(files, value)
    active = {f"{CPU}/smt/active": "0"} if name == "SMT" else {}
    assert show(knob, {**before, **changes, **active}).state == "good"


def test_only_this_machines_knobs_are_for_the_doctor_to_set() -> None:
    files = {**GOOD, f"{CLOCK}/current_clocksource": "hpet"}
    assert "doctor --apply" in show(named("clock source"), files, here=True).warning
    assert "doctor" not in show(named("clock source"), files).warning


def test_no_clock_source_is_set_that_the_kernel_does_not_offer() -> None:
    files = {f"{CLOCK}/current_clocksource": "hpet", f"{CLOCK}/available_clocksource": "hpet"}
    assert named("clock source").changes(files) == {}


def test_interrupts_are_not_sent_nowhere() -> None:
    """If all CPUs are isolated, no CPU is left for the interrupts."""
    files = {**GOOD, f"{CPU}/isolated": "0-1", "/proc/irq/24/smp_affinity_list": "0-1"}
    assert named("interrupt affinity").changes(files) == {}


def test_only_the_kernel_matters_to_counted_instructions() -> None:
    assert knobs.every("instructions", "machine") == ()
    assert {knob.name for knob in knobs.every("instructions")} == {"mitigations", "kernel config"}
    assert len(knobs.every("time")) == len(knobs.every())


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("", set()), ("0", {0}), ("0-2,7", {0, 1, 2, 7}), ("1,3-4\n", {1, 3, 4}), ("x,2", {2})],
)
def test_lists_of_cpus(text: str, numbers: set[int]) -> None:
    assert parse_cpus(text.strip()) == numbers
    assert parse_cpus(format_cpus(numbers)) == numbers


def test_lists_of_cpus_are_written_as_the_kernel_does() -> None:
    assert format_cpus({0, 1, 2, 7, 9, 10}) == "0-2,7,9-10"
