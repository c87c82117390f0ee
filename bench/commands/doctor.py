"""``ringcross doctor``: what this machine has, and what would distort its figures."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import NoReturn

import click

from bench.commands import console
from bench.errors import UsageError


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--apply", "apply_", is_flag=True, help="Set what can be set for the time clock.")
@click.option("--undo", is_flag=True, help="Put back what --apply has set.")
def doctor(as_json: bool, apply_: bool, undo: bool) -> None:
    """Whether this machine has what a run needs, and what to do if not.

    Ends with 3 when something that the default run needs is missing. What moves nanoseconds
    (governor, turbo, SMT, interrupts …) can be set as root, until the next boot:

    \b
    ringcross doctor --apply
    ringcross doctor --undo
    """
    from bench.host import doctor as checks

    if apply_ or undo:
        _set_knobs(apply_, undo, as_json)
    findings = list(checks.examine())
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
    """Set the knobs of this machine, or put them back, and say what was written where."""
    from bench.host import knobs

    if apply and undo:
        raise UsageError("Either --apply or --undo: each undoes the other.")
    done = knobs.apply(knobs.every()) if apply else knobs.undo()
    if as_json:
        print(json.dumps(asdict(done)))
        sys.exit(1 if done.refused else 0)
    for path, before in done.before.items():
        told = f"was {before}" if apply else f"is {before} again"
        console.OUT.print(f"set     {path} ({told})", markup=False, soft_wrap=True)
    for path, error in done.refused.items():
        line = f"refused {path}: {error}"
        console.OUT.print(line, style="yellow", markup=False, soft_wrap=True)
    if not done.before:
        console.OUT.print(
            "Nothing was changed." if done.refused else "There is nothing to set here."
        )
    elif apply:
        console.OUT.print("Put it back with: ringcross doctor --undo; or, by hand and as root:")
        console.OUT.print(f"  {done.undo_command()}", markup=False, soft_wrap=True)
    sys.exit(1 if done.refused else 0)
