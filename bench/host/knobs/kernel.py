"""Knobs of the kernel under test: how it was built, booted and set."""

from __future__ import annotations

import re

from bench.host.knobs.base import Files, Knob, Setting, good, poor, text, texts, unknown

CONFIG = "config"
"""Stands for the kernel's .config, which lies elsewhere on each machine."""
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
"""Options that make crossings dearer, and that distributions leave off."""
_SOURCES = frozenset({"tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page"})
_CLOCKSOURCE = "/sys/devices/system/clocksource/clocksource0"
_VULNERABILITIES = "/sys/devices/system/cpu/vulnerabilities/*"


class Mitigations(Knob):
    """What the kernel does about flaws of the processor, which every crossing pays for."""

    name = "mitigations"
    place = "kernel"
    clocks = ("time", "instructions")
    paths = ("/proc/cmdline", _VULNERABILITIES)

    def check(self, files: Files) -> Setting:
        """As the distribution ships them; which they are is recorded anyway."""
        told = list(texts(files, _VULNERABILITIES).values())
        words = text(files, self.paths[0]).split()
        if "mitigations=off" in words or "nopti" in words or "nospectre_v2" in words:
            return poor(
                "switched off",
                "Mitigations are switched off, so crossings are cheaper than for most users",
                "boot without mitigations=off, nopti and nospectre_v2",
            )
        if not told:
            return unknown("the kernel does not tell")
        taken = sum(one.startswith("Mitigation") for one in told)
        open_ = sum(one.startswith("Vulnerable") for one in told)
        return good(f"{taken} taken, {open_} flaws left open, of {len(told)} known")


class ClockSource(Knob):
    """What the kernel reads the time from."""

    name = "clock source"
    place = "kernel"
    paths = (f"{_CLOCKSOURCE}/current_clocksource", f"{_CLOCKSOURCE}/available_clocksource")

    def check(self, files: Files) -> Setting:
        """One that is read without leaving the CPU."""
        source = text(files, self.paths[0])
        if not source:
            return unknown("the kernel does not tell")
        if source in _SOURCES:
            return good(source)
        return poor(
            source,
            f"The clock source is {source}, which is slow to read and coarse",
            "use the TSC where it is stable",
        )

    def changes(self, files: Files) -> dict[str, str]:
        """The TSC, if the kernel offers it."""
        offered = text(files, self.paths[1]).split()
        current = text(files, self.paths[0])
        if current in _SOURCES or "tsc" not in offered:
            return {}
        return {self.paths[0]: "tsc"}


class KernelConfig(Knob):
    """Whether the kernel was built to find bugs."""

    name = "kernel config"
    place = "kernel"
    clocks = ("time", "instructions")
    paths = (CONFIG,)

    def check(self, files: Files) -> Setting:
        """Not for debugging."""
        if not text(files, CONFIG):
            return unknown("no .config is known")
        on = set(re.findall(r"^(CONFIG_\w+)=y$", text(files, CONFIG), re.MULTILINE))
        debugging = [name for name in DEBUGGING if name in on]
        if not debugging:
            return good("not built for debugging")
        return poor(
            ", ".join(debugging),
            f"The kernel is built for debugging ({', '.join(debugging)}), so all figures are too "
            "high",
            "measure a kernel as it is shipped",
        )


class Aslr(Knob):
    """Whether addresses differ from one process and boot to the next."""

    name = "address layout"
    place = "kernel"
    paths = ("/proc/sys/kernel/randomize_va_space",)

    def check(self, files: Files) -> Setting:
        """Random, so that a lucky layout does not look like a cheap channel."""
        told = text(files, self.paths[0])
        if not told:
            return unknown("the kernel does not tell")
        if told == "2":
            return good("random")
        return poor(
            "fixed" if told == "0" else "partly fixed",
            "Address layouts are not random, so all boots share one, be it lucky or not",
            "set kernel.randomize_va_space to 2",
        )

    def changes(self, files: Files) -> dict[str, str]:
        """All of it random."""
        return {self.paths[0]: "2"} if text(files, self.paths[0]) in ("0", "1") else {}


class Swap(Knob):
    """Whether memory of a measurement may be on disk."""

    name = "swap"
    paths = ("/proc/swaps",)

    def check(self, files: Files) -> Setting:
        """Nothing swapped out."""
        if files.get(self.paths[0]) is None:
            return unknown("the kernel does not tell")
        lines = [line.split() for line in text(files, self.paths[0]).splitlines()[1:]]
        used = sum(int(words[3]) for words in lines if len(words) > 3 and words[3].isdigit())
        if not used:
            return good("not in use")
        return poor(
            f"{used / 1024:,.0f} MiB in use",
            "Memory is swapped out, so a page of a measurement may have to come from disk",
            "free memory, then run `swapoff -a`",
        )


class PerfEvents(Knob):
    """Sampling by other users of the performance counters."""

    name = "perf events"
    place = "kernel"
    paths = ("/proc/sys/kernel/perf_event_paranoid", "/proc/sys/kernel/nmi_watchdog")

    def check(self, files: Files) -> Setting:
        """No watchdog that fires by a counter's overflow; who may count is recorded."""
        paranoid, watchdog = (text(files, path) for path in self.paths)
        if not paranoid and not watchdog:
            return unknown("the kernel does not tell")
        found = f"perf_event_paranoid {paranoid}" if paranoid else "no perf_event_paranoid"
        if watchdog != "1":
            return good(found)
        return poor(
            f"{found}, NMI watchdog on",
            "The NMI watchdog interrupts the CPU that measures by its performance counter",
            "set kernel.nmi_watchdog to 0",
        )

    def changes(self, files: Files) -> dict[str, str]:
        """The watchdog off; what others may count is not ours to set."""
        return {self.paths[1]: "0"} if text(files, self.paths[1]) == "1" else {}
