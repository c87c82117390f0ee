# SPDX-License-Identifier: GPL-2.0-only
"""The machine, kernel and tools of a run, for ``environment.json``, and its warnings."""

from __future__ import annotations

import platform
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from typing import Any

from bench import child
from bench.host import knobs
from bench.host.knobs import Files, KnobReport, Place
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


def _fixed_paths(place: Place) -> list[str]:
    """The absolute paths that the knobs of ``place`` read, without patterns."""
    paths = [path for knob in knobs.every(place=place) for path in knob.paths]
    return [path for path in dict.fromkeys(paths) if "*" not in path and path.startswith("/")]


PATHS: tuple[str, ...] = (
    "/proc/cmdline",
    "/proc/cpuinfo",
    "/proc/version",
    "/proc/loadavg",
    "/proc/sys/kernel/tainted",
    *_fixed_paths("kernel"),
    f"{_CPU}/cpu0/cpufreq/scaling_governor",
    f"{_CPU}/intel_pstate/no_turbo",
    f"{_CPU}/smt/active",
    f"{_CPU}/online",
    *(f"{_CPU}/vulnerabilities/{name}" for name in _VULNERABILITIES),
)
"""Files that the agent reads on the target."""

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
"""The kernel options that influence the figures most."""


def select_config(text: str) -> dict[str, str]:
    """The values of the options :data:`CONFIG` in the text of a ``.config``; ``n`` if not set."""
    values = dict(re.findall(r"^(CONFIG_\w+)=(.*)$", text, re.MULTILINE))
    return {name: values.get(name, "n").strip('"') for name in CONFIG}


def from_files(files: Mapping[str, str | None]) -> dict[str, Any]:
    """Fields of ``environment.json`` from the text of the files :data:`PATHS`.

    A missing file gives an empty field.
    """

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
            name: mitigation
            for name in _VULNERABILITIES
            if (mitigation := text(f"{_CPU}/vulnerabilities/{name}"))
        },
    }


def tools() -> dict[str, str]:
    """Versions of the tools on the host by name; without those that are not installed."""
    versions = {"python": platform.python_version()}
    for package in ("ringcross", "pytest", "pytest-benchmark", "numpy", "scipy", "pandas"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    for command in ("gcc", "qemu-system-x86_64"):
        if shutil.which(command):
            output = child.run([command, "--version"]).stdout
            versions[command] = output.partition("\n")[0].strip()
    return versions


def knob_states(
    clock: Clock, files: Files, config: Mapping[str, str], machine: Files | None = None
) -> list[KnobReport]:
    """The states of the knobs that matter under ``clock``.

    Args:
        clock: under ``instructions`` only knobs of the kernel matter, not those of the machine.
        files: text of the files that the agent read on the kernel under test.
        config: options of that kernel, as from :func:`select_config`.
        machine: text of the files that :func:`bench.host.knobs.read` read on this machine: the
            host of the virtual machine, or the local target.  None leaves these knobs out.
    """
    options = "".join(f"{name}={value}\n" for name, value in config.items())
    kernel: Files = {**files, knobs.CONFIG: options}
    states = [knobs.show(knob, kernel) for knob in knobs.every(clock, "kernel")]
    if machine is not None:
        states += [knobs.show(knob, machine, here=True) for knob in knobs.every(clock, "machine")]
    return states


def _not_measured(env: Mapping[str, Any]) -> Iterator[str]:
    yield from env.get("not_measured") or ()


def _poor_knobs(env: Mapping[str, Any]) -> Iterator[str]:
    for knob in env.get("knobs") or ():
        if knob["warning"]:
            yield knob["warning"]


def _forced_clock(env: Mapping[str, Any]) -> Iterator[str]:
    if env.get("forced"):
        yield (
            "The time clock was forced on an emulated machine. These nanoseconds measure the speed "
            "of the emulator, not of a real machine."
        )


def _no_min_round(env: Mapping[str, Any]) -> Iterator[str]:
    overhead = env.get("overhead")
    if env.get("clock") == "time" and overhead and "min_round" not in overhead:
        yield (
            "The machine is too noisy to rely on single rounds. No round length passed the agent's "
            "test: rounds that are 1.5, 2 and 3.5 % longer must take that much longer within "
            "0.25 %. Use the intervals over several boots."
        )


NOISY_ABOVE = 0.05
"""Change of the machine's speed above which a run has a warning."""


def _noisy_machine(env: Mapping[str, Any]) -> Iterator[str]:
    pace = (env.get("noise") or {}).get("pace")
    if pace and pace > NOISY_ABOVE:
        yield (
            f"The machine was noisy: its speed changed by {100 * pace:.0f} % during the run (10th "
            "to 90th percentile of the control beside each round). Compare ratios to the control, "
            "which compensate for most of this; the absolute figures do not."
        )


def _unreached_precision(env: Mapping[str, Any]) -> Iterator[str]:
    noise = env.get("noise") or {}
    if unreached := noise.get("unreached"):
        yield (
            f"{len(unreached)} cells did not reach the precision of "
            f"{100 * noise['precision']:g} %: {', '.join(unreached)}. Give a larger --budget than "
            f"{noise['budget']:g}s, or make the machine quieter."
        )


def _few_boots(env: Mapping[str, Any]) -> Iterator[str]:
    # With a precision, cells are also measured in further boots.
    repeated = (env.get("noise") or {}).get("precision")
    if env.get("clock") == "time" and env.get("boots") == 1 and not repeated:
        yield (
            "Measured in a single boot: the intervals do not include the variation between boots "
            "(memory layout, cache placement). Use --boots 3 or more."
        )


def _marked_cells(env: Mapping[str, Any]) -> Iterator[str]:
    """How many cells have each mark, and how to improve them."""
    marked = env.get("marked") or {}
    cells = marked.get("cells", 0)
    if imprecise := marked.get("imprecise"):
        yield (
            f"{imprecise} of {cells} cells have an interval wider than 5 % of their figure, or too "
            "few rounds for an interval. They are marked “imprecise”. To improve them: "
            f"{_advice(env)}."
        )
    if differs := marked.get("differs"):
        yield (
            f"{differs} of {cells} cells differ by more than 0.5 % between boots with different "
            "seeds, or between loads in a run of one boot. They are marked “differs”; the "
            "diagnostics page lists them with the likely reasons."
        )


def _advice(env: Mapping[str, Any]) -> str:
    """How to narrow intervals: poor knobs of the machine, settable ones first, then more boots."""
    poor = [knob for knob in env.get("knobs") or () if knob["state"] == "poor"]
    poor = [knob for knob in poor if knob["place"] == "machine"]
    poor.sort(key=lambda knob: not knob["settable"])
    advice = [f"{knob['name']} ({knob['advice']})" for knob in poor]
    boots = int(env.get("boots") or 1)
    advice.append(f"more boots than {boots} (--boots {max(5, 2 * boots)})")
    if not (env.get("noise") or {}).get("precision"):
        advice.append("repeat what is imprecise (--precision 2%)")
    return "; ".join(advice)


CHECKS: tuple[Callable[[Mapping[str, Any]], Iterator[str]], ...] = (
    _not_measured,
    _forced_clock,
    _noisy_machine,
    _unreached_precision,
    _marked_cells,
    _poor_knobs,
    _no_min_round,
    _few_boots,
)
"""Functions that yield the warnings for an ``environment.json``, in the order of display."""


def warnings(environment: Mapping[str, Any]) -> Iterator[str]:
    """One sentence or more for each condition of ``environment`` that affects the figures."""
    for check in CHECKS:
        yield from check(environment)
