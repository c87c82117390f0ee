# SPDX-License-Identifier: GPL-2.0-only
"""A synthetic run folder in the format of the harness, for the tests of the reports."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

COLUMNS = (
    "channel operation size threads mode clock unit status reason rounds n min median mean p50 "
    "p90 p99 p999 max ci_low ci_high overhead messages_per_unit bytes_per_unit offered delivered "
    "lost boots context interval burst raw_median reordered duplicated loads p9999 mad low_severe "
    "low_mild high_mild high_severe spread rate wait queue refused overruns "
    "offered_per_unit bound factors marks records cpu_user_side cpu_other_side placement user_cpu "
    "other_cpu cycles_user cycles_kernel instructions_user instructions_kernel producer consumer"
).split()
KEY = (
    "channel", "mode", "operation", "size", "threads", "context", "rate", "burst", "wait", "queue",
    "placement",
)  # fmt: skip
SIZES = (8, 64, 512, 4096, 65536, 1048576)
OPERATIONS = ("push", "pull", "call", "notify", "stream", "upcall")

CHANNELS: dict[str, dict[str, Any]] = {
    "null": {"modes": {"plain": 320}, "operations": ("push", "pull", "call"), "max": 0},
    "syscall": {"modes": {"plain": 337}, "operations": ("push", "pull"), "max": 4096},
    "ioctl": {"modes": {"direct": 520, "indirect": 610}, "operations": OPERATIONS, "max": 65536},
    "netlink": {
        "modes": {"unicast": 2600, "multicast": 3100},
        "operations": OPERATIONS,
        "max": 65536,
    },
    "mmap": {"modes": {"ring": 95}, "operations": ("push", "pull", "stream"), "max": 1048576},
    "procfs": {"modes": {"text": 760}, "operations": ("push", "pull", "call"), "max": 65536},
    "signal": {"modes": {"realtime": 4100}, "operations": ("notify", "stream"), "max": 4},
}
UNSUPPORTED = "A signal carries nothing from the process to the kernel"
FAILED = "the reply of message 7 differs at byte 12"
FACTOR = {"push": 1.0, "pull": 1.1, "call": 1.9, "notify": 3.2, "stream": 1.4, "upcall": 6.1}

Build = Callable[..., Path]


@pytest.fixture
def build_run(tmp_path: Path) -> Build:
    """Make a run folder: ``build_run(clock=…, scale=…, name=…, …)``."""

    def build(**options: Any) -> Path:
        return make_run(tmp_path / options.pop("name", "20260101T000000-6.1.0-test"), **options)

    return build


@dataclass(frozen=True)
class Reasons:
    """Sentences that the pages must contain."""

    unsupported: str
    failed: str


@pytest.fixture(scope="session")
def reasons() -> Reasons:
    return Reasons(UNSUPPORTED, FAILED)


@pytest.fixture(scope="session", name="make_run")
def _make_run() -> Build:
    """Make a run folder at a path."""
    return make_run


def make_run(
    path: Path,
    clock: str = "instructions",
    scale: float = 1.0,
    noise: int = 0,
    forced: bool = False,
    samples: bool = True,
    rounds: bool = False,
    channels: tuple[str, ...] = tuple(CHANNELS),
) -> Path:
    """A run with several channels, one lossy stream, one failed cell and skipped cells."""
    path.mkdir(parents=True)
    random = np.random.default_rng(noise)
    rows = [row for name in channels for row in _rows(name, clock, scale, random)]
    with (path / "cells.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    (path / "environment.json").write_text(json.dumps(_environment(clock, forced), indent=1))
    ok = [row for row in rows if row["status"] == "ok"]
    if samples:
        _samples(ok, random).to_parquet(path / "samples.parquet")
    if rounds:
        _rounds(ok).to_parquet(path / "rounds.parquet")
    return path


def _rows(name: str, clock: str, scale: float, random: np.random.Generator) -> list[dict[str, Any]]:
    channel = CHANNELS[name]
    rows = []
    for operation in OPERATIONS:
        if operation not in channel["operations"]:
            rows.append(_row(name, "", operation, 0, clock, status="skip", reason=_why(name)))
            continue
        for mode, base in channel["modes"].items():
            for size in _sizes(channel["max"]):
                row = _row(name, mode, operation, size, clock)
                if size > channel["max"]:
                    row |= {"status": "skip", "reason": "the socket buffer holds no more"}
                elif (name, operation, size) == ("procfs", "call", 8):
                    row |= {"status": "fail", "reason": FAILED}
                else:
                    # System calls are the control: a change of a channel does not affect them.
                    each = base if name == "syscall" else base * scale
                    _measure(row, each * FACTOR[operation], random)
                rows.append(row)
    return rows


def _sizes(largest: int) -> tuple[int, ...]:
    return (largest,) if largest < 8 else SIZES


def _why(name: str) -> str:
    return UNSUPPORTED if name == "signal" else "Nothing answers a request"


def _row(
    name: str, mode: str, operation: str, size: int, clock: str, **more: Any
) -> dict[str, Any]:
    return {
        "channel": name, "mode": mode, "operation": operation, "size": size, "threads": 1,
        "clock": clock, "unit": "ns" if clock == "time" else "instructions", "status": "ok",
        "reason": "", "context": "process" if operation == "stream" else "softirq",
        "rate": "", "interval": 0, "burst": 1, "wait": "", "queue": 0, "factors": "",
        "placement": "", "records": 0,
        "boots": 2, "loads": 1, "marks": "",
    } | more  # fmt: skip


def _measure(row: dict[str, Any], base: float, random: np.random.Generator) -> None:
    """Fill ``row`` with the results of two boots with eleven rounds each."""
    loose = 0.02 if row["clock"] == "time" else 0.0002
    cost = base + row["size"] / 5
    boots = 1 + loose / 3 * random.standard_normal((2, 1))
    rounds = cost * boots * (1 + loose * random.standard_exponential((2, 11)))
    if row["clock"] == "instructions":
        rounds[:, 0] = cost
    median = float(np.median(rounds))
    error = 1.96 * 1.25 * rounds.std() / rounds.size**0.5
    per = 1e9 if row["clock"] == "time" else 1e6
    row |= {
        "rounds": 22, "n": 400, "min": rounds.min(), "median": median, "mean": rounds.mean(),
        "p50": median, "p90": median * 1.05, "p99": median * 1.4, "p999": "",
        "max": median * 9, "ci_low": median - error, "ci_high": median + error,
        "overhead": 3.1, "raw_median": median + 3.1,
        "messages_per_unit": per / median, "bytes_per_unit": per / median * row["size"],
        "each": rounds, "p9999": "", "mad": loose * median / 2,
        "low_severe": 0, "low_mild": 1, "high_mild": 2, "high_severe": 3,
        "cpu_user_side": "", "cpu_other_side": "",
    }  # fmt: skip
    if row["clock"] == "time":
        row |= {"cpu_user_side": median + 1234, "cpu_other_side": 56.5}
    medians = np.median(rounds, axis=1)
    row["spread"] = medians.max() / medians.min() - 1
    if row["clock"] == "instructions" and row["spread"] > 0.005:
        row["marks"] = "differs"
    if row["clock"] == "time" and 2 * error > 0.05 * median:
        row["marks"] = "imprecise"
    if row["operation"] == "stream":
        lost = 4200 if row["mode"] == "multicast" else 0
        row |= {"offered": 20000, "delivered": 20000 - lost, "lost": lost}
        row |= {"reordered": 0, "duplicated": 0}
        row |= {"producer": median * 0.75, "consumer": median * 0.25}


def _rounds(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return _long(rows, [list(row["each"]) for row in rows], 0.0)


def _samples(rows: list[dict[str, Any]], random: np.random.Generator) -> pd.DataFrame:
    samples = []
    for row in rows:
        values = row["median"] * (1 + 0.03 * random.standard_exponential((2, 300))) + 3.1
        values[:, ::101] += row["median"] * 0.6
        samples.append(list(values))
    return _long(rows, samples, 3.1)


def _long(rows: list[dict[str, Any]], values: list[list[Any]], overhead: float) -> pd.DataFrame:
    """A table with one row per value."""
    frames: list[pd.DataFrame] = []
    for row, boots in zip(rows, values, strict=True):
        for boot, each in enumerate(boots):
            frame = pd.DataFrame({"value": each, "overhead": overhead, "boot": boot})
            for key in KEY:
                frame[key] = row[key]
            frame["round"] = range(len(each))
            frame["load"] = 0
            frame["place"] = len(frames)
            frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def _environment(clock: str, forced: bool) -> dict[str, Any]:
    return {
        "kernel": "6.1.0-56-amd64", "clock": clock, "machine": "x86_64",
        "cpu_model": "QEMU TCG CPU version 2.5+", "cmdline": "console=ttyS0 nokaslr <quiet>",
        "mitigations": {"meltdown": "Mitigation: PTI", "spectre_v2": "Mitigation: Retpolines"},
        "clocksource": "tsc", "qemu": "QEMU emulator version 7.2.19", "target": "vm",
        "accelerator": "tcg-icount" if clock == "instructions" else "kvm", "forced": forced,
        "seed": 1, "boots": 2, "plan": "standard", "config": {"CONFIG_HZ": "250"},
        "tools": {"gcc": "12.2.0", "python": "3.11.2"},
        "controls": ["syscall-plain-push-8", "syscall-gone-call-0"],
        "knobs": [
            {"name": "load", "place": "machine", "state": "poor", "found": "3.1",
             "warning": "The machine is busy (load 3.1): wait."},
            {"name": "mitigations", "place": "kernel", "state": "good", "found": "3 taken",
             "warning": ""},
        ],
        "warnings": ["KVM is there but did not boot within 20 s"],
        "overhead": {"read": 24.0, "loop": 3.0, "min_round": 12_345.0},
        "floors": {"copy": {str(size): 9 + size / 8 for size in SIZES}},
        "channels": {"protocol": 2, "channels": [_listed(name) for name in CHANNELS]},
        "started": "2026-01-01T00:00:00Z", "finished": "2026-01-01T00:03:10Z",
    }  # fmt: skip


def _listed(name: str) -> dict[str, Any]:
    channel = CHANNELS[name]
    can = {"min": 0, "max": channel["max"], "limit": "the socket buffer holds no more"}
    if name == "mmap":
        can |= {"excludes": ["copy"], "batch": 16}
    return {
        "name": name, "summary": f"{name}, made up for the tests", "baseline": name == "null",
        "module": None if name == "syscall" else f"ringcross_{name}", "needs": [],
        "unsupported_reason": {
            op: _why(name) for op in OPERATIONS if op not in channel["operations"]
        },
        "modes": [
            {"name": mode, "summary": f"the {mode} way",
             "operations": dict.fromkeys(channel["operations"], can)}
            for mode in channel["modes"]
        ],
    }  # fmt: skip
