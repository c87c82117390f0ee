# SPDX-License-Identifier: GPL-2.0-only
"""Every link has a target, pages fetch nothing, and reasons are shown."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from reports.analysis.compare import compare
from reports.data.run import load_run
from reports.pages import render, template
from reports.pages.comparison import render_comparison

FEW = ("null", "ioctl", "signal")
VOID = {"meta", "br", "img", "input", "link", "hr", "col"}
FETCHES = {"src", "href", "action", "data", "poster", "srcset", "xlink:href"}

Build = Callable[..., Path]


class Page(HTMLParser):
    """Collects ids, links and text; fails on unbalanced markup."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in FETCHES:
                self.links.append(value or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> without a start"
        assert self.open[-1] == tag, f"{self.path} line {self.getpos()}: {self.open[-3:]}, </{tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def check(folder: Path) -> dict[Path, Page]:
    """Check markup, ids and links of all pages under a folder, and return the pages."""
    pages = {path.resolve(): Page(path) for path in folder.rglob("*.html")}
    for path, page in pages.items():
        assert len(page.ids) == len(set(page.ids)), f"{path} has an id twice"
        source = path.read_text(encoding="utf-8")
        assert not re.search(r"url\(\s*['\"]?(?!#)|@import|<link|<iframe", source)
        for link in page.links:
            assert not re.match(r"\w+:|//", link), f"{path} refers to {link}"
            name, _, anchor = link.partition("#")
            target = (path.parent / name).resolve() if name else path
            assert target in pages, f"{path} links to {link}"
            assert not anchor or anchor in pages[target].ids, f"{path}: no anchor {link}"
    return pages


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    make_run = request.getfixturevalue("make_run")
    path = make_run(tmp_path_factory.mktemp("runs") / "20260101T000000-6.1.0-test")
    return render.render([path]).parent


def test_links_and_markup(report: Path) -> None:
    pages = check(report)
    channels = [path for path in pages if path.name.startswith("channel-")]
    others = {path.name for path in pages} - {path.name for path in channels}
    assert len(channels) == 7
    assert others == {"index.html", "diagnostics.html", "shared.html"}


def test_size(report: Path) -> None:
    assert sum(path.stat().st_size for path in report.iterdir()) < 5e6


def test_same_run_same_bytes(report: Path, tmp_path: Path) -> None:
    render.render([report.parent], tmp_path)
    for path in report.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_heat_map_names_every_reason(report: Path, reasons: Any) -> None:
    text = (report / "index.html").read_text()
    assert reasons.unsupported in text
    assert reasons.failed in text[1:].replace("The reply", "the reply")
    page = (report / "channel-signal.html").read_text()
    for operation in ("push", "pull", "call"):
        assert f'id="{operation}-reason"' in page
    assert page.count(reasons.unsupported) >= 3


def test_loss_is_hatched_and_told(report: Path) -> None:
    text = (report / "index.html").read_text()
    assert re.search(r'class="ok heat-\d lossy" title="netlink stream[^"]*lost 21 %', text)


def test_clock_and_overhead_are_named(report: Path) -> None:
    text = " ".join(" ".join(Page(report / "index.html").text).split())
    assert "does not include the cost of caches, TLBs" in text
    assert "rep movsb" in text
    assert "One iteration of the empty loop 3 instructions" in text
    assert "Limit for one iteration: 5 instructions met" in text


@pytest.mark.parametrize("clock", ["instructions", "time"])
def test_pages_have_only_the_unit_of_their_clock(
    build_run: Build, tmp_path: Path, clock: str
) -> None:
    """A page of an instructions run shows no time; the sources of channels are left out."""
    path = build_run(clock=clock, rounds=True)
    cells = path / "cells.csv"
    head, *lines = cells.read_text().splitlines()
    at = head.split(",").index("interval")
    stream = next(line for line in lines if line.startswith("netlink,stream,8,")).split(",")
    stream[at] = "21954"
    searched = list(stream)
    searched[head.split(",").index("rate")] = "search"
    searched[head.split(",").index("factors")] = "search"
    searched[head.split(",").index("bound")] = "behind"
    cells.write_text("\n".join([head, *lines, ",".join(stream), ",".join(searched)]) + "\n")
    report = render.render([path], modules=tmp_path / "no modules").parent
    texts = {}
    for page in report.glob("*.html"):
        source = re.sub(r"<(style|script)>.*?</\1>", "", page.read_text(), flags=re.DOTALL)
        times = re.findall(r"[^<>]{0,40}(?:µs|(?<![\w<-])ns\b|\bms\b)[^<>]{0,20}", source)
        assert bool(times) == (clock == "time") or page.name == "shared.html", times
        texts[page.name] = source
    interval = "every 21.954 µs" if clock == "time" else "every 21,954 instructions"
    assert interval in texts["channel-netlink.html"]
    assert interval in texts["index.html"]
    assert ("such as cold caches" in texts["diagnostics.html"]) == (clock == "time")
    assert ("12,345 ns" in texts["diagnostics.html"]) == (clock == "time")


def test_processor_time_is_shown_where_it_was_read(report: Path, build_run: Any) -> None:
    timed = render.render([build_run(clock="time", channels=FEW)]).parent
    check(timed)
    for name in ("index.html", "channel-ioctl.html"):
        text = (timed / name).read_text()
        assert "CPU, user side" in text
        assert ">56.5</td>" in text
        assert "CPU, user side" not in (report / name).read_text()


def test_the_ratio_to_the_control_is_shown_where_there_is_one(report: Path, build_run: Any) -> None:
    folder = build_run(clock="time", channels=FEW)
    cells = pd.read_csv(folder / "cells.csv", keep_default_na=False, na_values=[""])
    cells["control"] = cells["median"] / 2.5
    cells["control_ratio"], cells["control_ratio_low"] = 2.5, 2.461
    cells["control_ratio_high"] = 2.538
    cells.to_csv(folder / "cells.csv", index=False)
    timed = render.render([folder]).parent
    check(timed)
    for name in ("index.html", "channel-ioctl.html"):
        text = (timed / name).read_text()
        assert "× control</th>" in text
        assert ">2.5 (2.46 … 2.54)</td>" in text
        assert "× control" not in (report / name).read_text()


@pytest.mark.parametrize(
    ("value", "text", "key"),
    [
        (1688.05, "1,688", ""),
        (1.05401e6, "1.05 M", ' data-v="1.05401e+06"'),
        (2048, "2 KiB", ' data-v="2048"'),
        (0.4, "0", ' data-v="0.4"'),
        (None, "", ""),
        (None, "–", ' data-v=""'),
        (math.nan, "–", ' data-v=""'),
    ],
)
def test_a_cell_is_sorted_by_its_text_where_that_will_do(
    value: float | None, text: str, key: str
) -> None:
    assert (
        template.templates().from_string("{{ value | keyed(text) }}").render(value=value, text=text)
        == key
    )


def test_what_a_figure_does_not_contain_stands_beside_it(build_run: Build) -> None:
    page = render.render([build_run(channels=("null", "mmap"))])
    text = page.read_text()
    assert "<b>" in text
    assert "ring · no copy · batch of 16" in text  # in the heat map
    title = "Not in this figure: nobody copies the body: both ends use it where it is"
    for name in ("index.html", "channel-mmap.html"):
        found = (page.parent / name).read_text()
        assert f'<span class="tag" title="{title}">no copy</span>' in found
        assert "<em>No copy</em>: nobody copies the body" in found
    assert "no copy" not in (page.parent / "channel-null.html").read_text()


def test_a_stream_shows_both_ends_and_what_was_taken_off(build_run: Build) -> None:
    run = build_run(channels=("null", "ioctl"))
    page = render.render([run])
    cells = pd.read_csv(run / "cells.csv")
    row = cells[(cells["operation"] == "stream") & (cells["size"] == 8)].iloc[0]
    table = page.read_text().partition('aria-label="Streams"')[2].partition("</table>")[0]
    assert "producer</th>" in table
    assert "consumer</th>" in table
    for value in (row["median"], row["producer"], row["consumer"]):
        assert f">{value:,.0f}</td>" in table
    assert "Producing and checking one message of a stream" in page.read_text()


def test_figures_follow_the_page(report: Path) -> None:
    text = (report / "index.html").read_text()
    assert "#0102" not in text
    assert "var(--s0)" in text
    for name in ("cost", "latency", "ecdf", "rates", "bytes"):
        assert f'id="{name}"' in text
    assert text.count("How to read this") >= 7


def test_every_plot_has_words(report: Path) -> None:
    for path in report.glob("*.html"):
        for svg in re.findall(r"<svg[^>]*>", path.read_text()):
            assert re.search(r'aria-label="[^"]{20,}', svg)


def test_forced_clock_is_on_every_page(build_run: Build) -> None:
    report = render.render([build_run(clock="time", forced=True, channels=FEW)]).parent
    for path, page in check(report).items():
        assert "Forced clock." in "".join(page.text), path


def test_no_banner_without_force(report: Path) -> None:
    assert "Forced clock." not in (report / "index.html").read_text()


def test_run_without_its_machine(build_run: Build) -> None:
    path = build_run(samples=False, channels=FEW)
    (path / "environment.json").unlink()
    report = render.render([path]).parent
    check(report)
    text = (report / "index.html").read_text()
    assert "not recorded" in text
    assert "environment.json is missing" in text
    assert "has no samples" in text


def test_run_without_cells(build_run: Build) -> None:
    path = build_run(samples=False, channels=FEW)
    cells = path / "cells.csv"
    cells.write_text(cells.read_text().splitlines()[0] + "\n")
    report = render.render([path]).parent
    check(report)
    assert "No channel has a number yet" in (report / "index.html").read_text()


@pytest.mark.parametrize("value", ["", "nan", "0", "-3.5"])
def test_odd_numbers(build_run: Build, value: Any) -> None:
    """A missing, zero or negative number is printed and omitted from logarithmic plots."""
    path = build_run(channels=FEW, samples=False)
    cells = path / "cells.csv"
    lines = cells.read_text().splitlines()
    head = lines[0].split(",")
    odd = []
    for line in lines[1:]:
        fields = line.split(",")
        if fields[0] == "ioctl" and fields[7] == "ok":
            for name in ("median", "min", "ci_low", "messages_per_unit", "p99"):
                fields[head.index(name)] = value
        odd.append(",".join(fields))
    cells.write_text("\n".join([lines[0], *odd]) + "\n")
    check(render.render([path]).parent)


def test_environment_of_nulls(build_run: Build) -> None:
    path = build_run(channels=FEW)
    env = json.loads((path / "environment.json").read_text())
    (path / "environment.json").write_text(json.dumps(dict.fromkeys(env)))
    check(render.render([path]).parent)


def test_doc_and_both_halves(make_run: Build, tmp_path: Path) -> None:
    """The page shows the sources, and a number links to its timed loop."""
    modules = tmp_path / "modules" / "ioctl"
    modules.mkdir(parents=True)
    (modules / "kernel.c").write_text(
        "/**\n * DOC: ioctl\n *\n * A <call>.\n *\n * Its trap.  The ABI:\n *\n"
        " * - one\n *   more\n * - two\n *\n * A picture::\n *\n *     user | kernel\n */\nint x;\n"
    )
    (modules / "user.c").write_text(
        "/* a comment\n * of two lines */\nstatic int direct_push(struct rcx_session *s,\n"
        "\t\t       uint64_t n)\n{\n\treturn 0;\n}\n"
        'static const struct rcx_mode modes[] = {\n\t{\n\t\t.name = "direct",\n'
        "\t\t.operations = {\n\t\t\t[RCX_PUSH] = { .run = direct_push },\n\t\t},\n\t},\n};\n"
    )
    report = render.render(
        [make_run(tmp_path / "run", channels=("ioctl", "mmap"))], modules=tmp_path / "modules"
    ).parent
    check(report)
    text = (report / "channel-ioctl.html").read_text()
    assert "<p>A &lt;call&gt;.</p>" in text
    assert "<strong>Its trap.</strong> The ABI:" in text
    assert "<li>one more</li><li>two</li>" in text
    assert ">user | kernel</pre>" in text
    assert '<a href="#user-3">direct</a>' in text
    assert "have no DOC: comment" in (report / "channel-mmap.html").read_text()


def test_several_runs(build_run: Build, tmp_path: Path) -> None:
    runs = [
        build_run(name="one", channels=FEW),
        build_run(name="two", channels=FEW, scale=1.5, noise=1),
        build_run(name="three", channels=FEW, clock="time", forced=True),
    ]
    index = render.render(runs, tmp_path / "side")
    pages = check(index.parent)
    comparisons = 1  # of the two runs of one clock
    assert len(pages) == 1 + comparisons + 3 * (3 + len(FEW))
    text = index.read_text()
    assert 'id="cost-instructions"' in text
    assert 'id="cost-time"' in text
    assert "Run C: These times were measured under emulation" in text
    assert "1.5×" in text


def test_several_runs_need_a_place(build_run: Build) -> None:
    with pytest.raises(ValueError, match="folder to write to"):
        render.render([build_run(name="one"), build_run(name="two")])


def test_no_run() -> None:
    with pytest.raises(ValueError, match="at least one"):
        render.render([])


def test_comparison_page(build_run: Build, tmp_path: Path) -> None:
    a = load_run(build_run(name="one"))
    b = load_run(build_run(name="two", scale=1.2, noise=1))
    index = render_comparison(compare(a, b, fail_above=0.1), tmp_path / "out")
    check(index.parent)
    text = index.read_text()
    assert "got slower by more than 10 %" in text
    for operation in set(a.cells["operation"]):
        assert operation in text


def test_line_goes_on_in_another_mode(build_run: Build) -> None:
    """Where the cheapest mode ends at its limit, the line continues in the next one."""
    path = build_run(channels=("ioctl",))
    cells = path / "cells.csv"
    lines = cells.read_text().splitlines()
    kept = [line for line in lines if not ("65536" in line and ",direct," in line)]
    cells.write_text("\n".join(kept) + "\n")
    index = render.render([path])
    assert "ioctl (direct, indirect from 64 KiB)" in index.read_text()


def test_samples_of_nothing(build_run: Build) -> None:
    """Net samples at or below zero are drawn, not omitted."""
    path = build_run(channels=FEW)
    frame = pd.read_parquet(path / "samples.parquet")
    frame["value"] = 0
    frame.to_parquet(path / "samples.parquet")
    check(render.render([path]).parent)
