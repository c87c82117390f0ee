# SPDX-License-Identifier: GPL-2.0-only
"""``ringcross doctor``: check this machine, and list settings that distort results."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import NoReturn

import click

from bench.commands import console
from bench.errors import UsageError


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.option(
    "--apply",
    "apply_",
    is_flag=True,
    help="Change the settings that distort nanoseconds (needs root). The next boot resets them.",
)
@click.option("--probe-kvm", is_flag=True, help="Test KVM now, with a boot of at most a minute.")
@click.option("--undo", is_flag=True, help="Restore what --apply has changed (needs root).")
def doctor(as_json: bool, apply_: bool, probe_kvm: bool, undo: bool) -> None:
    """Check whether this machine has what a run needs.

    Prints one line per check: ok, note (a run works, with limits) or missing, and what to do
    about it. Use it before the first run, and before you trust nanoseconds: it also lists machine
    settings that would distort wall-clock results (governor, turbo, SMT, interrupts and others).
    The exit code is 3 if something that the default run needs is missing.

    \b
    Examples:
      ringcross doctor
      ringcross doctor --probe-kvm  after a change of KVM, of groups or of the firmware
      ringcross doctor --apply     as root: set the machine up for the time clock
      ringcross doctor --undo      as root: restore the previous settings
    """
    from bench.commands.doctor_kvm import kvm_finding
    from bench.host import doctor as checks

    if apply_ or undo:
        _set_knobs(apply_, undo, as_json)
    findings = list(checks.examine(kvm_finding(probe_kvm)))
    install = checks.install_command(findings)
    if as_json:
        print(json.dumps({"findings": [f.to_json() for f in findings], "install": install}))
    else:
        group = ""
        for finding in findings:
            if finding.group != group:
                group = finding.group
                console.OUT.print(checks.GROUPS[group], style="bold", soft_wrap=True)
            colour = {"ok": "green", "note": "yellow", "missing": "red"}[finding.state]
            console.OUT.print(f"[{colour}]{finding.state:8}[/]{finding.what}: {finding.found}",
                      soft_wrap=True)  # fmt: skip
            if finding.advice:
                console.OUT.print(f"        {finding.advice}", style="dim", soft_wrap=True)
        if install:
            console.OUT.print(f"Install what is missing: {install}", soft_wrap=True)
    sys.exit(3 if any(finding.state == "missing" for finding in findings) else 0)


def _set_knobs(apply: bool, undo: bool, as_json: bool) -> NoReturn:
    """Set the knobs of this machine or restore them, print each changed file, and exit."""
    from bench.host import knobs

    if apply and undo:
        raise UsageError("--apply and --undo cannot be combined: choose one of them.")
    done = knobs.apply(knobs.every()) if apply else knobs.undo()
    if as_json:
        print(json.dumps(asdict(done)))
        sys.exit(1 if done.refused else 0)
    for path, before in done.before.items():
        change = f"was {before}" if apply else f"is {before} again"
        console.OUT.print(f"set     {path} ({change})", markup=False, soft_wrap=True)
    for path, error in done.refused.items():
        line = f"refused {path}: {error}"
        console.OUT.print(line, style="yellow", markup=False, soft_wrap=True)
    if not done.before:
        console.OUT.print(
            "Nothing was changed." if done.refused else "There is nothing to set on this machine."
        )
    elif apply:
        console.OUT.print("Restore with: ringcross doctor --undo; or run this command as root:")
        console.OUT.print(f"  {done.undo_command()}", markup=False, soft_wrap=True)
    sys.exit(1 if done.refused else 0)
