# SPDX-License-Identifier: GPL-2.0-only
"""X-rays as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from bench.explore import cost_classes
from bench.explore.call_tree import Node, by_own_cost
from bench.explore.cost_classes import OwnClasses
from bench.explore.xray import LARGEST, Xray, Xrays
from bench.plan.cells import UNITS

SMALLEST = 0.01
"""Calls with a smaller share of the operation are summed up in one line."""


def pages(
    xrays: Xrays, *, smallest: float = SMALLEST, flat: bool = False
) -> Iterator[RenderableType]:
    """Yield what to print, operation by operation.

    Args:
        xrays: the x-rays to print.
        smallest: calls with a share below this are summed up; 0 shows all.
        flat: list functions by their own cost instead of the tree.
    """
    unit = UNITS[xrays.clock]
    for xray in xrays.operations:
        cell = xray.cell
        yield Text(f"{cell.channel} {cell.mode} {cell.operation}, {cell.size} B", style="bold")
        if xray.tree is None:
            yield Text(f"No x-ray: {xray.reason}", style="yellow")
            continue
        yield from _sums(xray, xrays, unit)
        if flat:
            yield _flat(xray.tree, xray.corrected, smallest)
        else:
            yield _tree(xray.tree, xray.corrected, smallest)
        yield _classes(xray.tree, xrays.own(xray), xrays.titles())
        yield from _unclassified(xray.tree, xrays.own(xray))


def _sums(xray: Xray, xrays: Xrays, unit: str) -> Iterator[Text]:
    yield Text(
        f"{xray.untraced:,.0f} {unit} untraced; the tree adds up to {xray.corrected:,.0f} "
        f"({100 * xray.error:+.1f} %).",
        style="" if xray.agrees else "yellow",
    )
    if xrays.fitted:
        yield Text(
            "Approximate: under this clock the tracer's cost varies, so it was fitted to make the "
            "sum correct.",
            style="yellow",
        )
    elif xrays.tracer:
        yield Text(
            f"Subtracted: the tracer's {xrays.tracer.call:,.0f} {unit} for each of {xray.calls} "
            f"calls ({xray.traced:,.0f} {unit} with the tracer). Inlined code counts with its "
            "caller.",
            style="dim",
        )
    if not xray.agrees:
        yield Text(
            "The two differ: this operation can take more than one path, and it took another one "
            "while traced.",
            style="yellow",
        )


def _tree(root: Node, total: float, smallest: float) -> Tree:
    tree = Tree(_label(root, total), guide_style="dim")
    _branch(tree, root, total, smallest)
    return tree


def _branch(tree: Tree, node: Node, total: float, smallest: float) -> None:
    large = [child for child in node.children if child.total >= smallest * total]
    for child in large:
        _branch(tree.add(_label(child, total)), child, total, smallest)
    rest = [child for child in node.children if child.total < smallest * total]
    if rest:
        units = max(0.0, sum(child.total for child in rest))
        tree.add(Text(f"{len(rest)} more: {units:,.0f}", style="dim"))


def _flat(root: Node, total: float, smallest: float) -> Table:
    table = Table("share", "own cost", "calls", "function", box=box.SIMPLE)
    for column in table.columns[:3]:
        column.justify = "right"
    for node in by_own_cost(root):
        if node.own >= smallest * total:
            share = f"{100 * max(0.0, node.own) / total:.1f} %"
            name = Text(display_name(node))
            if node.module:
                name.append(f" [{node.module}]", "green")
            table.add_row(share, f"{max(0.0, node.own):,.0f}", str(node.calls), name)
    return table


def _label(node: Node, total: float) -> Text:
    share = 100 * node.total / total
    label = Text.assemble((f"{share:.1f} % ", "cyan"), (display_name(node), "bold"))
    if node.module:
        label.append(f" [{node.module}]", "green")
    if node.calls > 1:
        label.append(f" ×{node.calls}")
    own = "" if not node.children else f" (own cost {max(0.0, node.own):,.0f})"
    return label.append(f"  {max(0.0, node.total):,.0f}{own}", "dim")


def display_name(node: Node) -> str:
    """The name of a function, or a description of a task or of the whole operation."""
    if node.name == "operation":
        return "the operation (own cost: entry, exit and user space)"
    if not node.name.startswith("task:"):
        return node.name
    task = node.name.removeprefix("task:")
    descriptions = {
        "process": "the process, woken (own cost: entry, exit and user space)",
        "idle": "the idle CPU, interrupted",
    }
    return descriptions.get(task, f"kernel thread {task}")


def _unclassified(root: Node, own: OwnClasses) -> Iterator[Text]:
    """The share of functions without a class, and the largest of them."""
    functions = cost_classes.unclassified(root, own)
    if not functions:
        return
    share = sum(node.own for node in functions) / root.total
    names = ", ".join(
        f"{node.name} {100 * node.own / root.total:.1f} %" for node in functions[:LARGEST]
    )
    yield Text(
        f"Unclassified, and counted with their callers: {100 * share:.1f} %. Largest: {names}. To "
        "classify them, name their class in .classes of the channel's user.c.",
        style="dim",
    )


def _classes(root: Node, own: OwnClasses, titles: dict[str, str]) -> Table:
    table = Table("what for", "share", "", box=box.SIMPLE, show_header=False)
    total = root.total
    for title, units in cost_classes.sums(root, own).items():
        share = max(0.0, units / total)
        bar = Text("█" * round(40 * share), style="cyan")
        table.add_row(titles[title], f"{100 * share:.1f} %", bar)
    return table
