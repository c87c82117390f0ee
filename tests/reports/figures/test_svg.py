# SPDX-License-Identifier: GPL-2.0-only
"""Plots: shortening the SVG does not change what is drawn."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import matplotlib
import pytest

from reports.figures import svg


def _points(path: str) -> list[tuple[float, float]]:
    """The points of a path of M, L, H and V."""
    x = y = 0.0
    points = []
    for kind, rest in re.findall(r"([MLHV])([^MLHV]*)", path):
        numbers = [float(number) for number in rest.split()]
        x = numbers[0] if kind in "MLH" else x
        y = numbers[-1] if kind in "MLV" else y
        points.append((x, y))
    return points


@pytest.mark.parametrize(
    ("path", "short"),
    [
        ("M 1.0 2.0 L 3.0 2.0 L 3.0 5.0 L 4.0 6.0", "M1.0 2.0H3.0V5.0L4.0 6.0"),
        ("M 1.0 2.0 L 1.0 2.0 L 1.0 3.0 ", "M1.0 2.0V3.0"),
        ("M 0 0 C 1 2 3 4 5 6 L 5 7 z", "M0 0C1 2 3 4 5 6V7z"),
    ],
)
def test_a_shorter_path_goes_the_same_way(path: str, short: str) -> None:
    assert re.sub(".+", svg._path, path) == short
    if "C" not in path:
        assert list(dict.fromkeys(_points(path))) == _points(short)


def test_steps_are_drawn_by_one_coordinate_each() -> None:
    series = svg.Series("a", "a", 0, (1, 2, 4, 8), (1, 3, 9, 27), style="step")
    drawn = svg.draw(svg.Plot("p", "P", "steps", "x", "y", (series,)))
    (line,) = [d for d in re.findall(r' d="([^"]*)"', drawn) if d.count("H") > 1]
    assert line.count("H") == line.count("V") == 3


def test_the_users_style_of_matplotlib_is_not_used() -> None:
    plot = svg.Plot("p", "P", "a line", "x", "y", (svg.Series("a", "a", 0, (1, 2), (1, 3)),))
    drawn = svg.draw(plot)
    with matplotlib.rc_context({"lines.linewidth": 9, "svg.fonttype": "path", "font.size": 30}):
        assert svg.draw(plot) == drawn


def test_groups_that_say_nothing_are_left_out() -> None:
    assert svg._ungrouped('<g><g class="a"><g><b/></g></g><g/><i/></g>') == (
        '<g class="a"><b/></g><g/><i/>'
    )


def test_a_drawing_is_well_formed() -> None:
    """Its series are groups that the script of the page finds."""
    series = svg.Series(
        "a", "a", 0, (1, 2, 4, 8), (1, 3, 9, 27), low=(1, 2, 8, 25), high=(2, 4, 9, 30)
    )
    drawn = svg.draw(svg.Plot("p", "P", "a line", "x", "y", (series,)))
    root = ElementTree.fromstring(drawn)
    groups = [group for group in root.iter("g") if group.get("class") == "series"]
    assert [group.get("data-series") for group in groups] == ["a", "a"]
    assert all(group.find("title") is not None and len(group) > 1 for group in groups)


def test_words_keep_their_numbers() -> None:
    """Coordinates are shortened; tick labels and names are not."""
    series = svg.Series("Linux 6.12", "costs 1.25", 0, (1, 2, 3), (0.01, 0.02, 0.03))
    ticks = ((0.01, "0.01"), (0.03, "0.03"))
    plot = svg.Plot("p", "P", "a line", "x", "y", (series,), "linear", "linear", yticks=ticks)
    drawn = svg.draw(plot)
    assert 'data-series="Linux 6.12"' in drawn
    for words in ("costs 1.25", "0.01", "0.03"):
        assert f">{words}<" in drawn
    assert not re.search(r' [dxy]="[^"]*\d\.\d\d', drawn)
