"""A channel's folder as a page shows it: its DOC: text, its code, where its loops are."""

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

ROOT = Path(__file__).resolve().parents[2]
MODULES = ROOT / "modules"

SHARED = "shared.html"
"""The page of what several channels are made of."""

_TEST = "hostile.c"
"""What is hostile to the kernel half proves it, and is no part of the example."""

_COMMENT = re.compile(r"/\*\*?\s*\n?\s*\*?\s*DOC:\s*(?P<text>.*?)\*/", re.S)
_INCLUDE = re.compile(r'^#include "([\w/]+)\.h"', re.M)
_FUNCTION = re.compile(
    r"^\w[\w ]*?[ *]+(?P<name>\w+)\([^;{]*?\)\s*\n\{",
    re.M,
)
_MACRO = re.compile(r"^#define (?P<name>[A-Z]+) (?P<body>(?:.*\\\n)*.*)$", re.M)
_WORD = re.compile(r"\w+")
_PLAIN = re.compile(r'<span class="(?:p|n|w|o|nl)">([^<]*)</span>')
"""What the style sheet leaves in the colour of the text."""

_BULLET = re.compile(r"^(?P<indent> *)(?:[-*•]|\d+[.)]) +(?P<text>.*)$")


@dataclass(frozen=True)
class Code:
    """One source file, highlighted.

    Attributes:
        name: file name.
        path: where it lies, from the top of the repository.
        anchor: what its anchors start with, as in ``user-12``.
        html: markup, a span a line, with an anchor where a function begins.
        functions: line of each function's name.
    """

    name: str
    path: str
    anchor: str
    html: str
    lines: int
    functions: dict[str, int]


@dataclass(frozen=True)
class Sources:
    """What a channel's folder holds, and the code it shares with others.

    Attributes:
        loops: by mode and operation, the names that its entry in the table of modes has;
            the first that is a function is the loop.
    """

    title: str
    doc: str
    files: tuple[Code, ...]
    shared: tuple[Code, ...] = ()
    loops: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)

    def loop(self, mode: str, operation: str) -> str:
        """Link to the loop that made a number; empty when it cannot be told."""
        pages = [("", code) for code in self.files] + [(SHARED, code) for code in self.shared]
        for name in self.loops.get((mode, operation), ()):
            for page, code in pages:
                if name in code.functions:
                    return f"{page}#{code.anchor}-{code.functions[name]}"
        return ""


def read_sources(channel: str, modules: Path = MODULES) -> Sources:
    """The folder of a channel; empty parts where files are missing."""
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
    """What several of *channels* are made of, each file once."""
    found = [code for name in channels for code in _shared(_texts(modules / name), modules)]
    return tuple({code.path: code for code in found}.values())


def _texts(folder: Path) -> dict[str, tuple[Path, str]]:
    """The sources of a channel by name, in the order in which to read them."""
    if not folder.is_dir():
        return {}
    found = sorted(
        (path for path in folder.glob("*.[ch]") if path.name != _TEST),
        key=lambda path: (_order(path.name), path.name),
    )
    return {path.name: (path, _read(path)) for path in found}


def _loops(text: str) -> dict[tuple[str, str], tuple[str, ...]]:
    """What the table of modes names for each operation of each mode, behind its macros."""
    macros = {match["name"]: match["body"] for match in _MACRO.finditer(text)}
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    _, *modes = re.split(r"\t\t\.name = ", text)
    for block in modes:
        mode = block[1 : block.index('"', 1)]
        _, _, operations = block.partition(".operations =")
        operations = _WORD.sub(lambda word: macros.get(word[0], word[0]), operations)
        for operation in OPERATIONS:
            _, _, entry = operations.partition(f"[RCX_{operation.upper()}] =")
            names = _WORD.findall(entry.partition("[RCX_")[0])
            if names:
                found[mode, operation] = tuple(names)
    return found


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _shared(texts: dict[str, tuple[Path, str]], modules: Path) -> tuple[Code, ...]:
    """What several channels are made of: headers with loops, helpers in the core.

    The agent's interface and ringcross_core itself are the frame, and not part of a channel.
    """
    wanted = dict.fromkeys(name for _, text in texts.values() for name in _INCLUDE.findall(text))
    agent, core = modules.parent / "bench" / "agent", modules / "core"
    found = [agent / f"{name}.h" for name in wanted if name.startswith("loops/")]
    found += [core / f"{name.removeprefix('rcx_')}.c" for name in wanted if name.startswith("rcx_")]
    return tuple(_code(path, modules) for path in found if path.is_file())


def _order(name: str) -> int:
    return {"kernel.c": 0, "user.c": 1}.get(name, 2)


def _doc(text: str) -> re.Match[str] | None:
    return _COMMENT.search(text)


def _undecorated(body: str) -> list[str]:
    """The comment's lines without their stars, tabs as eight blanks."""
    lines = [re.sub(r"^\s*\* ?", "", line).rstrip() for line in body.split("\n")]
    return [line.expandtabs(8) for line in lines]


def doc_html(lines: list[str]) -> str:
    """Paragraphs, lists and literal blocks of a kernel-doc comment as markup."""
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
    """A list ends at the first line that is neither an item nor part of one."""
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
    """A paragraph; a short first sentence before two blanks is its heading."""
    text = " ".join(lines)
    if text == "::":
        return ""
    text = text.removesuffix("::") + ":" if text.endswith("::") else text
    head, gap, rest = text.partition(".  ")
    if gap and len(head.split()) <= 6 and rest:
        return f"<p><strong>{_words(head)}.</strong> {_words(rest)}</p>"
    return f"<p>{_words(text)}</p>"


def _words(text: str) -> str:
    """Escaped; ``code`` and function() names set as code."""
    text = escape(re.sub(r"  +", " ", text))
    text = re.sub(r"``(.+?)``", r"<code>\1</code>", text)
    return re.sub(r"(?<![\w>/])(&amp;)?(\w+\(\))(?![^<]*</code>)", r"<code>\2</code>", text)


@cache
def _code(path: Path, modules: Path) -> Code:
    """A file in colours: that takes long, and several channels share some."""
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
    # The shortest markup that will do: a page of code has thousands of these.
    html = re.sub(r'<span class="(\w+)">', r"<b class=\1>", html).replace("</span>", "</b>")
    html = re.sub(r"(<i[^>]*)><b( class=cm?1?)>([^<]*)</b></i>", r"\1\2>\3</i>", html)
    return Code(
        name, path.relative_to(modules.parent).as_posix(), anchor, html, text.count("\n"), functions
    )


def _id(anchor: str, number: int) -> str:
    return f' id="{anchor}-{number}"'


def _closed(lines: list[str]) -> list[str]:
    """Close a span that runs over several lines at each of them, and open it again."""
    done, inside = [], ""
    for line in lines:
        whole = inside + line
        inside = ""
        for tag in re.finditer(r'<span class="[^"]*">|</span>', whole):
            inside = "" if tag.group() == "</span>" else tag.group()
        done.append(whole + ("</span>" if inside else ""))
    return done
