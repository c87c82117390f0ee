# SPDX-License-Identifier: GPL-2.0-only
"""Read the files of knobs, set knobs, and restore the previous values."""

from __future__ import annotations

import json
import platform
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from bench.errors import DiskFull, UsageError, refusal
from bench.host.knobs.base import Knob
from bench.host.knobs.kernel import CONFIG

ROOT = Path("/")
BACKUP = Path("/run/ringcross-knobs.json")
"""The previous values by path; like the settings themselves, the file is lost at a reboot."""


def read(knobs: Iterable[Knob], root: Path = ROOT) -> dict[str, str | None]:
    """Return the text of all files that *knobs* read, below *root*; ``None`` if unreadable."""
    files: dict[str, str | None] = {}
    for pattern in dict.fromkeys(path for knob in knobs for path in knob.paths):
        if pattern == CONFIG:
            files[CONFIG] = _text(root / f"boot/config-{platform.release()}")
        elif "*" in pattern:
            paths = sorted(root.glob(pattern.lstrip("/")))
            files |= {f"/{path.relative_to(root)}": _text(path) for path in paths}
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
    """The result of :func:`apply` or :func:`undo`, by path.

    Attributes:
        before: for each file that :func:`apply` changed, its previous text; for each file that
            :func:`undo` restored, its restored text.
        refused: for each file that could not be written, the reason.
    """

    before: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def undo_command(self) -> str:
        """Return a shell command that restores the previous values without ringcross."""
        return "; ".join(
            f"echo {shlex.quote(text)} > {shlex.quote(path)}" for path, text in self.before.items()
        )


def apply(knobs: Iterable[Knob], root: Path = ROOT, backup: Path = BACKUP) -> Applied:
    """Set all *knobs* that can be set, and save the previous values in the file *backup*.

    Values that an earlier call has saved are kept, because they are the original ones.

    Raises:
        UsageError: the previous values cannot be saved, so nothing is changed.
    """
    knobs = list(knobs)
    files = read(knobs, root)
    changes: dict[str, str] = {}
    for knob in knobs:
        changes |= knob.changes(files)
    original = _load(backup)
    _save({path: (files[path] or "").strip() for path in changes} | original, backup)
    applied = Applied()
    for path, text in changes.items():
        error = _write(root, path, text)
        if error:
            applied.refused[path] = error
        else:
            applied.before[path] = (files[path] or "").strip()
    _save(applied.before | original, backup)
    return applied


def undo(root: Path = ROOT, backup: Path = BACKUP) -> Applied:
    """Restore the values that :func:`apply` has changed, in reverse order.

    Raises:
        UsageError: nothing was applied since the boot.
    """
    original = _load(backup)
    if not original:
        raise UsageError("There is nothing to undo: no knob was set since this machine was booted.")
    restored = Applied()
    for path, text in reversed(original.items()):
        error = _write(root, path, text)
        if error:
            restored.refused[path] = error
        else:
            restored.before[path] = text
    backup.unlink()
    return restored


def _load(backup: Path) -> dict[str, str]:
    try:
        return dict(json.loads(backup.read_text()))
    except (OSError, ValueError):
        return {}


def _save(values: dict[str, str], backup: Path) -> None:
    if not values:
        backup.unlink(missing_ok=True)
        return
    try:
        backup.write_text(json.dumps(values, indent=1) + "\n")
    except OSError as error:
        refused = refusal(error, "the previous values of the knobs")
        if isinstance(refused, DiskFull):
            raise refused from error
        raise UsageError(
            f"{backup} cannot be written ({error.strerror}), so nothing was changed: run as root."
        ) from error


def _write(root: Path, path: str, text: str) -> str:
    """Write one file; return why that failed, empty if it did not."""
    try:
        (root / path.lstrip("/")).write_text(text)
    except OSError as error:
        return str(error.strerror)
    return ""
