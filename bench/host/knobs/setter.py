"""Reading the files that knobs look at, setting knobs, and putting all back."""

from __future__ import annotations

import json
import platform
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from bench.errors import UsageError, writing
from bench.host.knobs.base import Knob
from bench.host.knobs.kernel import CONFIG

ROOT = Path("/")
KEPT = Path("/run/ringcross-knobs.json")
"""What was there before; like the settings themselves it is gone after a boot."""


def read(knobs: Iterable[Knob], root: Path = ROOT) -> dict[str, str | None]:
    """The text of all files that *knobs* look at, below *root*."""
    files: dict[str, str | None] = {}
    for pattern in dict.fromkeys(path for knob in knobs for path in knob.paths):
        if pattern == CONFIG:
            files[CONFIG] = _text(root / f"boot/config-{platform.release()}")
        elif "*" in pattern:
            found = sorted(root.glob(pattern.lstrip("/")))
            files |= {f"/{path.relative_to(root)}": _text(path) for path in found}
        else:
            files[pattern] = _text(root / pattern.lstrip("/"))
    return files


def _text(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return None


@dataclass
class Applied:
    """What was done.

    Attributes:
        before: the text that each changed file had.
        refused: files that could not be written, and why.
    """

    before: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def undo_command(self) -> str:
        """The shell command that puts all back, should `--undo` not be at hand."""
        return "; ".join(
            f"echo {shlex.quote(text)} > {shlex.quote(path)}" for path, text in self.before.items()
        )


def apply(knobs: Iterable[Knob], root: Path = ROOT, kept: Path = KEPT) -> Applied:
    """Set all *knobs* that can be set, and keep in *kept* what was there before.

    What an earlier call has kept stays: it is what the machine was like in the beginning.

    Raises:
        UsageError: what was there before cannot be kept, so nothing is changed.
    """
    knobs = list(knobs)
    files = read(knobs, root)
    wanted: dict[str, str] = {}
    for knob in knobs:
        wanted |= knob.changes(files)
    earlier = _kept(kept)
    _keep({path: (files[path] or "").strip() for path in wanted} | earlier, kept)
    done = Applied()
    for path, text in wanted.items():
        error = _write(root, path, text)
        if error:
            done.refused[path] = error
        else:
            done.before[path] = (files[path] or "").strip()
    _keep(done.before | earlier, kept)
    return done


def undo(root: Path = ROOT, kept: Path = KEPT) -> Applied:
    """Put back what :func:`apply` has changed, the last change first.

    Raises:
        UsageError: nothing was applied since the boot.
    """
    before = _kept(kept)
    if not before:
        raise UsageError("Nothing was applied since this machine was booted.")
    done = Applied()
    for path, text in reversed(before.items()):
        error = _write(root, path, text)
        if error:
            done.refused[path] = error
        else:
            done.before[path] = text
    kept.unlink()
    return done


def _kept(kept: Path) -> dict[str, str]:
    try:
        return dict(json.loads(kept.read_text()))
    except (OSError, ValueError):
        return {}


def _keep(before: dict[str, str], kept: Path) -> None:
    if not before:
        kept.unlink(missing_ok=True)
        return
    try:
        with writing("what the knobs stood at"):
            kept.write_text(json.dumps(before, indent=1) + "\n")
    except OSError as error:
        raise UsageError(
            f"{kept} cannot be written ({error.strerror}), so nothing was changed: run as root."
        ) from error


def _write(root: Path, path: str, text: str) -> str:
    """Empty, or why the file could not be written."""
    try:
        (root / path.lstrip("/")).write_text(text)
    except OSError as error:
        return str(error.strerror)
    return ""
