# SPDX-License-Identifier: GPL-2.0-only
"""Draw small plots as SVG strings that take their colours from the page.

Matplotlib draws in placeholder colours.  They are replaced by CSS variables, so the same plot
works in light and dark mode.  Text remains text.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from reports.text import words

SERIES = 12
"""Number of series colours in the style sheet: ``--s0``, ``--s1`` …"""

TEXT, GRID, FLOOR = "#010201", "#010202", "#010203"
COLOURS = {TEXT: "var(--text)", GRID: "var(--grid)", FLOOR: "var(--muted)"} | {
    f"#0102{0x40 + slot:02x}": f"var(--s{slot})" for slot in range(SERIES)
}
MARKERS = "osD^vPXhd<>p"
DASHES: tuple[tuple[int, tuple[float, ...]], ...] = (
    (0, ()),
    (0, (4, 2)),
    (0, (1, 1.5)),
    (0, (6, 2, 1, 2)),
)
FLOOR_DASHES = ((0, (1, 1.6)), (0, (5, 2)))
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 9.5,
    "text.color": TEXT,
    "axes.edgecolor": GRID,
    "axes.labelcolor": TEXT,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": TEXT,
    "ytick.labelcolor": TEXT,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "path.simplify": False,
}


@dataclass(frozen=True)
class Series:
    """One line of a plot.

    Attributes:
        name: its legend entry.
        label: its tooltip.
        slot: number of its colour and marker.
        low, high: interval around each y, or empty.
        style: ``line``, ``band``, ``step``, ``dots``, ``small`` (small dots), ``mark`` (a ring)
            or ``floor`` (a baseline).
        dash: number of its dash pattern.
    """

    name: str
    label: str
    slot: int
    xs: tuple[float, ...]
    ys: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    style: str = "line"
    dash: int = 0


@dataclass(frozen=True)
class Plot:
    """The content of a plot.

    Attributes:
        alt: text alternative of the plot.
        x, y: labels of the axes.
        xticks, yticks: position and label of each tick; empty for automatic ticks.
        width, height, margin: in inches; the margin is the one to the left of the axes.
    """

    name: str
    title: str
    alt: str
    x: str
    y: str
    series: tuple[Series, ...]
    xscale: str = "log"
    yscale: str = "log"
    xticks: tuple[tuple[float, str], ...] = ()
    yticks: tuple[tuple[float, str], ...] = ()
    ylimits: tuple[float, float] | None = None
    width: float = 5.2
    height: float = 3.2
    margin: float = 0.72


def draw(plot: Plot) -> str:
    """Draw the plot as an ``<svg>`` element."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # without the user's matplotlibrc, of home or working directory
        matplotlib.rcParams.update(STYLE | {"svg.hashsalt": plot.name})
        figure = Figure(figsize=(plot.width, plot.height))
        figure.subplots_adjust(
            left=plot.margin / plot.width,
            right=1 - 0.12 / plot.width,
            bottom=0.5 / plot.height,
            top=1 - 0.3 / plot.height,
        )
        FigureCanvasSVG(figure)
        axes = figure.subplots()
        _frame(axes, plot)
        for series in plot.series:
            _add(axes, series)
        if plot.yscale == "log":
            _decade(axes.yaxis, axes.get_ylim, axes.set_ylim)
        if not plot.xticks and plot.xscale == "log":
            _decade(axes.xaxis, axes.get_xlim, axes.set_xlim)
        text = io.StringIO()
        blank = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(text, format="svg", transparent=True, metadata=blank)
    return _inline(text.getvalue(), plot)


def _frame(axes: Axes, plot: Plot) -> None:
    axes.set_title(plot.title, y=1.0)  # a fixed position skips a slow automatic placement
    axes.set_xlabel(plot.x)
    axes.set_ylabel(plot.y)
    axes.set_axisbelow(True)
    axes.grid(True)
    for axis, set_scale, scale, ticks in (
        (axes.xaxis, axes.set_xscale, plot.xscale, plot.xticks),
        (axes.yaxis, axes.set_yscale, plot.yscale, plot.yticks),
    ):
        set_scale(scale)
        axis.set_minor_locator(NullLocator())
        if ticks:
            axis.set_major_locator(FixedLocator([at for at, _ in ticks]))
            axis.set_major_formatter(FuncFormatter(_named(dict(ticks))))
        else:
            if scale == "log":
                axis.set_major_locator(LogLocator(numticks=8))
            axis.set_major_formatter(FuncFormatter(lambda value, _: words.short(value)))
    if plot.xticks:
        xs = [x for series in plot.series if series.style != "floor" for x in series.xs]
        axes.set_xlim(min(xs) / 1.15, max(xs) * 1.15)
    if plot.ylimits:
        axes.set_ylim(*plot.ylimits)


def _named(names: dict[float, str]) -> Callable[[float, int | None], str]:
    return lambda value, _: names.get(value, "")


def _decade(
    axis: Axis, limits: Callable[[], tuple[float, float]], limit: Callable[[float, float], object]
) -> None:
    """Extend a log axis to at least a decade; add ticks between decades if it is short."""
    low, high = limits()
    if high / low < 10:
        middle = (high * low) ** 0.5
        low, high = middle / 3.3, middle * 3.3
        limit(low, high)
    if high / low < 300:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=12))


def _add(axes: Axes, series: Series) -> None:
    colour = FLOOR if series.style == "floor" else f"#0102{0x40 + series.slot % SERIES:02x}"
    marker = MARKERS[series.slot % len(MARKERS)]
    gid = f"series|{series.name}|{series.label}"
    if series.style == "floor":
        dotted = FLOOR_DASHES[series.dash % 2]
        (drawn,) = axes.plot(series.xs, series.ys, color=colour, linewidth=1.3, linestyle=dotted)
    elif series.style in ("dots", "small"):
        (drawn,) = axes.plot(series.xs, series.ys, color=colour, marker=marker, linestyle="none")
        drawn.set_markersize(6 if series.style == "dots" else 3)
    elif series.style == "mark":
        (drawn,) = axes.plot(series.xs, series.ys, color=colour, marker="o", linestyle="none")
        drawn.set(markersize=11, fillstyle="none", markeredgewidth=1.8, zorder=5, clip_on=False)
    elif series.style == "band":
        (drawn,) = axes.plot(series.xs, series.ys, color=colour, linewidth=1.4)
    elif series.style == "step":
        (drawn,) = axes.plot(series.xs, series.ys, color=colour, drawstyle="steps-post")
        drawn.set(linewidth=1.5, marker=marker, markersize=4.5, markevery=[-1])
    else:
        dash = DASHES[series.dash % 4]
        (drawn,) = axes.plot(
            series.xs, series.ys, color=colour, marker=marker, markersize=4.5, linestyle=dash
        )
    if series.low:
        axes.fill_between(
            series.xs, series.low, series.high, color=colour, alpha=0.18, linewidth=0
        ).set_gid(gid)
    drawn.set_gid(gid)


def _inline(text: str, plot: Plot) -> str:
    """Remove what a page does not need, name the series and replace the colours."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.S)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.S)
    text = re.sub(r'<defs>\s*<style type="text/css">.*?</style>\s*</defs>\s*', "", text, flags=re.S)
    text = re.sub(r"font-size: ([\d.]+)px; font-family: [^;\"]*", r"font-size: \1px", text)
    text = re.sub(r"font: (?:(\w+) )?([\d.]+)px [^;\"]*", _font, text)  # matplotlib < 3.9
    text = re.sub(r'<g id="series\|([^|"]*)\|([^"]*)">', _series, text)
    text = re.sub(r'<g id="[^"]*"/>\s*', "", text)
    text = re.sub(r'<g id="[^"]*">', "<g>", text)
    text = text.replace("xlink:href", "href")
    text = _leaner(text)
    text = re.sub(r"#0102[0-9a-f]{2}", lambda match: COLOURS[match.group()], text)
    text = re.sub(r'<(?!g class="series")[^>]*>', _rounded, text)
    text = re.sub(r'(?<= [dxy]=")[^"]*', lambda match: re.sub(r"\.0\b", "", match[0]), text)
    text = re.sub(r'(?<= d=")[^"]*', _path, text)
    text = re.sub(r'(?<= style=")[^"]*', lambda match: match[0].replace(": ", ":"), text)
    text = re.sub(r"([\"#][mp][0-9a-f]{6})[0-9a-f]{4}(?=[\")])", r"\1", text)
    box = re.search(r'viewBox="([^"]*)"', text)
    assert box, "matplotlib writes a viewBox"
    head = f'<svg class="plot" role="img" viewBox="{box.group(1)}" aria-label="{escape(plot.alt)}">'
    return head + text[text.index(">") + 1 :].strip()


def _rounded(tag: re.Match[str]) -> str:
    """Round coordinates to a tenth of a point; text between tags is not affected."""
    return re.sub(r"(\d+\.\d)\d+", r"\1", tag[0])


def _leaner(text: str) -> str:
    """Remove markup without effect: zero rotations, empty paths, groups without attributes."""
    text = re.sub(r"\s*\n\s*", " ", text).replace("> <", "><")
    text = re.sub(r' transform="rotate\(-?0 [^"]*\)"', "", text)
    text = re.sub(r'<path d="[^"]*" style="fill: none"/>', "", text)
    text = re.sub(
        rf' clip-path="[^"]*" style="fill: none; stroke: {GRID}; [^"]*"', ' class="grid"', text
    )
    text = re.sub(
        rf' style="font-size: {STYLE["font.size"]}px; text-anchor: (\w+); fill: {TEXT}"',
        r' class="\1"',
        text,
    )
    text = re.sub(rf' style="fill: none; stroke: {GRID}; [^"]*"(?=/>)', ' class="frame"', text)
    text = re.sub(r' style="font-weight: 700; [^"]*"', ' class="title"', text)
    text = text.replace("; stroke-linejoin: miter", "")
    text = re.sub(r"stroke-dasharray: ; stroke-dashoffset: 0; ", "", text)
    text = re.sub(rf"<g( [^>]*)?>((?:{_MARKER})+)</g>", _styled_once, text)
    return _ungrouped(text)


def _ungrouped(text: str) -> str:
    """Remove ``<g>`` elements without attributes."""
    removed: list[bool] = []

    def tag(match: re.Match[str]) -> str:
        if match[0] != "</g>":
            removed.append(match[0] == "<g>")
            return "" if removed[-1] else match[0]
        return "" if removed.pop() else match[0]

    return re.sub(r"<g(?: [^>]*)?(?<!/)>|</g>", tag, text)


_MARKER = r'<use [^>]* style="[^"]*"/>'


def _path(match: re.Match[str]) -> str:
    """Shorten a path: horizontal and vertical segments use H and V."""
    segments, here = [], ("", "")
    for part in re.findall(r"[A-Za-z][^A-Za-z]*", match[0]):
        kind, numbers = part[0], part[1:].split()
        there = (numbers[-2], numbers[-1]) if len(numbers) > 1 else ("", "")
        if kind == "L" and there[1] == here[1]:
            segments.append("" if there[0] == here[0] else f"H{there[0]}")
        elif kind == "L" and there[0] == here[0]:
            segments.append(f"V{there[1]}")
        else:
            segments.append(kind + " ".join(numbers))
        here = there
    return "".join(segments)


def _styled_once(match: re.Match[str]) -> str:
    """Move the style that all markers of a line share to their group."""
    attributes, markers = match[1] or "", match[2]
    style = re.search(r' style="[^"]*"', markers)
    assert style, "a marker has a style"
    if markers.count("<use ") != markers.count(style[0]) or "style=" in attributes:
        return match[0]
    return f"<g{attributes}{style[0]}>{markers.replace(style[0], '')}</g>"


def _font(match: re.Match[str]) -> str:
    weight, pixels = match.groups()
    return f"font-weight: {weight or 'normal'}; font-size: {pixels}px"


def _series(match: re.Match[str]) -> str:
    name, label = match.groups()
    return f'<g class="series" data-series="{name}"><title>{label}</title>'


def slots(names: Sequence[str]) -> dict[str, int]:
    """A colour slot for each name, in alphabetical order."""
    return {name: slot for slot, name in enumerate(sorted(names))}
