# SPDX-License-Identifier: GPL-2.0-only
"""The sources of a channel as its page shows them: the DOC: text, the code, the timed loops."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from html import escape
from pathlib import Path

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import CLexer

from reports.data.run import OPERATIONS
from reports.text import markup

ROOT = Path(__file__).resolve().parents[2]
MODULES = ROOT / "modules"

SHARED = "shared.html"
"""The page of the code that several channels share."""

_TEST = "hostile.c"
"""Tests of the kernel half with invalid input; not part of the example, so not shown."""

_COMMENT = re.compile(r"/\*\*?\s*\n?\s*\*?\s*DOC:\s*(?P<text>.*?)\*/", re.S)
_INCLUDE = re.compile(r'^#include "([\w/]+)\.h"', re.M)
_FUNCTION = re.compile(
    r"^\w[\w ]*?[ *]+(?P<name>\w+)\([^;{]*?\)\s*\n\{",
    re.M,
)
_MACRO = re.compile(r"^#define (?P<name>[A-Z]+)[ \t]+(?P<body>(?:.*\\\n)*.*)$", re.M)
_WORD = re.compile(r"\w+")
_PLAIN = re.compile(r'<span class="(?:p|n|w|o|nl)">([^<]*)</span>')
"""Token classes that the style sheet does not colour."""

_BULLET = re.compile(r"^(?P<indent> *)(?:[-*•]|\d+[.)]) +(?P<text>.*)$")


@dataclass(frozen=True)
class Code:
    """One source file, highlighted.

    Attributes:
        name: file name.
        path: relative to the top of the repository.
        anchor: prefix of its anchors, as in ``user-12``.
        html: markup with one element per line and an anchor at the start of each function.
        functions: line number of each function, by name.
    """

    name: str
    path: str
    anchor: str
    html: str
    lines: int
    functions: dict[str, int]


@dataclass(frozen=True)
class Sources:
    """The files of a channel and the code it shares with others.

    Attributes:
        title: first line of the DOC: comment.
        doc: the rest of the DOC: comment as markup.
        loops: by mode and operation, the identifiers of its entry in the table of modes;
            the first one that is a function is the timed loop.
    """

    title: str
    doc: str
    files: tuple[Code, ...]
    shared: tuple[Code, ...] = ()
    loops: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)

    def loop(self, mode: str, operation: str) -> str:
        """Link to the timed loop of an operation; empty if it was not found."""
        pages = [("", code) for code in self.files] + [(SHARED, code) for code in self.shared]
        for name in self.loops.get((mode, operation), ()):
            for page, code in pages:
                if name in code.functions:
                    return f"{page}#{code.anchor}-{code.functions[name]}"
        return ""


def read_sources(channel: str, modules: Path = MODULES) -> Sources:
    """Read the folder of a channel; parts whose files are missing are empty."""
    texts = _texts(modules / channel)
    comment = next(
        (
            match["text"]
            for name in ("kernel.c", "user.c")
            if name in texts and (match := _doc(texts[name][1]))
        ),
        "",
    )
    title, _, body = comment.partition("\n")
    return Sources(
        title=title.strip(),
        doc=doc_html(_undecorated(body)),
        files=tuple(_code(path, modules) for path, _ in texts.values()),
        shared=_shared(texts, modules),
        loops=_loops(texts["user.c"][1]) if "user.c" in texts else {},
    )


def read_shared(channels: Iterable[str], modules: Path = MODULES) -> tuple[Code, ...]:
    """The code that ``channels`` share, each file once."""
    files = [code for name in channels for code in _shared(_texts(modules / name), modules)]
    return tuple({code.path: code for code in files}.values())


def _texts(folder: Path) -> dict[str, tuple[Path, str]]:
    """The sources of a channel by file name, in reading order."""
    if not folder.is_dir():
        return {}
    paths = sorted(
        (path for path in folder.glob("*.[ch]") if path.name != _TEST),
        key=lambda path: (_order(path.name), path.name),
    )
    return {path.name: (path, _read(path)) for path in paths}


def _loops(text: str) -> dict[tuple[str, str], tuple[str, ...]]:
    """The identifiers in the table of modes for each operation of each mode, macros expanded."""
    macros = {match["name"]: match["body"] for match in _MACRO.finditer(text)}
    loops: dict[tuple[str, str], tuple[str, ...]] = {}
    _, *modes = re.split(r"\t\t\.name = ", text)
    for block in modes:
        mode = block[1 : block.index('"', 1)]
        _, _, operations = block.partition(".operations =")
        operations = _WORD.sub(lambda word: macros.get(word[0], word[0]), operations)
        for operation in OPERATIONS:
            _, _, entry = operations.partition(f"[RCX_{operation.upper()}] =")
            names = _WORD.findall(entry.partition("[RCX_")[0])
            if names:
                loops[mode, operation] = tuple(names)
    return loops


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _shared(texts: dict[str, tuple[Path, str]], modules: Path) -> tuple[Code, ...]:
    """Code that several channels share: headers with loops, and helpers in the core.

    The agent's interface and ringcross_core itself are not part of a channel and are omitted.
    """
    includes = dict.fromkeys(name for _, text in texts.values() for name in _INCLUDE.findall(text))
    agent, core = modules.parent / "bench" / "agent", modules / "core"
    paths = [agent / f"{name}.h" for name in includes if name.startswith("loops/")]
    paths += [
        core / f"{name.removeprefix('rcx_')}.c" for name in includes if name.startswith("rcx_")
    ]
    return tuple(_code(path, modules) for path in paths if path.is_file())


def _order(name: str) -> int:
    return {"kernel.c": 0, "user.c": 1}.get(name, 2)


def _doc(text: str) -> re.Match[str] | None:
    return _COMMENT.search(text)


def _undecorated(body: str) -> list[str]:
    """The comment's lines without the leading asterisks, with tabs expanded to 8 columns."""
    lines = [re.sub(r"^\s*\* ?", "", line).rstrip() for line in body.split("\n")]
    return [line.expandtabs(8) for line in lines]


def doc_html(lines: list[str]) -> str:
    """Convert the paragraphs, lists and literal blocks of a kernel-doc comment to HTML.

    Inline emphasis (``*word*``) and code (one or two backticks) are converted too.
    """
    blocks: list[str] = []
    at = 0
    while at < len(lines):
        if not lines[at].strip():
            at += 1
            continue
        end = at
        if _BULLET.match(lines[at]):
            end = _list_end(lines, at)
            blocks.append(_list(lines[at:end]))
        elif lines[at].startswith("  "):
            end = _indented_end(lines, at)
            blocks.append(_literal(lines[at:end]))
        else:
            while end < len(lines) and lines[end].strip() and not _starts_list(lines, at, end):
                end += 1
            blocks.append(_paragraph(lines[at:end]))
        at = end
    return "\n".join(block for block in blocks if block)


def _starts_list(lines: list[str], first: int, at: int) -> bool:
    return at > first and bool(_BULLET.match(lines[at]))


def _list_end(lines: list[str], at: int) -> int:
    """Index of the first line that is neither a list item nor the continuation of one."""
    while at < len(lines):
        blank = not lines[at].strip()
        if blank:
            following = next((line for line in lines[at:] if line.strip()), "")
            if not _BULLET.match(following):
                return at
        elif not _BULLET.match(lines[at]) and not lines[at].startswith(" "):
            return at
        at += 1
    return at


def _indented_end(lines: list[str], at: int) -> int:
    end = at
    while at < len(lines) and (lines[at].startswith("  ") or not lines[at].strip()):
        at += 1
        if lines[at - 1].strip():
            end = at
    return end


def _list(lines: list[str]) -> str:
    items: list[list[str]] = []
    for line in lines:
        if match := _BULLET.match(line):
            items.append([match["text"]])
        elif line.strip():
            items[-1].append(line.strip())
    tag = "ol" if re.match(r" *\d", lines[0]) else "ul"
    return f"<{tag}>" + "".join(f"<li>{_words(' '.join(i))}</li>" for i in items) + f"</{tag}>"


def _literal(lines: list[str]) -> str:
    margin = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
    text = "\n".join(line[margin:] for line in lines).rstrip()
    return f'<pre class="literal" tabindex="0">{escape(text)}</pre>'


def _paragraph(lines: list[str]) -> str:
    """A paragraph; a first sentence of up to six words before two spaces becomes its heading."""
    text = " ".join(lines)
    if text == "::":
        return ""
    text = text.removesuffix("::") + ":" if text.endswith("::") else text
    head, gap, rest = text.partition(".  ")
    if gap and len(head.split()) <= 6 and rest:
        return f"<p><strong>{_words(head)}.</strong> {_words(rest)}</p>"
    return f"<p>{_words(text)}</p>"


def _words(text: str) -> str:
    """Escaped text with inline code, emphasis and function() names as markup."""
    text = escape(re.sub(r"  +", " ", text))
    text = markup.html(text)
    return re.sub(r"(?<![\w>/])(&amp;)?(\w+\(\))(?![^<]*</code>)", r"<code>\2</code>", text)


@cache
def _code(path: Path, modules: Path) -> Code:
    """Highlight a file; cached, because highlighting is slow and channels share files."""
    name, text = path.name, _read(path)
    anchor = name.rsplit(".", 1)[0] if name.endswith(".c") else name.replace(".", "-")
    functions = {
        match["name"]: text.count("\n", 0, match.start()) + 1 for match in _FUNCTION.finditer(text)
    }
    lines = highlight(text, CLexer(stripnl=False), HtmlFormatter(nowrap=True)).rstrip("\n")
    lines = _PLAIN.sub(r"\1", lines)
    targets = set(functions.values())
    html = "\n".join(
        f"<i{_id(anchor, number) if number in targets else ''}>{line}</i>"
        for number, line in enumerate(_closed(lines.split("\n")), start=1)
    )
    # Short tags, because a page of code has thousands of them.
    html = re.sub(r'<span class="(\w+)">', r"<b class=\1>", html).replace("</span>", "</b>")
    html = re.sub(r"(<i[^>]*)><b( class=cm?1?)>([^<]*)</b></i>", r"\1\2>\3</i>", html)
    return Code(
        name, path.relative_to(modules.parent).as_posix(), anchor, html, text.count("\n"), functions
    )


def _id(anchor: str, number: int) -> str:
    return f' id="{anchor}-{number}"'


def _closed(lines: list[str]) -> list[str]:
    """Close a span at the end of each line it covers, and reopen it on the next line."""
    closed, open_tag = [], ""
    for text in lines:
        line = open_tag + text
        open_tag = ""
        for tag in re.finditer(r'<span class="[^"]*">|</span>', line):
            open_tag = "" if tag.group() == "</span>" else tag.group()
        closed.append(line + ("</span>" if open_tag else ""))
    return closed
