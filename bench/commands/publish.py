# SPDX-License-Identifier: GPL-2.0-only
"""``make results``: measure, and write the results that the documentation shows.

Two runs with the plan ``quick``, the stock kernel, the ``instructions`` clock and seed 1 make

- ``docs/results/``: what each channel can do and what it costs, with the data;
- ``docs/sample/``: a complete report of four channels, with the data;
- the table of the README.

``--tables`` only writes the tables again, from the data in ``docs/results/data``.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.commands import channel_table
from bench.paths import ROOT
from bench.plan.options import RunOptions
from bench.run.progress import for_console
from bench.run.pytest_bridge import run_campaign
from reports.analysis import cost_tables
from reports.data.run import Run, load_run
from reports.pages.render import render
from reports.text import words
from reports.text.tables import markdown

RESULTS = ROOT / "docs" / "results"
SAMPLE = ROOT / "docs" / "sample"
README = ROOT / "README.md"
SHOWN = ("null", "mmap", "ioctl", "chardev", "procfs", "sysfs", "netlink", "genetlink", "signal")
"""The channels of the README's table: eight and the baseline."""

SAMPLED = ("null", "ioctl", "mmap", "netlink")
"""The channels of the sample report; few, so that it stays small."""

BEGIN, END = "<!-- made by: make results -->", "<!-- end of what is made -->"
_DATA = ("cells.csv", "trials.csv")
_SAMPLE_DATA = (*_DATA, "properties.json", "xray.json", "rounds.parquet", "samples.parquet")
_PRIVATE = ("command_line",)
"""Fields of ``session`` in ``environment.json`` that name folders of this machine."""


def main(arguments: Sequence[str] = ()) -> None:
    """Measure unless ``--tables`` is given; then write all tables."""
    if "--tables" not in arguments:
        _measure(RESULTS / "data", _DATA, channels=())
        _measure(SAMPLE / "run", _SAMPLE_DATA, channels=SAMPLED)
        shutil.rmtree(SAMPLE / "report", ignore_errors=True)
        render([SAMPLE / "run"], SAMPLE / "report")
    for path, text in documents(load_run(RESULTS / "data")).items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))


def _measure(folder: Path, files: Sequence[str], channels: Sequence[str]) -> None:
    """Make a run with the plan ``quick``, and copy its ``files`` to ``folder``."""
    from bench.commands import console

    with tempfile.TemporaryDirectory(prefix="ringcross-publish-") as scratch:
        options = RunOptions(
            clock="instructions",
            accel="tcg",
            channels=tuple(channels),
            explore="xray.json" in files,
            run_dir=Path(scratch) / "run",
        )
        campaign, code = run_campaign(options, for_console(console.ERR))
        if code or campaign.folder is None:
            sys.exit(f"The run did not succeed: {campaign.error or campaign.failed()}")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in files:
            shutil.copyfile(campaign.folder / name, folder / name)
        environment = json.loads((campaign.folder / "environment.json").read_text())
        text = json.dumps(public(environment), indent=1, sort_keys=True)
        (folder / "environment.json").write_text(text + "\n")


def public(environment: dict[str, Any]) -> dict[str, Any]:
    """``environment.json`` without the folders and the builders of one machine."""
    session = environment.get("session", {})
    return environment | {
        "session": {key: value for key, value in session.items() if key not in _PRIVATE},
        "version": str(environment.get("version", "")).split(" (")[0],
    }


def documents(run: Run) -> dict[Path, str]:
    """The text of each file that is made from the data in ``docs/results/data``."""
    return {
        RESULTS / "README.md": _index(run),
        RESULTS / "channels.md": _channels(run),
        RESULTS / "costs.md": _costs(run),
        README: readme(README.read_text(encoding="utf-8"), run),
    }


def readme(text: str, run: Run) -> str:
    """``text`` of the README, with its table of results replaced by that of ``run``."""
    rows = {costs.name: costs for costs in cost_tables.by_channel(run)}
    table = _table([rows[name] for name in SHOWN if name in rows])
    before, rest = text.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    return f"{before}{BEGIN}\n{table}{END}{after}"


def _table(rows: Sequence[cost_tables.Costs]) -> str:
    return markdown(("channel", *cost_tables.COLUMNS), [_line(row) for row in rows])


def _line(row: cost_tables.Costs) -> list[str]:
    name = f"`{row.name}`" + (f" ({row.tag})" if row.tag else "")
    return [name, *(words.number(value) for value in row.values)]


def _conditions(run: Run) -> str:
    env = run.environment
    return (
        f"Conditions: kernel {env['kernel']}, QEMU {env['qemu']}, plan `{env['plan']}`, "
        f"seed {env['seed']}, clock `instructions`. A figure is the median number of guest "
        "instructions per operation for the smallest message, after the harness's own cost is "
        "subtracted. `make results` measures again and replaces this folder."
    )


def _index(run: Run) -> str:
    return (
        "# Results\n\n"
        f"{_conditions(run)}\n\n"
        "- [costs.md](costs.md): what each channel and each mode costs\n"
        "- [channels.md](channels.md): which operations each channel has, and why it lacks"
        " the others\n"
        "- [data/](data): the run behind the tables, in the format of"
        " [run-folder.md](../run-folder.md)\n\n"
        "Counts can be compared between machines that run the same version of QEMU. Another"
        " version emulates another processor, for which the kernel chooses other mitigations.\n"
    )


def _channels(run: Run) -> str:
    table = channel_table.markdown(run.environment["channels"])
    lines = [f"| `{channel}` | {operation} | {reason} |\n" for channel, operation, reason
             in cost_tables.reasons(run)]  # fmt: skip
    return (
        "# What each channel can do\n\n"
        f"{table.replace('](modules/', '](../../modules/')}\n"
        "## Why a channel lacks an operation\n\n"
        "| channel | operation | reason |\n| --- | --- | --- |\n" + "".join(lines)
    )


def _costs(run: Run) -> str:
    return (
        "# What each channel costs\n\n"
        f"{_conditions(run)}\n\n"
        "- **push, pull, call**: instructions per operation.\n"
        "- **one event**: a `notify`. Unless its reader spins, the figure contains a complete"
        " wake-up.\n"
        f"- **event in a burst of {cost_tables.BATCH}**: from one event to the next in a"
        " `stream` at the highest rate without loss.\n"
        "- **upcall**: from a request of the kernel until it has consumed the reply, with two"
        " complete wake-ups.\n"
        "- **record of a dump**: one record of 64 bytes, in the longest table that was dumped.\n\n"
        "## Channels\n\n"
        "Each figure is that of the channel's cheapest mode that carries a whole message. If no"
        " mode does, it is that of the cheapest mode.\n\n"
        f"{_table(cost_tables.by_channel(run))}\n"
        "## Modes\n\n"
        f"{_table(list(cost_tables.by_mode(run)))}"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
