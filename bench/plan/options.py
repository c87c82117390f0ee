"""What a run is asked for, in one form for the command line, pytest and the run folder."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from bench.plan.factors import USUAL, Factors
from bench.plan.plans import parse_size

TARGETS = ("vm", "local")
CLOCKS = ("auto", "instructions", "time")
ACCELERATORS = ("auto", "kvm", "tcg")
RUNS = Path("reports/runs")
"""Where run folders go unless told otherwise, below the working directory."""


@dataclass(frozen=True)
class RunOptions:
    """The options of ``ringcross run`` and of ``pytest bench/``.

    Attributes:
        target: one of :data:`TARGETS`.
        kernel: see :func:`bench.kernels.catalog.find`.
        clock: one of :data:`CLOCKS`; ``auto`` takes what the target can do best.
        plan: one of :data:`bench.plan.plans.PLANS`.
        channels: exactly these, and the controls of :mod:`bench.plan.controls`; all when empty.
        operations: only these; all when empty.
        sizes: bytes of body; the plan's when empty.
        factors: exactly these values; those the plan varies when empty.
        seed: of the first boot and its schedule.
        boots: how many boots to measure each cell in.
        loads: how often to measure it in each boot, its module loaded anew; 0 for the plan's.
        append: words for the kernel's command line in the virtual machine.
        accel: one of :data:`ACCELERATORS`.
        force_time: allow the ``time`` clock on an emulated machine.
        yes_load_modules: allow the local target to load modules into this machine's kernel.
        prebuilt: a folder with ``ringcross_agent`` and ``ringcross_*.ko`` made elsewhere; they
            are built here when ``None``.
        explore: find out properties and the like too, in one more boot after the cells.
        run_dir: where to record; a new folder below :data:`RUNS` when ``None``.
        resume: a run folder to go on with; its own options then replace all others.
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
    append: tuple[str, ...] = ()
    accel: str = "auto"
    force_time: bool = False
    yes_load_modules: bool = False
    prebuilt: Path | None = None
    explore: bool = False
    run_dir: Path | None = None
    resume: Path | None = None

    def to_json(self) -> dict[str, Any]:
        """What a run folder keeps: all but places on one machine."""
        values = asdict(self) | {"factors": self.factors.to_json()}
        del values["run_dir"], values["resume"], values["prebuilt"]
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> RunOptions:
        """The options that :meth:`to_json` kept; unknown ones are dropped."""
        known = {field.name for field in fields(cls)}
        options = cls(**{name: value for name, value in values.items() if name in known})
        return replace(
            options,
            append=tuple(options.append),
            channels=tuple(options.channels),
            operations=tuple(options.operations),
            sizes=tuple(options.sizes),
            factors=Factors.from_json(dict(values.get("factors", {}))),
        )


def words(text: str | None) -> tuple[str, ...]:
    """The words of a list separated by commas or blanks."""
    return tuple((text or "").replace(",", " ").split())


def sizes(text: str | None) -> tuple[int, ...]:
    """The sizes of such a list, e.g. ``8,4k,1M``; UsageError when one is none."""
    return tuple(parse_size(word) for word in words(text))
