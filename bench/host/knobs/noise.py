# SPDX-License-Identifier: GPL-2.0-only
"""Knobs of noise: other work, interrupts, and time that a hypervisor takes."""

from __future__ import annotations

from bench.host.knobs.base import (
    CPU,
    Files,
    Knob,
    Setting,
    format_cpus,
    good,
    parse_cpus,
    poor,
    text,
    texts,
    unknown,
)

BUSY = 0.5
"""A machine with a higher load average is not idle."""
STOLEN = 0.01
"""Largest share of the busy time since the boot that may have gone to other machines."""
_STEAL = 8  # number of the steal column in the first line of /proc/stat, after the label
_ISOLATED = f"{CPU}/isolated"


class Load(Knob):
    """Other work on the CPUs."""

    name = "load"
    paths = ("/proc/loadavg",)

    def check(self, files: Files) -> Setting:
        """Good if the machine is idle."""
        words = text(files, self.paths[0]).split()
        if not words:
            return unknown("the kernel does not report it")
        if float(words[0]) <= BUSY:
            return good(words[0])
        return poor(
            words[0],
            f"The machine is busy (load {words[0]}), so the times include other work",
            "stop the other work, or wait until the machine is idle",
        )


class Steal(Knob):
    """Time in which this machine was ready to run but the hypervisor ran other machines."""

    name = "stolen time"
    paths = ("/proc/stat",)

    def check(self, files: Files) -> Setting:
        """Good if the share of stolen time is at most :data:`STOLEN`."""
        words = text(files, self.paths[0]).partition("\n")[0].split()
        counts = [int(word) for word in words[1:] if word.isdigit()]
        if len(counts) < _STEAL or not sum(counts):
            return unknown("the kernel does not report it")
        # Idle time cannot be stolen, so the share is of the busy time.
        busy = sum(counts[:3]) + sum(counts[5:_STEAL])
        share = counts[_STEAL - 1] / busy if busy else 0.0
        if share <= STOLEN:
            return good(f"{share:.1%} of the busy time")
        return poor(
            f"{share:.1%} of the busy time",
            f"The hypervisor gave {share:.1%} of the busy time to other machines",
            "measure on a host that is not shared, or in several boots at different hours",
        )


class Isolation(Knob):
    """CPUs on which the scheduler puts no other work."""

    name = "isolated CPUs"
    paths = (_ISOLATED, f"{CPU}/nohz_full")

    def check(self, files: Files) -> Setting:
        """Good if a CPU is isolated and no isolated CPU has a timer tick."""
        if _ISOLATED not in files or files[_ISOLATED] is None:
            return unknown("the kernel does not report it")
        isolated = parse_cpus(text(files, _ISOLATED))
        if not isolated:
            return poor(
                "none",
                "No CPU is isolated, so the scheduler may put other work on the CPU that measures",
                "boot with isolcpus=N nohz_full=N: ringcross prefers isolated CPUs",
            )
        ticking = isolated - parse_cpus(text(files, self.paths[1]))
        if ticking:
            return poor(
                f"{format_cpus(isolated)}, with a timer tick",
                "The isolated CPUs still have a timer tick",
                f"add nohz_full={format_cpus(isolated)} to the kernel command line",
            )
        return good(format_cpus(isolated))


class Interrupts(Knob):
    """The CPUs that device interrupts may go to."""

    name = "interrupt affinity"
    paths = (
        _ISOLATED,
        f"{CPU}/online",
        "/proc/irq/default_smp_affinity",
        "/proc/irq/*/smp_affinity_list",
    )

    def check(self, files: Files) -> Setting:
        """Good if no device may interrupt an isolated CPU."""
        isolated = parse_cpus(text(files, _ISOLATED))
        affinities = texts(files, self.paths[3])
        if not isolated:
            return unknown("no CPU is isolated, so devices may interrupt any CPU")
        if not affinities:
            return unknown("the kernel does not report it")
        reaching = [path for path, cpus in affinities.items() if parse_cpus(cpus) & isolated]
        if not reaching:
            return good(f"devices do not interrupt CPU {format_cpus(isolated)}")
        return poor(
            f"{len(reaching)} of {len(affinities)} may go to an isolated CPU",
            f"{len(reaching)} device interrupts may go to an isolated CPU",
            "move them to the other CPUs, as far as the devices allow",
        )

    def changes(self, files: Files) -> dict[str, str]:
        """Allow only the other CPUs for each interrupt that may go to an isolated one."""
        isolated = parse_cpus(text(files, _ISOLATED))
        rest = parse_cpus(text(files, f"{CPU}/online")) - isolated
        if not isolated or not rest:
            return {}
        return {
            path: format_cpus(rest)
            for path, cpus in texts(files, self.paths[3]).items()
            if parse_cpus(cpus) & isolated
        }
