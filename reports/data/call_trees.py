# SPDX-License-Identifier: GPL-2.0-only
"""The call trees of a run, read from ``xray.json``."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reports.data.run import DamagedRun, Run


@dataclass(frozen=True)
class Call:
    """One function at one call site; costs are in units of the run's clock."""

    name: str
    module: str
    kind: str
    calls: int
    total: float
    own: float
    below: tuple[Call, ...]


@dataclass(frozen=True)
class Operation:
    """The x-ray of one operation; ``reason`` says why ``tree`` is None.

    ``unclassified`` is the cost of functions without a class, which counts with their callers;
    ``unclassified_functions`` has the largest of them.
    """

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
    unclassified: float = 0.0
    unclassified_functions: dict[str, float] = field(default_factory=dict)
    tree: Call | None = None


@dataclass(frozen=True)
class Xrays:
    """The content of ``xray.json``.

    Attributes:
        kinds: the title of each kind of cost, by its key.
        per_call: the cost of the tracer itself per call; it is already subtracted.
        fitted: the tracer's cost varied and was fitted to each operation.
    """

    kinds: dict[str, str]
    per_call: float
    fitted: bool
    operations: tuple[Operation, ...]


def load(run: Run) -> Xrays | None:
    """The x-rays of a run; None if it has no ``xray.json``.

    Raises:
        DamagedRun: ``xray.json`` cannot be parsed.
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
        f"{path} cannot be parsed ({type(error).__name__}: {error}). Delete it to render the run "
        "without its x-ray."
    )


def _xrays(document: dict[str, Any]) -> Xrays:
    kinds = {str(kind): str(title) for kind, title in document["classes"].items()}
    tracer = document["tracer"] or {}
    operations = tuple(_operation(entry, kinds) for entry in document["operations"])
    return Xrays(kinds, float(tracer.get("call", 0)), bool(document.get("fitted")), operations)


def _operation(entry: dict[str, Any], kinds: dict[str, str]) -> Operation:
    without_tree = Operation(
        channel=str(entry["channel"]),
        mode=str(entry["mode"]),
        operation=str(entry["operation"]),
        size=int(entry["size"]),
        reason=str(entry["reason"]),
    )
    if "tree" not in entry:
        return without_tree
    if min(entry["untraced"], entry["corrected"]) <= 0:
        raise ValueError(f"{without_tree.channel} {without_tree.operation} has no positive cost")
    # Files of older versions do not have it.
    unclassified = entry.get("unclassified", {"units": 0, "functions": {}})
    return replace(
        without_tree,
        untraced=float(entry["untraced"]),
        corrected=float(entry["corrected"]),
        agrees=bool(entry["agrees"]),
        calls=int(entry["calls"]),
        kinds={kind: float(entry["classes"].get(kind, 0)) for kind in kinds},
        unclassified=float(unclassified["units"]),
        unclassified_functions={
            str(name): float(units) for name, units in unclassified["functions"].items()
        },
        tree=_call(entry["tree"]),
    )


def _call(node: dict[str, Any]) -> Call:
    below = tuple(_call(child) for child in node.get("children", ()))
    return Call(
        str(node["name"]),
        str(node["module"]),
        str(node["class"]),
        int(node["calls"]),
        max(0.0, float(node["total"])),
        max(0.0, float(node["self"])),  # the correction may subtract a little too much
        below,
    )
