# SPDX-License-Identifier: GPL-2.0-only
"""``ringcross run`` with several kernels or kernel parameters: measure one after another."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.commands import console
from bench.commands.console import INTERRUPTED, fail
from bench.commands.report import render
from bench.errors import DiskFull, RingcrossError, UsageError
from bench.plan.options import RUNS, RunOptions
from bench.plan.variants import Variant
from bench.run import run_set
from bench.run.progress import Progress
from bench.run.run_folder import new_folder
from bench.run.run_set import Member, RunSet


def measure(
    given: RunOptions,
    variants: Sequence[Variant],
    reporter: Progress,
    *,
    report: bool,
    as_json: bool,
) -> int:
    """Measure *variants*, or continue the set that *given* names.

    A run that cannot be measured does not end the set: the others are measured.

    Returns:
        The exit code: 0, or that of the first error.

    Raises:
        RingcrossError: nothing was measured.
    """
    runs = _open(given, variants)
    _fetch(runs, reporter)
    errors = _measure_all(runs, reporter)
    folders = [member.folder for member in runs.members if member.measured]
    if not folders:
        run_set.discard(runs)
        raise next(iter(errors.values()))
    page = render(folders, runs.folder) if report and len(folders) > 1 else None
    failed = [f"{member.variant.name}: {error}" for member, error in errors.items()]
    if as_json:
        print(json.dumps(_result(runs, page, failed)))
    else:
        console.OUT.print(
            f"{len(folders)} of {len(runs.members)} runs, recorded in {runs.folder}/",
            soft_wrap=True,
        )
        if page:
            console.OUT.print(f"Report: {page}", soft_wrap=True)
    for line in failed:
        console.ERR.print(line, style="red", markup=False, soft_wrap=True)
    return next((error.exit_code for error in errors.values()), 0)


def _open(given: RunOptions, variants: Sequence[Variant]) -> RunSet:
    if given.resume is not None:
        return run_set.resume(given.resume, given)
    if given.target != "vm":
        raise UsageError(
            f"The target {given.target} has one kernel, which is already booted: name no other "
            "kernel and no kernel parameters, or use --target vm."
        )
    return run_set.create(given.run_dir or new_folder(RUNS, "set"), given, variants)


def _fetch(runs: RunSet, reporter: Progress) -> None:
    """Fetch all kernels first: a misspelt name must not be found after hours of measuring."""
    from bench.targets import provision

    provisioner = provision.Provisioner(reporter.say, runs.options.prebuilt)
    try:
        for kernel in dict.fromkeys(m.variant.kernel for m in runs.members if not m.complete):
            provisioner.fetch(kernel)
    except RingcrossError:
        run_set.discard(runs)
        raise


def _measure_all(runs: RunSet, reporter: Progress) -> dict[Member, RingcrossError]:
    """Measure the runs that are not complete; return the errors of those that failed."""
    from bench.run.pytest_bridge import run_campaign

    errors: dict[Member, RingcrossError] = {}
    for number, member in enumerate(runs.members, 1):
        if member.complete:
            continue
        reporter.say(f"Run {number} of {len(runs.members)}: kernel {member.variant.name}")
        try:
            campaign, code = run_campaign(member.options(runs.options), reporter)
        except RingcrossError as error:
            errors[member] = error
            continue
        if code == INTERRUPTED:
            fail(f"Interrupted. Continue with: ringcross run --resume {runs.folder}", code)
        if isinstance(campaign.error, DiskFull):
            raise campaign.error
        if campaign.error is not None:
            errors[member] = campaign.error
        elif campaign.failed():
            errors[member] = RingcrossError("; ".join(campaign.failed()))
    return errors


def _result(runs: RunSet, page: Path | None, failed: list[str]) -> dict[str, Any]:
    return {
        "set": str(runs.folder),
        "runs": [str(member.folder) for member in runs.members if member.measured],
        "report": str(page) if page else None,
        "failed": failed,
    }
