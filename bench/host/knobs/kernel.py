# SPDX-License-Identifier: GPL-2.0-only
"""Knobs of the kernel under test: its build options, boot options and settings."""

from __future__ import annotations

import re

from bench.host.knobs.base import Files, Knob, Setting, good, poor, text, texts, unknown

CONFIG = "config"
"""Placeholder path for the kernel's .config, whose real path differs between machines."""
DEBUGGING = (
    "CONFIG_KASAN",
    "CONFIG_KCSAN",
    "CONFIG_KMSAN",
    "CONFIG_UBSAN_SANITIZE_ALL",
    "CONFIG_DEBUG_KMEMLEAK",
    "CONFIG_DEBUG_PAGEALLOC_ENABLE_DEFAULT",
    "CONFIG_DEBUG_OBJECTS",
    "CONFIG_DEBUG_ATOMIC_SLEEP",
    "CONFIG_LOCKDEP",
    "CONFIG_PROVE_LOCKING",
    "CONFIG_SLUB_DEBUG_ON",
)
"""Options that make crossings more expensive; distributions leave them off."""
_SOURCES = frozenset({"tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page"})
_CLOCKSOURCE = "/sys/devices/system/clocksource/clocksource0"
_VULNERABILITIES = "/sys/devices/system/cpu/vulnerabilities/*"


class Mitigations(Knob):
    """The kernel's mitigations of processor vulnerabilities, part of the cost of every crossing."""

    name = "mitigations"
    place = "kernel"
    clocks = ("time", "instructions")
    paths = ("/proc/cmdline", _VULNERABILITIES)

    def check(self, files: Files) -> Setting:
        """Good unless the kernel command line switches mitigations off."""
        states = list(texts(files, _VULNERABILITIES).values())
        words = text(files, self.paths[0]).split()
        if "mitigations=off" in words or "nopti" in words or "nospectre_v2" in words:
            return poor(
                "switched off",
                "Mitigations are switched off, so crossings are cheaper than for most users",
                "boot without mitigations=off, nopti and nospectre_v2",
            )
        if not states:
            return unknown("the kernel does not report them")
        mitigated = sum(state.startswith("Mitigation") for state in states)
        vulnerable = sum(state.startswith("Vulnerable") for state in states)
        return good(
            f"{mitigated} mitigated, {vulnerable} vulnerable, of {len(states)} known "
            "vulnerabilities"
        )


class ClockSource(Knob):
    """The hardware clock from which the kernel reads the time."""

    name = "clock source"
    place = "kernel"
    paths = (f"{_CLOCKSOURCE}/current_clocksource", f"{_CLOCKSOURCE}/available_clocksource")

    def check(self, files: Files) -> Setting:
        """Good if the clock source is read without leaving the CPU."""
        source = text(files, self.paths[0])
        if not source:
            return unknown("the kernel does not report it")
        if source in _SOURCES:
            return good(source)
        return poor(
            source,
            f"The clock source is {source}, which is slow to read and coarse",
            "use the TSC if it is stable",
        )

    def changes(self, files: Files) -> dict[str, str]:
        """Select the TSC, if the kernel offers it."""
        available = text(files, self.paths[1]).split()
        current = text(files, self.paths[0])
        if current in _SOURCES or "tsc" not in available:
            return {}
        return {self.paths[0]: "tsc"}


class KernelConfig(Knob):
    """Debugging options in the kernel's build configuration."""

    name = "kernel config"
    place = "kernel"
    clocks = ("time", "instructions")
    paths = (CONFIG,)

    def check(self, files: Files) -> Setting:
        """Good if no option of :data:`DEBUGGING` is on."""
        if not text(files, CONFIG):
            return unknown("the .config is not known")
        enabled = set(re.findall(r"^(CONFIG_\w+)=y$", text(files, CONFIG), re.MULTILINE))
        debugging = [name for name in DEBUGGING if name in enabled]
        if not debugging:
            return good("not built for debugging")
        return poor(
            ", ".join(debugging),
            f"The kernel is built for debugging ({', '.join(debugging)}), so all figures are too "
            "high",
            "measure a kernel as a distribution ships it",
        )


class Aslr(Knob):
    """Whether address layouts differ between processes and between boots."""

    name = "address layout"
    place = "kernel"
    paths = ("/proc/sys/kernel/randomize_va_space",)

    def check(self, files: Files) -> Setting:
        """Good if random: results then do not depend on one fast or slow layout."""
        value = text(files, self.paths[0])
        if not value:
            return unknown("the kernel does not report it")
        if value == "2":
            return good("random")
        return poor(
            "fixed" if value == "0" else "partly fixed",
            "Address layouts are not random, so all boots have the same one, whether fast or slow",
            "set kernel.randomize_va_space to 2",
        )

    def changes(self, files: Files) -> dict[str, str]:
        """Randomise all of the address layout."""
        return {self.paths[0]: "2"} if text(files, self.paths[0]) in ("0", "1") else {}


class Swap(Knob):
    """Whether memory that a measurement uses may be on disk."""

    name = "swap"
    paths = ("/proc/swaps",)

    def check(self, files: Files) -> Setting:
        """Good if nothing is swapped out."""
        if files.get(self.paths[0]) is None:
            return unknown("the kernel does not report it")
        lines = [line.split() for line in text(files, self.paths[0]).splitlines()[1:]]
        used = sum(int(words[3]) for words in lines if len(words) > 3 and words[3].isdigit())
        if not used:
            return good("not in use")
        return poor(
            f"{used / 1024:,.0f} MiB in use",
            "Memory is swapped out, so a measurement may have to read a page from disk",
            "free memory, then run swapoff -a",
        )


class PerfEvents(Knob):
    """Other users of the performance counters."""

    name = "perf events"
    place = "kernel"
    paths = ("/proc/sys/kernel/perf_event_paranoid", "/proc/sys/kernel/nmi_watchdog")

    def check(self, files: Files) -> Setting:
        """Good if the NMI watchdog is off; ``perf_event_paranoid`` is only recorded."""
        paranoid, watchdog = (text(files, path) for path in self.paths)
        if not paranoid and not watchdog:
            return unknown("the kernel does not report it")
        access = f"perf_event_paranoid {paranoid}" if paranoid else "no perf_event_paranoid"
        if watchdog != "1":
            return good(access)
        return poor(
            f"{access}, NMI watchdog on",
            "The NMI watchdog uses a performance counter to interrupt the CPU that measures",
            "set kernel.nmi_watchdog to 0",
        )

    def changes(self, files: Files) -> dict[str, str]:
        """Turn the watchdog off; ``perf_event_paranoid`` is left unchanged."""
        return {self.paths[1]: "0"} if text(files, self.paths[1]) == "1" else {}
