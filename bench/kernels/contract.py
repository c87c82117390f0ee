# SPDX-License-Identifier: GPL-2.0-only
"""What the sources of a channel must contain, checked before anything is built for a kernel.

The agent checks its own registrations; see ``bench/agent/protocol/check_channels.c``.  This module
checks what the agent cannot see: the kernel half, and the text that becomes the channel's page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.kernels.module_sources import AGENT

SHARED = ("core", "include")
"""Folders in ``modules/`` that are not channels."""

QUESTIONS = ("What it is.", "The path of one ", "When to choose it.", "Its pitfall.")
"""How the paragraphs of a ``DOC:`` comment begin."""

KERNEL_INITIATED = ("notify", "stream", "upcall")

_DOC = re.compile(r"/\*\*?\s*\n?\s*\*?\s*DOC:[ \t]*(?P<name>\S*)(?P<text>.*?)\*/", re.S)
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.S)
_CHANNEL = re.compile(r"struct rcx_channel \w+ = \{(?P<body>.*?)\n\};", re.S)
_NAME = re.compile(r"\.name\s*=\s*\"(?P<name>[^\"]*)\"")
_EMITTERS = re.compile(r"struct rcx_emitter\b[^=;{]*(?:=\s*)?\{(?P<entries>.*?)\{\s*\}", re.S)
_EMITTER = re.compile(r"\{\s*(?:\.mode\s*=\s*)?\"(?P<mode>[^\"]*)\"")


def mistakes(modules: Path, channels: Sequence[Mapping[str, Any]]) -> list[str]:
    """One sentence for each mistake: the file, what is wrong, and what to write.

    Args:
        modules: the folder with one folder per channel.
        channels: the channels of the agent's listing.  A channel that is compiled and not listed
            has no modes here, so its emitters are not compared with them.
    """
    listed = {channel["name"]: channel for channel in channels}
    folders = sorted(path for path in modules.iterdir() if path.is_dir())
    return [
        mistake
        for folder in folders
        if folder.name not in SHARED and any(folder.glob("*.c"))
        for mistake in _of_folder(folder, listed.get(folder.name))
    ]


def _of_folder(folder: Path, channel: Mapping[str, Any] | None) -> Iterator[str]:
    user, kernel = folder / "user.c", folder / "kernel.c"
    if not user.exists():
        yield f"{_name(user)} is missing: write the user half, as in modules/skeleton/user.c."
        return
    if not re.search(r"^RCX_CHANNEL\(\w+\)", user.read_text(), re.M):
        yield f"{_name(user)} registers no channel: end it with RCX_CHANNEL(...)."
    yield from _of_comment(folder, kernel if kernel.exists() else user)
    if kernel.exists():
        yield from _of_kernel_half(folder, kernel, channel)
    elif channel is not None and channel["module"]:
        yield (
            f"{_name(kernel)} is missing, but user.c names the module {channel['module']}: write "
            "the kernel half, or remove .module."
        )


def _of_comment(folder: Path, file: Path) -> Iterator[str]:
    """Mistakes in the comment that becomes the channel's page."""
    found = _DOC.search(file.read_text())
    if not found:
        yield f'{_name(file)} has no DOC: comment: begin it with "/** DOC: {folder.name}".'
        return
    if found["name"] != folder.name:
        yield (
            f"{_name(file)} has the comment DOC: {found['name']}, but its folder is "
            f"{folder.name}: write DOC: {folder.name}."
        )
    text = re.sub(r"\s*\n[ \t]*\*[ \t]*", " ", found["text"])
    for question in QUESTIONS:
        if question not in text:
            yield f'{_name(file)}: its DOC: comment lacks the paragraph "{question}": write it.'


def _of_kernel_half(folder: Path, kernel: Path, channel: Mapping[str, Any] | None) -> Iterator[str]:
    files = [path for path in sorted(folder.glob("*.c")) if path.name not in AGENT]
    text = "\n".join(_COMMENT.sub("", path.read_text()) for path in files)
    for macro, example in (
        ("MODULE_DESCRIPTION", f'MODULE_DESCRIPTION("ringcross: {folder.name}")'),
        ("MODULE_LICENSE", 'MODULE_LICENSE("GPL")'),
    ):
        if not re.search(rf"^{macro}\(", text, re.M):
            yield f"{_name(kernel)} has no {macro}: write {example};"
    if re.search(r"^MODULE_ALIAS", text, re.M):
        yield f"{_name(kernel)} has a MODULE_ALIAS: remove it, so that only a run loads the module."
    registration = _CHANNEL.search(text)
    named = _NAME.search(registration["body"]) if registration else None
    if registration is None or named is None:
        yield f"{_name(kernel)} has no struct rcx_channel with a .name: write it, as the skeleton."
    elif named["name"] != folder.name:
        yield (
            f'{_name(kernel)} registers the name "{named["name"]}", but its folder is '
            f'{folder.name}: write .name = "{folder.name}".'
        )
    if channel is not None:
        if not channel["module"]:
            yield (
                f"{_name(folder / 'user.c')} names no module, but there is a kernel.c: write "
                f'.module = "ringcross_{folder.name}".'
            )
        yield from _of_emitters(kernel, text, channel)


def _of_emitters(kernel: Path, text: str, channel: Mapping[str, Any]) -> Iterator[str]:
    """Emitters without a mode that receives their events, and modes without an emitter."""
    emitters = {
        entry["mode"]
        for table in _EMITTERS.finditer(text)
        for entry in _EMITTER.finditer(table["entries"])
    }
    modes = {
        mode["name"]
        for mode in channel["modes"]
        if any(operation in mode["operations"] for operation in KERNEL_INITIATED)
    }
    for mode in sorted(modes - emitters):
        yield (
            f'{_name(kernel)} has no emitter for the mode "{mode}", which has notify, stream or '
            f'upcall: write {{ "{mode}", RCX_IN_ANY, ... }} in .emitters.'
        )
    for emitter in sorted(emitters - modes):
        yield (
            f'{_name(kernel)} has the emitter "{emitter}", but no mode with notify, stream or '
            "upcall has that name: use the name of such a mode "
            f"({', '.join(sorted(modes)) or 'none'})."
        )


def _name(file: Path) -> str:
    """The path of a file in a channel's folder, as users write it."""
    return f"modules/{file.parent.name}/{file.name}"
