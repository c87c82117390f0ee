# SPDX-License-Identifier: GPL-2.0-only
"""The options of a run, shared by the command line, pytest and the run folder."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from bench.plan.factors import USUAL, Factors
from bench.plan.plans import parse_size

TARGETS = ("vm", "local")
CLOCKS = ("auto", "instructions", "time")
ACCELERATORS = ("auto", "kvm", "tcg")
USUAL_CPUS = 4
"""The most CPUs that a virtual machine gets by default: plans have at most four threads."""
DEFAULT_BUDGET = 600.0
"""Seconds of measuring of a run with a precision."""
RUNS = Path("reports/runs")
"""The default folder of run folders, relative to the working directory."""


@dataclass(frozen=True)
class RunOptions:
    """The options of ``ringcross run`` and of ``pytest bench/``.

    Attributes:
        target: one of :data:`TARGETS`.
        kernel: see :func:`bench.kernels.catalog.find`.
        clock: one of :data:`CLOCKS`; ``auto`` is ``time`` with KVM or on the local target, and
            ``instructions`` otherwise.
        plan: one of :data:`bench.plan.plans.PLANS`.
        channels: the channels to measure, besides :mod:`bench.plan.controls`; empty for all.
        operations: the operations to measure; empty for all.
        sizes: message sizes in bytes of body; empty for those of the plan.
        factors: the values to measure; empty for those that the plan varies.
        seed: seed of the first boot and its schedule.
        boots: number of boots in which each cell is measured.
        loads: loads of the module in each boot, each measured; 0 for the number of the plan.
        precision: under the ``time`` clock, measure each cell again until its interval reaches at
            most this share to either side; 0 to measure all cells equally often.
        budget: seconds of measuring after which no cell is measured again; with ``precision``.
        append: parameters for the kernel command line of the virtual machine.
        cpus: number of CPUs of the virtual machine; 0 for the number that
            :func:`bench.targets.cpus.number` chooses.
        accel: one of :data:`ACCELERATORS`.
        force_time: allow the ``time`` clock on an emulated machine.
        yes_load_modules: allow the local target to load modules into this machine's kernel.
        prebuilt: a folder with ``ringcross_agent`` and ``ringcross_*.ko``; ``None`` to build them.
        explore: also probe properties and take x-rays, in one more boot after the cells.
        run_dir: the folder to record in; ``None`` for a new folder below :data:`RUNS`.
        resume: a run folder to continue. Its options then replace these, except ``prebuilt`` and
            ``yes_load_modules``.
    """

    target: str = "vm"
    kernel: str = "stock"
    clock: str = "auto"
    plan: str = "quick"
    channels: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    factors: Factors = USUAL
    seed: int = 1
    boots: int = 1
    loads: int = 0
    precision: float = 0.0
    budget: float = DEFAULT_BUDGET
    append: tuple[str, ...] = ()
    cpus: int = 0
    accel: str = "auto"
    force_time: bool = False
    yes_load_modules: bool = False
    prebuilt: Path | None = None
    explore: bool = False
    run_dir: Path | None = None
    resume: Path | None = None

    def to_json(self) -> dict[str, Any]:
        """The options that a run folder records: all but paths on this machine."""
        values = asdict(self) | {"factors": self.factors.to_json()}
        del values["run_dir"], values["resume"], values["prebuilt"]
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> RunOptions:
        """The options that :meth:`to_json` wrote; unknown ones are ignored.

        Raises:
            TypeError: a value is of another type than :meth:`to_json` writes.
        """
        for name, usual in cls().to_json().items():
            value = values.get(name, usual)
            allowed = {float: (int, float), tuple: (list, tuple)}.get(type(usual), type(usual))
            if not isinstance(value, allowed):
                raise TypeError(f"{name} is {value!r}")
        known = {field.name for field in fields(cls)}
        options = cls(**{name: value for name, value in values.items() if name in known})
        return replace(
            options,
            append=tuple(options.append),
            # Older run folders do not name it; their machines had one.
            cpus=options.cpus if "cpus" in values else int(options.target == "vm"),
            channels=tuple(options.channels),
            operations=tuple(options.operations),
            sizes=tuple(options.sizes),
            factors=Factors.from_json(dict(values.get("factors", {}))),
        )


def words(text: str | None) -> tuple[str, ...]:
    """Split a list at commas and blanks."""
    return tuple((text or "").replace(",", " ").split())


def sizes(text: str | None) -> tuple[int, ...]:
    """Parse a list of sizes such as ``8,4k,1M``.

    Raises:
        UsageError: a word is not a size.
    """
    return tuple(parse_size(word) for word in words(text))


def parse_share(text: str) -> float:
    """Parse a share such as ``2%`` or ``0.02``.

    Raises:
        UsageError: the text is not a share.
    """
    try:
        share = float(text.rstrip("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share < float("inf"):
        raise UsageError(
            f"{text!r} is not a share: write a percentage or a fraction, as in 2% or 0.02."
        )
    return share


def parse_duration(text: str) -> float:
    """Parse a duration such as ``90s``, ``10m`` or ``1h``, in seconds.

    Raises:
        UsageError: the text is not a duration.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if match is None or not float(match[1]) > 0:
        raise UsageError(
            f"{text!r} is not a duration: write seconds, minutes or hours, as in 90s, 10m or 1h."
        )
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def repetition(precision: float | None, budget: float | None) -> dict[str, float]:
    """The options ``precision`` and ``budget`` of a run; None for one that was not given.

    Raises:
        UsageError: a budget without a precision.
    """
    if budget is not None and not precision:
        raise UsageError(
            "--budget limits --precision: give both, as in --precision 2% --budget 10m."
        )
    return {"precision": precision or 0.0, "budget": budget or DEFAULT_BUDGET}
