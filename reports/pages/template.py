# SPDX-License-Identifier: GPL-2.0-only
"""Load the templates with their filters, and write pages from them."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports.data.run import OPERATIONS
from reports.text import words

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
MARKS = "●■◆▲▼✚✖⬢♦◀▶⬟"
"""The characters in legends for the markers of the plots."""


@lru_cache(maxsize=1)
def templates() -> Environment:
    """The template environment with filters, style sheet and script."""
    jinja = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    jinja.filters |= {
        "bytes": words.size,
        "number": words.number,
        "ratio": words.ratio,
        "sentence": words.sentence,
        "keyed": _keyed,
    }
    jinja.globals |= {
        "css": Markup(re.sub(r" ?([{};,:]) ", r"\1", _lean(_read("style.css")))),
        "script": Markup(_lean(_read("script.js"))),
        "operations": OPERATIONS,
        "markers": MARKS,
        "placement_words": words.PLACEMENTS,
    }
    return jinja


def _read(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _lean(text: str) -> str:
    """A style sheet or script without comments and indentation; every page contains both."""
    return re.sub(r"\s*\n\s*", "\n", re.sub(r"/\*.*?\*/", "", text, flags=re.S)).strip()


def _keyed(value: float | None, text: object) -> Markup:
    """The attribute ``data-v`` for sorting; empty if ``text`` itself sorts like ``value``."""
    key = "" if value is None or not math.isfinite(value) else f"{value:.6g}"
    rounded = f"{value:.0f}" if key and value and value >= 100 else key
    if str(text).replace(",", "") in (key, rounded):
        return Markup("")
    return Markup(' data-v="{}"').format(key)


def write(path: Path, template: str, **values: Any) -> None:
    """Render ``template`` with ``values`` into the file ``path``."""
    path.write_text(templates().get_template(template).render(values), encoding="utf-8")
