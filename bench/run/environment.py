"""What a run was measured on: ``environment.json`` and its warnings."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from typing import Any

from bench.host import knobs
from bench.host.knobs import Files, Place, Shown
from bench.plan.cells import Clock

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


def _named(place: Place) -> list[str]:
    """The files of the knobs of a place, but for those that have to be searched for."""
    paths = [path for knob in knobs.every(place=place) for path in knob.paths]
    return [path for path in dict.fromkeys(paths) if "*" not in path and path.startswith("/")]


PATHS: tuple[str, ...] = (
    "/proc/cmdline",
    "/proc/cpuinfo",
    "/proc/version",
    "/proc/loadavg",
    "/proc/sys/kernel/tainted",
    *_named("kernel"),
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
    *knobs.kernel.DEBUGGING,
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


def settings(
    clock: Clock, files: Files, config: Mapping[str, str], machine: Files | None = None
) -> list[Shown]:
    """How the knobs stand that matter under *clock*.

    Args:
        clock: under ``instructions`` nothing of the machine matters, only the kernel does.
        files: what the agent read of the kernel under test.
        config: its options.
        machine: what :func:`bench.host.knobs.read` found where the time comes from; the host of a
            virtual machine.  None where that was not looked at.
    """
    options = "".join(f"{name}={value}\n" for name, value in config.items())
    kernel: Files = {**files, knobs.CONFIG: options}
    found = [knobs.show(knob, kernel) for knob in knobs.every(clock, "kernel")]
    if machine is not None:
        found += [knobs.show(knob, machine, here=True) for knob in knobs.every(clock, "machine")]
    return found


def _knobs(env: Mapping[str, Any]) -> Iterator[str]:
    for knob in env.get("knobs") or ():
        if knob["warning"]:
            yield knob["warning"]


def _forced(env: Mapping[str, Any]) -> Iterator[str]:
    if env.get("forced"):
        yield (
            "The time clock was forced on an emulated machine: these nanoseconds tell how fast the "
            "emulator is, not what a real machine takes."
        )


def _no_length(env: Mapping[str, Any]) -> Iterator[str]:
    told = env.get("overhead")
    if env.get("clock") == "time" and told and "min_round" not in told:
        yield (
            "No round was so long that one 1.5, 2 or 3.5 % longer took so much longer within "
            "0.25 %: the machine is too loud for single rounds to be trusted, so go by intervals "
            "over several boots."
        )


def _few_boots(env: Mapping[str, Any]) -> Iterator[str]:
    if env.get("clock") == "time" and env.get("boots") == 1:
        yield (
            "Measured in a single boot: what differs from boot to boot (layout of memory, "
            "placement of caches) is not in the intervals. Use --boots 3 or more."
        )


def _marked(env: Mapping[str, Any]) -> Iterator[str]:
    """How many cells carry which mark, and what would help."""
    marked = env.get("marked") or {}
    cells = marked.get("cells", 0)
    if wide := marked.get("imprecise"):
        yield (
            f"{wide} of {cells} cells have an interval wider than 5 % of their median, and are "
            f"marked “wide”. What would help: {_what_would_help(env)}."
        )
    if apart := marked.get("differs"):
        yield (
            f"{apart} of {cells} cells differ by more than 0.5 % between boots of other seeds, and "
            "are marked “apart”; the page of diagnostics names them and says why."
        )


def _what_would_help(env: Mapping[str, Any]) -> str:
    """The knobs that stand badly, those first that one can set; else more boots."""
    poor = [knob for knob in env.get("knobs") or () if knob["state"] == "poor"]
    poor = [knob for knob in poor if knob["place"] == "machine"]
    poor.sort(key=lambda knob: not knob["settable"])
    advice = [f"{knob['name']} ({knob['advice']})" for knob in poor]
    boots = int(env.get("boots") or 1)
    advice.append(f"more boots than {boots} (--boots {max(5, 2 * boots)})")
    return "; ".join(advice)


CHECKS: tuple[Callable[[Mapping[str, Any]], Iterator[str]], ...] = (
    _forced,
    _marked,
    _knobs,
    _no_length,
    _few_boots,
)
"""Each looks at an environment and gives warnings, or none."""


def warnings(environment: Mapping[str, Any]) -> Iterator[str]:
    """What a reader should know before trusting figures from this environment."""
    for check in CHECKS:
        yield from check(environment)
