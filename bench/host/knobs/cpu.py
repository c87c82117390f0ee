"""Knobs of the processor: how fast it runs, and who shares it."""

from __future__ import annotations

import re
from collections import Counter

from bench.host.knobs.base import CPU, Files, Knob, Setting, good, poor, text, texts, unknown

SLOW_IDLE = 10
"""Microseconds to leave an idle state; slower ones show in a wake-up."""


class Governor(Knob):
    """Who decides at what frequency a CPU runs."""

    name = "governor"
    paths = (f"{CPU}/cpu*/cpufreq/scaling_governor",)

    def check(self, files: Files) -> Setting:
        """All CPUs must stay at full speed."""
        found = sorted(set(texts(files, self.paths[0]).values()))
        if not found:
            return unknown("the frequency cannot be set here")
        if found == ["performance"]:
            return good("performance")
        others = ", ".join(name for name in found if name != "performance")
        return poor(
            ", ".join(found),
            f"The frequency governor is {others}, so the speed of a CPU changes while it measures",
            "set it to performance",
        )

    def changes(self, files: Files) -> dict[str, str]:
        """Performance for each CPU."""
        return {
            path: "performance"
            for path, governor in texts(files, self.paths[0]).items()
            if governor != "performance"
        }


class Turbo(Knob):
    """Speed beyond the nominal one, for as long as the chip stays cool."""

    name = "turbo"
    paths = (f"{CPU}/intel_pstate/no_turbo", f"{CPU}/cpufreq/boost")

    def check(self, files: Files) -> Setting:
        """Off is steady."""
        state = {text(files, self.paths[0]), {"0": "1", "1": "0"}.get(text(files, self.paths[1]))}
        if "0" in state:
            return poor(
                "on",
                "Turbo is on, so the CPU is faster while it is cool and others are idle",
                "turn it off",
            )
        return good("off") if "1" in state else unknown("it cannot be set here")

    def changes(self, files: Files) -> dict[str, str]:
        """Each driver has its own file, of the opposite sense."""
        wanted = dict(zip(self.paths, ("1", "0"), strict=True))
        return {path: to for path, to in wanted.items() if text(files, path) not in ("", to)}


class Smt(Knob):
    """Two hardware threads on one core."""

    name = "SMT"
    paths = (f"{CPU}/smt/active", f"{CPU}/smt/control")

    def check(self, files: Files) -> Setting:
        """Off is steady."""
        active = text(files, self.paths[0])
        if active == "1":
            return poor(
                "on",
                "SMT is on, so a neighbour on the same core takes part of its time",
                "turn it off",
            )
        return good("off") if active == "0" else unknown("the kernel does not tell")

    def changes(self, files: Files) -> dict[str, str]:
        """Takes the second threads offline."""
        return {self.paths[1]: "off"} if text(files, self.paths[1]) == "on" else {}


class Idle(Knob):
    """How deep a CPU sleeps, which it must wake from before an event is in hand."""

    name = "idle states"
    paths = (f"{CPU}/cpu*/cpuidle/state*/latency", f"{CPU}/cpu*/cpuidle/state*/disable")

    def check(self, files: Files) -> Setting:
        """No state that takes long to leave may be entered."""
        if not texts(files, self.paths[0]):
            return unknown("the kernel does not manage them here")
        slow = self._slow(files)
        if not slow:
            return good(f"left within {SLOW_IDLE} µs")
        most = max(slow.values())
        return poor(
            f"up to {most} µs to leave",
            f"A CPU that waits may sleep so deep that it takes {most} µs to wake, which every "
            "notify holds",
            "disable the deep idle states",
        )

    def changes(self, files: Files) -> dict[str, str]:
        """Disables each slow state of each CPU."""
        return dict.fromkeys(self._slow(files), "1")

    def _slow(self, files: Files) -> dict[str, int]:
        """Microseconds to leave each slow state that is allowed, by the file that disables it."""
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
    """The processor's own software, which mitigations and their price come with."""

    name = "microcode"
    paths = ("/proc/cpuinfo",)

    def check(self, files: Files) -> Setting:
        """All CPUs should run the same revision."""
        found = Counter(
            re.findall(r"^microcode\s*:\s*(\S+)", text(files, self.paths[0]), re.MULTILINE)
        )
        if not found:
            return unknown("the kernel does not tell")
        if len(found) == 1:
            return good(next(iter(found)))
        return poor(
            ", ".join(sorted(found)),
            "CPUs run different microcode, so it matters which one measures",
            "update the firmware, or load one revision early at boot",
        )


class Hypervisor(Knob):
    """Whether the machine that gives the time is one."""

    name = "hypervisor"
    paths = ("/proc/cpuinfo", "/sys/class/dmi/id/sys_vendor", "/sys/hypervisor/type")

    def check(self, files: Files) -> Setting:
        """Bare metal is best."""
        flags = re.search(r"^flags\s*:(.*)$", text(files, self.paths[0]), re.MULTILINE)
        kind = text(files, self.paths[2]) or text(files, self.paths[1])
        if flags is None and not text(files, self.paths[2]):
            return unknown("the processor does not tell")
        if not (flags and "hypervisor" in flags[1].split()) and not text(files, self.paths[2]):
            return good("none")
        return poor(
            kind or "there is one",
            "This machine is itself virtual, so its neighbours and its host's scheduler are in "
            "the times",
            "use bare metal for figures to quote, and several boots anyway",
        )
