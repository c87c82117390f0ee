# SPDX-License-Identifier: GPL-2.0-only
"""Knobs of the processor: its speed, idle states, microcode, and whether it is shared."""

from __future__ import annotations

import re
from collections import Counter

from bench.host.knobs.base import CPU, Files, Knob, Setting, good, poor, text, texts, unknown

SLOW_IDLE = 10
"""Exit latency of an idle state in microseconds; a longer one is visible in wake-ups."""


class Governor(Knob):
    """The policy that sets the frequency of a CPU."""

    name = "governor"
    paths = (f"{CPU}/cpu*/cpufreq/scaling_governor",)

    def check(self, files: Files) -> Setting:
        """Good if the governor of all CPUs is ``performance``."""
        governors = sorted(set(texts(files, self.paths[0]).values()))
        if not governors:
            return unknown("the frequency cannot be set on this machine")
        if governors == ["performance"]:
            return good("performance")
        others = ", ".join(name for name in governors if name != "performance")
        return poor(
            ", ".join(governors),
            f"The frequency governor is {others}, so the speed of a CPU changes during a "
            "measurement",
            "set it to performance",
        )

    def changes(self, files: Files) -> dict[str, str]:
        """Set ``performance`` for each CPU."""
        return {
            path: "performance"
            for path, governor in texts(files, self.paths[0]).items()
            if governor != "performance"
        }


class Turbo(Knob):
    """Frequencies above the nominal one, while the chip stays cool."""

    name = "turbo"
    paths = (f"{CPU}/intel_pstate/no_turbo", f"{CPU}/cpufreq/boost")

    def check(self, files: Files) -> Setting:
        """Good if off: the speed is then steady."""
        state = {text(files, self.paths[0]), {"0": "1", "1": "0"}.get(text(files, self.paths[1]))}
        if "0" in state:
            return poor(
                "on",
                "Turbo is on, so the CPU is faster while it is cool and other CPUs are idle",
                "turn it off",
            )
        return good("off") if "1" in state else unknown("it cannot be set on this machine")

    def changes(self, files: Files) -> dict[str, str]:
        """Turn turbo off; the two drivers have different files with opposite values."""
        off = dict(zip(self.paths, ("1", "0"), strict=True))
        return {path: value for path, value in off.items() if text(files, path) not in ("", value)}


class Smt(Knob):
    """Two hardware threads on one core."""

    name = "SMT"
    paths = (f"{CPU}/smt/active", f"{CPU}/smt/control")

    def check(self, files: Files) -> Setting:
        """Good if off: the speed is then steady."""
        active = text(files, self.paths[0])
        if active == "1":
            return poor(
                "on",
                "SMT is on, so a second hardware thread takes part of the core's time",
                "turn it off",
            )
        return good("off") if active == "0" else unknown("the kernel does not report it")

    def changes(self, files: Files) -> dict[str, str]:
        """Turn SMT off, which takes the second hardware threads offline."""
        return {self.paths[1]: "off"} if text(files, self.paths[1]) == "on" else {}


class Idle(Knob):
    """The idle states of a CPU; leaving one takes time before an event is received."""

    name = "idle states"
    paths = (f"{CPU}/cpu*/cpuidle/state*/latency", f"{CPU}/cpu*/cpuidle/state*/disable")

    def check(self, files: Files) -> Setting:
        """Good if every idle state with a long exit latency is disabled."""
        if not texts(files, self.paths[0]):
            return unknown("the kernel does not manage idle states on this machine")
        slow = self._slow(files)
        if not slow:
            return good(f"exit latency at most {SLOW_IDLE} µs")
        longest = max(slow.values())
        return poor(
            f"exit latency up to {longest} µs",
            f"A waiting CPU may enter an idle state that takes {longest} µs to leave, and every "
            "notify includes that time",
            "disable the deep idle states",
        )

    def changes(self, files: Files) -> dict[str, str]:
        """Disable each slow state of each CPU."""
        return dict.fromkeys(self._slow(files), "1")

    def _slow(self, files: Files) -> dict[str, int]:
        """Return the exit latency in µs of each enabled slow state, by its ``disable`` file."""
        latencies = {
            path.removesuffix("latency") + "disable": int(us)
            for path, us in texts(files, self.paths[0]).items()
            if us.isdigit()
        }
        return {
            path: us
            for path, us in latencies.items()
            if us > SLOW_IDLE and text(files, path) == "0"
        }


class Microcode(Knob):
    """The processor's microcode, which includes mitigations and affects their cost."""

    name = "microcode"
    paths = ("/proc/cpuinfo",)

    def check(self, files: Files) -> Setting:
        """Good if all CPUs run the same revision."""
        revisions = Counter(
            re.findall(r"^microcode\s*:\s*(\S+)", text(files, self.paths[0]), re.MULTILINE)
        )
        if not revisions:
            return unknown("the kernel does not report it")
        if len(revisions) == 1:
            return good(next(iter(revisions)))
        return poor(
            ", ".join(sorted(revisions)),
            "CPUs run different microcode, so results depend on the CPU that measures",
            "update the firmware, or load one revision early at boot",
        )


class Hypervisor(Knob):
    """Whether the machine whose time is measured is itself virtual."""

    name = "hypervisor"
    paths = ("/proc/cpuinfo", "/sys/class/dmi/id/sys_vendor", "/sys/hypervisor/type")

    def check(self, files: Files) -> Setting:
        """Good if there is no hypervisor."""
        flags = re.search(r"^flags\s*:(.*)$", text(files, self.paths[0]), re.MULTILINE)
        kind = text(files, self.paths[2]) or text(files, self.paths[1])
        if flags is None and not text(files, self.paths[2]):
            return unknown("the processor does not report it")
        if not (flags and "hypervisor" in flags[1].split()) and not text(files, self.paths[2]):
            return good("none")
        return poor(
            kind or "present",
            "This machine is itself virtual, so other virtual machines and the host's scheduler "
            "affect the times",
            "use bare metal for figures that you publish, and several boots in any case",
        )
