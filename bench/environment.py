"""What a run was measured on: ``environment.json`` and its warnings."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

_CPU = "/sys/devices/system/cpu"
_CLOCKSOURCE = "/sys/devices/system/clocksource/clocksource0"
_VULNERABILITIES = (
    "gather_data_sampling",
    "indirect_target_selection",
    "itlb_multihit",
    "l1tf",
    "mds",
    "meltdown",
    "mmio_stale_data",
    "reg_file_data_sampling",
    "retbleed",
    "spec_rstack_overflow",
    "spec_store_bypass",
    "spectre_v1",
    "spectre_v2",
    "srbds",
    "tsa",
    "tsx_async_abort",
)

PATHS: tuple[str, ...] = (
    "/proc/cmdline",
    "/proc/cpuinfo",
    "/proc/version",
    "/proc/loadavg",
    "/proc/sys/kernel/randomize_va_space",
    "/proc/sys/kernel/tainted",
    f"{_CLOCKSOURCE}/current_clocksource",
    f"{_CPU}/cpu0/cpufreq/scaling_governor",
    f"{_CPU}/intel_pstate/no_turbo",
    f"{_CPU}/smt/active",
    f"{_CPU}/online",
    *(f"{_CPU}/vulnerabilities/{name}" for name in _VULNERABILITIES),
)
"""The small files whose text the agent reads on the target."""

CONFIG = (
    "CONFIG_HZ",
    "CONFIG_PREEMPT",
    "CONFIG_PREEMPT_NONE",
    "CONFIG_PREEMPT_VOLUNTARY",
    "CONFIG_PREEMPT_DYNAMIC",
    "CONFIG_PREEMPT_RT",
    "CONFIG_NO_HZ_IDLE",
    "CONFIG_NO_HZ_FULL",
    "CONFIG_PAGE_TABLE_ISOLATION",
    "CONFIG_MITIGATION_PAGE_TABLE_ISOLATION",
    "CONFIG_RETPOLINE",
    "CONFIG_MITIGATION_RETPOLINE",
    "CONFIG_HARDENED_USERCOPY",
    "CONFIG_INIT_ON_ALLOC_DEFAULT_ON",
    "CONFIG_SLAB_FREELIST_HARDENED",
    "CONFIG_DEBUG_KERNEL",
    "CONFIG_KASAN",
    "CONFIG_LOCKDEP",
    "CONFIG_PROVE_LOCKING",
    "CONFIG_DEBUG_OBJECTS",
    "CONFIG_FUNCTION_TRACER",
    "CONFIG_SECURITY_SELINUX",
    "CONFIG_SECURITY_APPARMOR",
    "CONFIG_CC_VERSION_TEXT",
)
"""The kernel options that move the figures most."""


def select_config(text: str) -> dict[str, str]:
    """The options of :data:`CONFIG` in a kernel's ``.config``; ``n`` where not set."""
    found = dict(re.findall(r"^(CONFIG_\w+)=(.*)$", text, re.MULTILINE))
    return {name: found.get(name, "n").strip('"') for name in CONFIG}


def read_config(path: Path) -> str:
    """The text of a ``.config``; empty when there is none to read."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def from_files(files: Mapping[str, str | None]) -> dict[str, Any]:
    """What the files of :data:`PATHS` say, by the names of ``environment.json``."""

    def text(path: str) -> str:
        return (files.get(path) or "").strip()

    model = re.search(r"^(?:model name|Model)\s*:\s*(.*)$", text("/proc/cpuinfo"), re.MULTILINE)
    return {
        "cpu_model": model[1] if model else "",
        "cmdline": text("/proc/cmdline"),
        "version": text("/proc/version"),
        "clocksource": text(f"{_CLOCKSOURCE}/current_clocksource"),
        "governor": text(f"{_CPU}/cpu0/cpufreq/scaling_governor"),
        "smt": text(f"{_CPU}/smt/active"),
        "no_turbo": text(f"{_CPU}/intel_pstate/no_turbo"),
        "cpus": text(f"{_CPU}/online"),
        "load": text("/proc/loadavg"),
        "mitigations": {
            name: found
            for name in _VULNERABILITIES
            if (found := text(f"{_CPU}/vulnerabilities/{name}"))
        },
    }


def tools() -> dict[str, str]:
    """Versions of what made the figures, on the host."""
    found = {"python": platform.python_version()}
    for package in ("ringcross", "pytest", "pytest-benchmark", "numpy", "scipy", "pandas"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    for command in ("gcc", "qemu-system-x86_64"):
        if shutil.which(command):
            told = subprocess.run(
                [command, "--version"], capture_output=True, text=True, check=False, timeout=20
            )
            found[command] = told.stdout.partition("\n")[0].strip()
    return found


def _forced(env: Mapping[str, Any]) -> str:
    if not env.get("forced"):
        return ""
    return (
        "The time clock was forced on an emulated machine: these nanoseconds tell how fast the "
        "emulator is, not what a real machine takes."
    )


def _governor(env: Mapping[str, Any]) -> str:
    governor = env.get("governor")
    if env.get("clock") != "time" or not governor or governor == "performance":
        return ""
    return (
        f"The CPU frequency governor is {governor}, so the speed of the CPU changes while it is "
        "measured: set it to performance."
    )


def _turbo(env: Mapping[str, Any]) -> str:
    if env.get("clock") == "time" and env.get("no_turbo") == "0":
        return "Turbo is on: the CPU is faster while it is cool."
    return ""


def _smt(env: Mapping[str, Any]) -> str:
    if env.get("clock") == "time" and env.get("smt") == "1":
        return "SMT is on: a neighbour on the same core takes part of its time."
    return ""


def _load(env: Mapping[str, Any]) -> str:
    load = str(env.get("load") or "").split()
    if env.get("clock") != "time" or env.get("target") != "local" or not load:
        return ""
    if float(load[0]) <= 0.5:
        return ""
    return f"The machine was busy (load {load[0]}) when the run began: repeat it on an idle one."


def _clocksource(env: Mapping[str, Any]) -> str:
    source = env.get("clocksource")
    if (
        env.get("clock") != "time"
        or not source
        or source in ("tsc", "kvm-clock", "arch_sys_counter")
    ):
        return ""
    return f"The clock source is {source}, which is slow to read and coarse."


def _debugging(env: Mapping[str, Any]) -> str:
    config = env.get("config") or {}
    on = [
        name
        for name in ("CONFIG_KASAN", "CONFIG_PROVE_LOCKING", "CONFIG_DEBUG_OBJECTS")
        if config.get(name) == "y"
    ]
    if not on:
        return ""
    return f"The kernel is built for debugging ({', '.join(on)}): all its figures are too high."


def _few_rounds(env: Mapping[str, Any]) -> str:
    if env.get("clock") == "time" and env.get("boots") == 1:
        return (
            "Measured in a single boot: what differs from boot to boot (layout of memory, "
            "placement of caches) is not in the intervals. Use --boots 3 or more."
        )
    return ""


CHECKS: tuple[Callable[[Mapping[str, Any]], str], ...] = (
    _forced,
    _debugging,
    _governor,
    _turbo,
    _smt,
    _load,
    _clocksource,
    _few_rounds,
)
"""Each looks at an environment and gives a warning, or nothing."""


def warnings(environment: Mapping[str, Any]) -> Iterator[str]:
    """What a reader should know before trusting figures from this environment."""
    for check in CHECKS:
        if warning := check(environment):
            yield warning
