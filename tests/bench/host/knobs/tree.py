# SPDX-License-Identifier: GPL-2.0-only
"""A machine described by the text of its files."""

from __future__ import annotations

from pathlib import Path

CPU = "/sys/devices/system/cpu"

GOOD = {
    f"{CPU}/cpu0/cpufreq/scaling_governor": "performance\n",
    f"{CPU}/cpu1/cpufreq/scaling_governor": "performance\n",
    f"{CPU}/intel_pstate/no_turbo": "1\n",
    f"{CPU}/smt/active": "0\n",
    f"{CPU}/smt/control": "off\n",
    f"{CPU}/cpu0/cpuidle/state1/latency": "2\n",
    f"{CPU}/cpu0/cpuidle/state1/disable": "0\n",
    f"{CPU}/cpu0/cpuidle/state2/latency": "133\n",
    f"{CPU}/cpu0/cpuidle/state2/disable": "1\n",
    f"{CPU}/isolated": "1\n",
    f"{CPU}/nohz_full": "1\n",
    f"{CPU}/online": "0-1\n",
    f"{CPU}/vulnerabilities/meltdown": "Mitigation: PTI\n",
    f"{CPU}/vulnerabilities/mds": "Not affected\n",
    "/proc/irq/default_smp_affinity": "1\n",
    "/proc/irq/24/smp_affinity_list": "0\n",
    "/proc/cpuinfo": "flags\t: fpu tsc\nmicrocode\t: 0xf0\n\nflags\t: fpu tsc\nmicrocode\t: 0xf0\n",
    "/proc/cmdline": "quiet isolcpus=1\n",
    "/proc/loadavg": "0.05 0.10 0.20 1/99 4711\n",
    "/proc/stat": "cpu  1000 0 500 90000 10 0 5 2 0 0\ncpu0 1 2 3\n",
    "/proc/swaps": "Filename Type Size Used Priority\n/dev/sda2 partition 999420 0 -2\n",
    "/proc/sys/kernel/randomize_va_space": "2\n",
    "/proc/sys/kernel/perf_event_paranoid": "2\n",
    "/proc/sys/kernel/nmi_watchdog": "0\n",
    "/sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc\n",
    "/sys/devices/system/clocksource/clocksource0/available_clocksource": "tsc hpet\n",
    "config": "CONFIG_HZ=250\n# CONFIG_KASAN is not set\n",
}
"""The files of a machine on which every knob is good."""


def plant(root: Path, files: dict[str, str]) -> Path:
    """Write *files*, except the .config, below *root*, and return *root*."""
    for path, text in files.items():
        if path.startswith("/"):
            target = root / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
    return root
