"""Knobs of what else runs: other work, interrupts, and what the hypervisor takes away."""

from __future__ import annotations

from bench.host.knobs.base import CPU, Files, Knob, Setting, cpus, good, listed, poor, text, texts
from bench.host.knobs.base import unknown as untold

BUSY = 0.5
"""Load above which a machine is not idle."""
STOLEN = 0.01
"""Share of time since the boot that a hypervisor may give to others."""
_STEAL = 8  # place in the first line of /proc/stat
_ISOLATED = f"{CPU}/isolated"


class Load(Knob):
    """What else wants the CPUs."""

    name = "load"
    paths = ("/proc/loadavg",)

    def check(self, files: Files) -> Setting:
        """An idle machine."""
        words = text(files, self.paths[0]).split()
        if not words:
            return untold("the kernel does not tell")
        if float(words[0]) <= BUSY:
            return good(words[0])
        return poor(
            words[0],
            f"The machine is busy (load {words[0]}), so other work is in the times",
            "stop it, or wait for an idle hour",
        )


class Steal(Knob):
    """Time that a hypervisor has given to others while this machine wanted it."""

    name = "stolen time"
    paths = ("/proc/stat",)

    def check(self, files: Files) -> Setting:
        """As good as none."""
        words = text(files, self.paths[0]).partition("\n")[0].split()
        counts = [int(word) for word in words[1:] if word.isdigit()]
        if len(counts) < _STEAL or not sum(counts):
            return untold("the kernel does not tell")
        # Idle time is none that could be stolen.
        busy = sum(counts[:3]) + sum(counts[5:_STEAL])
        share = counts[_STEAL - 1] / busy if busy else 0.0
        if share <= STOLEN:
            return good(f"{share:.1%} of the busy time")
        return poor(
            f"{share:.1%} of the busy time",
            f"The hypervisor gave {share:.1%} of the busy time to other machines",
            "measure on a host that is not shared, or in several boots at other hours",
        )


class Isolation(Knob):
    """CPUs that the scheduler leaves alone."""

    name = "isolated CPUs"
    paths = (_ISOLATED, f"{CPU}/nohz_full")

    def check(self, files: Files) -> Setting:
        """At least one, without a timer tick."""
        if _ISOLATED not in files or files[_ISOLATED] is None:
            return untold("the kernel does not tell")
        isolated = cpus(text(files, _ISOLATED))
        if not isolated:
            return poor(
                "none",
                "No CPU is isolated, so the scheduler puts other work on the one that measures",
                "boot with isolcpus=N nohz_full=N, and run under `taskset -c N`",
            )
        ticking = isolated - cpus(text(files, self.paths[1]))
        if ticking:
            return poor(
                f"{listed(isolated)}, with a timer tick",
                "The isolated CPUs still take a timer tick",
                f"boot with nohz_full={listed(isolated)} too",
            )
        return good(listed(isolated))


class Interrupts(Knob):
    """Which CPUs devices may interrupt."""

    name = "interrupt affinity"
    paths = (
        _ISOLATED,
        f"{CPU}/online",
        "/proc/irq/default_smp_affinity",
        "/proc/irq/*/smp_affinity_list",
    )

    def check(self, files: Files) -> Setting:
        """No device may interrupt an isolated CPU."""
        isolated = cpus(text(files, _ISOLATED))
        affinities = texts(files, self.paths[3])
        if not isolated or not affinities:
            return untold("no CPU is isolated, so any may be interrupted")
        reach = [path for path, told in affinities.items() if cpus(told) & isolated]
        if not reach:
            return good(f"CPU {listed(isolated)} is not interrupted by devices")
        return poor(
            f"{len(reach)} of {len(affinities)} reach an isolated CPU",
            f"{len(reach)} device interrupts may come to an isolated CPU",
            "send them to the other CPUs, as far as the devices allow",
        )

    def changes(self, files: Files) -> dict[str, str]:
        """All other CPUs, for each interrupt that reaches an isolated one."""
        isolated = cpus(text(files, _ISOLATED))
        rest = cpus(text(files, f"{CPU}/online")) - isolated
        if not isolated or not rest:
            return {}
        return {
            path: listed(rest)
            for path, told in texts(files, self.paths[3]).items()
            if cpus(told) & isolated
        }
