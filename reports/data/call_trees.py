"""The call trees of a run, read from ``xray.json``."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reports.data.run import DamagedRun, Run


@dataclass(frozen=True)
class Call:
    """A function where it was called; costs in units of the run's clock."""

    name: str
    module: str
    kind: str
    calls: int
    total: float
    own: float
    below: tuple[Call, ...]


@dataclass(frozen=True)
class Operation:
    """One operation as the run recorded it; without a tree it has a reason."""

    channel: str
    mode: str
    operation: str
    size: int
    reason: str
    untraced: float = 0.0
    corrected: float = 0.0
    agrees: bool = True
    calls: int = 0
    kinds: dict[str, float] = field(default_factory=dict)
    tree: Call | None = None


@dataclass(frozen=True)
class Xrays:
    """All that ``xray.json`` holds.

    Attributes:
        kinds: what costs can be for, and what each is called.
        per_call: what the tracer itself cost for each call, which is taken off.
        fitted: its cost varied, and was fitted to each operation.
    """

    kinds: dict[str, str]
    per_call: float
    fitted: bool
    operations: tuple[Operation, ...]


def load(run: Run) -> Xrays | None:
    """The x-rays of a run; None when it has taken none.

    Raises:
        DamagedRun: ``xray.json`` cannot be understood.
    """
    path = run.path / "xray.json"
    try:
        return _xrays(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> DamagedRun:
    return DamagedRun(
        f"{path} cannot be understood ({type(error).__name__}: {error}); delete it to see the run "
        "without its x-ray."
    )


def _xrays(told: dict[str, Any]) -> Xrays:
    kinds = {str(kind): str(title) for kind, title in told["classes"].items()}
    tracer = told["tracer"] or {}
    operations = tuple(_operation(one, kinds) for one in told["operations"])
    return Xrays(kinds, float(tracer.get("call", 0)), bool(told.get("fitted")), operations)


def _operation(told: dict[str, Any], kinds: dict[str, str]) -> Operation:
    bare = Operation(
        channel=str(told["channel"]),
        mode=str(told["mode"]),
        operation=str(told["operation"]),
        size=int(told["size"]),
        reason=str(told["reason"]),
    )
    if "tree" not in told:
        return bare
    if min(told["untraced"], told["corrected"]) <= 0:
        raise ValueError(f"{bare.channel} {bare.operation} costs nothing")
    return replace(
        bare,
        untraced=float(told["untraced"]),
        corrected=float(told["corrected"]),
        agrees=bool(told["agrees"]),
        calls=int(told["calls"]),
        kinds={kind: float(told["classes"].get(kind, 0)) for kind in kinds},
        tree=_call(told["tree"]),
    )


def _call(told: dict[str, Any]) -> Call:
    below = tuple(_call(one) for one in told.get("children", ()))
    return Call(
        str(told["name"]),
        str(told["module"]),
        str(told["class"]),
        int(told["calls"]),
        max(0.0, float(told["total"])),
        max(0.0, float(told["self"])),  # the correction may take off some instructions too many
        below,
    )
