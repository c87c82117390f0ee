# SPDX-License-Identifier: GPL-2.0-only
"""A run set: the runs of one command that differ in kernel or kernel parameters.

Its folder has the run folders, ``set.json``, and the page that shows the runs side by side.
``set.json`` is written before anything is measured, so an interrupted set can be continued.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.errors import UsageError, writing
from bench.plan.options import RunOptions
from bench.plan.variants import Variant
from bench.run.run_folder import DamagedFolder

RECORD = "set.json"


@dataclass(frozen=True)
class Member:
    """One run of a set.

    Attributes:
        variant: its kernel and kernel parameters.
        folder: its run folder; there is none before it is measured.
    """

    variant: Variant
    folder: Path

    @property
    def complete(self) -> bool:
        """Whether the run has ended, with nothing left to measure."""
        return (self.folder / "cells.csv").exists() and not self._journal.exists()

    @property
    def measured(self) -> bool:
        """Whether the run has results."""
        return (self.folder / "cells.csv").exists()

    def options(self, of_set: RunOptions) -> RunOptions:
        """Return the options of this run: to begin it, or to continue it if it was interrupted."""
        options = self.variant.applied_to(of_set)
        if self._journal.exists():
            return replace(options, resume=self.folder, run_dir=None)
        return replace(options, resume=None, run_dir=self.folder)

    @property
    def _journal(self) -> Path:
        return self.folder / "journal.jsonl"


@dataclass(frozen=True)
class RunSet:
    """The runs of one command.

    Attributes:
        folder: the folder of the set.
        options: what all runs have in common; its kernel and parameters are not used.
        members: the runs, in the order in which they were requested.
    """

    folder: Path
    options: RunOptions
    members: tuple[Member, ...]


def is_set(folder: Path | None) -> bool:
    """Whether *folder* belongs to a run set."""
    return folder is not None and (folder / RECORD).exists()


def create(folder: Path, options: RunOptions, variants: Sequence[Variant]) -> RunSet:
    """Write the record of a new set into *folder*, and return the set.

    Raises:
        UsageError: *folder* has a set or a run already.
        DiskFull: no space is left.
    """
    if is_set(folder) or (folder / "cells.csv").exists():
        raise UsageError(
            f"{folder} has results already: continue them with --resume {folder}, or give another "
            "--run-dir."
        )
    record = {
        "options": options.to_json(),
        "variants": [{"kernel": v.kernel, "append": list(v.append)} for v in variants],
    }
    with writing("the record of the run set"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return _run_set(folder, options, variants)


def resume(folder: Path, given: RunOptions) -> RunSet:
    """Return the set in *folder* with the options it started with.

    Consent and local paths belong to this call; they are taken from *given*.

    Raises:
        DamagedFolder: the record cannot be read.
    """
    path = folder / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        options = RunOptions.from_json(record["options"])
        variants = _variants(record["variants"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedFolder(
            f"{path} is damaged ({type(error).__name__}: {error}): continue the runs in {folder} "
            "one by one with --resume."
        ) from None
    options = replace(
        options, yes_load_modules=given.yes_load_modules, prebuilt=given.prebuilt, resume=None
    )
    return _run_set(folder, options, variants)


def discard(runs: RunSet) -> None:
    """Remove the record of a set in which nothing was measured; a set with results stays."""
    if not any(member.folder.exists() for member in runs.members):
        (runs.folder / RECORD).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # the user's folder may have other files
            runs.folder.rmdir()


def _variants(entries: list[dict[str, Any]]) -> list[Variant]:
    if not entries:
        raise ValueError("it names no run")
    return [_variant(entry) for entry in entries]


def _variant(entry: dict[str, Any]) -> Variant:
    kernel, append = entry["kernel"], entry["append"]
    if not isinstance(kernel, str) or not all(isinstance(word, str) for word in append):
        raise TypeError("a kernel and its parameters must be text")
    return Variant(kernel, tuple(append))


def _run_set(folder: Path, options: RunOptions, variants: Sequence[Variant]) -> RunSet:
    members = (
        Member(variant, folder / f"{number}-{variant.file_name}")
        for number, variant in enumerate(variants, 1)
    )
    return RunSet(folder, options, tuple(members))
