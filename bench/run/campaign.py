"""One run from its options to its folder: plan, target, runner and recorder put together."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.errors import DiskFull, RingcrossError, TargetError, UsageError
from bench.host import knobs
from bench.plan.cells import UNITS, Cell, CellResult, Clock
from bench.plan.controls import controls, with_controls
from bench.plan.options import RUNS, RunOptions
from bench.plan.plans import Listing, find_plan, make_cells, schedule
from bench.run import environment, exploration
from bench.run.progress import Progress, Silent
from bench.run.run_folder import FORMAT, Header, Recorder, new_folder
from bench.run.runner import Runner, SessionInfo, Settings, is_complete
from bench.targets.provision import Provisioner, Testbed


class Campaign:
    """A run that measures when it is first asked for a result.

    Making one finds out what there is to measure: it builds the agent at most, and
    boots nothing.  Close it, or use it as a context manager, so that the folder is
    finished and no machine stays behind.

    Attributes:
        options: as asked for, or as the resumed folder says.
        cells: all cells of the run, in the plan's order.
        loads: how often each is measured in a boot.
        error: what ended the run early.
        folder: the run folder, once there is one.
        told: warnings that the progress has shown already.
    """

    def __init__(
        self,
        options: RunOptions,
        *,
        provisioner: Provisioner | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.error: RingcrossError | None = None
        self.told: list[str] = []
        self.folder: Path | None = options.resume
        self._progress = progress or Silent()
        self._provisioner = provisioner or Provisioner(self._progress.say, options.prebuilt)
        self._recorder: Recorder | None = None
        if options.resume is not None:
            self._recorder = Recorder.resume(options.resume)
            given = RunOptions.from_json(self._recorder.header.options)
            # Consent, and places on this machine, are no properties of the run.
            options = replace(
                given,
                clock=self._recorder.header.clock,  # what "auto" came to
                resume=options.resume,
                yes_load_modules=options.yes_load_modules,
                prebuilt=options.prebuilt,
            )
        self.options = options
        self.plan = find_plan(options.plan)
        self.loads = options.loads or self.plan.loads
        self.listing: Listing = self._provisioner.listing()
        self.cells = list(self._recorder.header.cells) if self._recorder else self._make_cells()
        self._selected: Sequence[Cell] | None = None
        self._runner: Runner | None = None
        self._stream: Generator[CellResult] = _nothing()
        self._open = False
        self._learnt = False
        self._environment: dict[str, Any] = {}
        self._site: Testbed | None = None
        self._closed = False
        self._machine: dict[str, str | None] | None = None
        self._exploration: exploration.Exploration | None = None

    def __enter__(self) -> Campaign:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def results(self) -> dict[Cell, list[CellResult]]:
        """What has been recorded, per cell, one for each load and boot."""
        return self._recorder.results if self._recorder else {}

    @property
    def clock(self) -> Clock:
        """The clock of the run; known once it has started."""
        assert self._recorder is not None, "not started"
        return self._recorder.header.clock

    def identity(self) -> dict[str, str]:
        """What makes figures comparable: kernel, target, clock, unit and its scale."""
        if self._recorder is None:
            return {}
        unit = UNITS[self.clock]
        return {
            "kernel": str(self._environment.get("kernel", "")),
            "target": self.options.target,
            "clock": self.clock,
            "unit": unit,
            "scale": f"1e-9 of a 'second' is 1 {unit}",
        }

    def failed(self) -> list[str]:
        """The cells that failed, each with its reason."""
        return [
            f"{cell.name} failed: {result.reason}"
            for cell, results in self.results.items()
            for result in results
            if result.status == "fail"
        ]

    def warnings(self) -> list[str]:
        """What a reader should know before trusting the figures; known at the end."""
        return list(self._environment.get("warnings", ()))

    def order(self) -> list[Cell]:
        """All cells in the order in which their last result arrives; skipped ones first."""
        turns = schedule(self.cells, self.options.seed + self.options.boots - 1, self.loads)
        last = [cell for cell, load in turns if load == self.loads - 1]
        return [cell for cell in self.cells if cell.skip] + last

    def select(self, cells: Sequence[Cell]) -> None:
        """Measure only these of the plan's cells; to be called before the first result."""
        self._selected = cells

    def result(self, cell: Cell) -> list[CellResult]:
        """The results of ``cell``, one per load and boot; measures until they are there.

        Raises:
            RingcrossError: the run has ended early; the same each time.
        """
        while not self._settled(cell):
            if self.error is not None:
                raise self.error
            try:
                self._start()
                next(self._stream)
                self._learn()
            except StopIteration:
                raise TargetError(f"{cell.name} is no cell of this run.") from None
            except RingcrossError as error:
                self.error = error
                raise
        return self.results[cell]

    def run(self) -> None:
        """Measure all that is selected."""
        for cell in self._selected or self.cells:
            self.result(cell)

    def close(self) -> None:
        """Find out the rest and finish the folder; a second call does nothing.

        Raises:
            KeyboardInterrupt: while it found out the rest, which is then left to a resumed run.
        """
        self._stream.close()
        if self._closed:
            return
        self._closed = True
        explored = False
        try:
            self._explore()
            explored = True
        finally:
            if self._exploration is not None:
                self._exploration.close()
            self._finish(explored)

    def _explore(self) -> None:
        """Properties and the like, once all cells are measured; a failure is told, no more."""
        recorder = self._recorder
        if self.error or recorder is None or not is_complete(recorder, self._times):
            return
        trouble = ""
        try:
            self._start()
            self._begin_exploration()
            if self._exploration is not None:
                self._progress.say("Finding out properties and paths, in a boot of their own")
                trouble = self._exploration.finish()
        except DiskFull as error:
            self.error = error
        except RingcrossError as error:
            trouble = str(error)
        if trouble:
            self._progress.say(f"Not all was found out. {trouble}")

    def _explore_beside(self) -> None:
        """While another machine counts instructions, which does not notice."""
        if self.clock == "instructions":
            with contextlib.suppress(TargetError):  # tried again, and told, at the end
                self._begin_exploration()

    def _begin_exploration(self) -> None:
        """Once, and only if there is something to find out."""
        recorder, site = self._recorder, self._site
        assert recorder is not None, "started"
        assert site is not None, "started"
        if self._exploration or not self.options.explore or not exploration.missing(recorder):
            return
        measured = {cell.channel for cell in recorder.header.cells if not cell.skip}
        channels = [c for c in self.listing["channels"] if c["name"] in measured]
        self._exploration = exploration.Exploration(
            site.target, recorder, channels, self.clock, self.options.seed, self.plan.brief
        )

    def _finish(self, explored: bool) -> None:
        recorder, self._open = self._recorder if self._open else None, False
        if recorder is None:
            return
        if self._barren():
            recorder.discard()
            self.folder = None
            return
        try:
            complete = explored and is_complete(recorder, self._times)
            self._write_environment(recorder, finished=complete)
            recorder.finish(complete=complete)
        except RingcrossError as error:
            self.error = self.error or error
        finally:
            recorder.close()

    def _barren(self) -> bool:
        """Ended before a machine was even started: the new folder holds skips at most."""
        measured = any(r.status != "skip" for results in self.results.values() for r in results)
        booted = self._runner is not None and self._runner.boots
        return self.error is not None and not (measured or booted or self.options.resume)

    def _make_cells(self) -> list[Cell]:
        options = self.options
        cells = make_cells(
            self.listing,
            self.plan,
            channels=options.channels,
            operations=options.operations,
            sizes=options.sizes,
            factors=options.factors,
        )
        return with_controls(cells, self.listing)

    def _settled(self, cell: Cell) -> bool:
        had = self.results.get(cell, [])
        return len(had) >= self._times or any(result.status != "ok" for result in had)

    @property
    def _times(self) -> int:
        return self.options.boots * self.loads

    def _start(self) -> None:
        """Get the target and the run folder, once."""
        if self._runner is not None:
            return
        machine = knobs.read(knobs.every(place="machine"))  # before work of ours makes it busy
        site = self._provisioner.prepare(self.options, self.listing, self._selected or self.cells)
        self._machine = machine if site.clock == "time" else None
        if self._recorder is None:
            folder = self.options.run_dir or new_folder(RUNS, site.kernel, site.clock)
            header = Header(self.options.to_json(), site.clock, tuple(self._selected or self.cells))
            self._recorder = Recorder.create(folder, header)
            self.folder = folder
        self._open = True
        self._site = site
        before = self._environment = _read_environment(self._recorder.folder)
        if before.get("kernel", site.kernel) != site.kernel:
            raise UsageError(
                f"The run in {self.folder} is of kernel {before['kernel']}, not {site.kernel}: "
                "start a new run."
            )
        self._environment = before | self._known(site)
        self._environment["started"] = before.get("started") or _now()
        self._write_environment(self._recorder, finished=False)
        self._warn()
        options = self.options
        settings = Settings(self.plan, site.clock, options.seed, options.boots, self.loads)
        self._runner = Runner(
            site.target,
            self._recorder,
            settings,
            cells=self._selected,
            progress=self._progress,
            booted=self._explore_beside,
        )
        self._stream = self._runner.results()

    def _known(self, site: Testbed) -> dict[str, Any]:
        """What is known before the first boot."""
        options = self.options
        return {
            "format": FORMAT,
            "kernel": site.kernel,
            "clock": site.clock,
            "target": options.target,
            "seed": options.seed,
            "boots": options.boots,
            "loads": self.loads,
            "plan": options.plan,
            "config": environment.select_config(site.config),
            "tools": environment.tools(),
            "channels": self.listing,
            "controls": [cell.name for cell in controls(self.listing)],
        }

    def _warn(self) -> None:
        """Tell in time what of this machine will spoil the figures."""
        for knob in self._environment["knobs"]:
            if knob["place"] == "machine" and knob["warning"]:
                self.told.append(knob["warning"])
                self._progress.say(knob["warning"])

    def _learn(self) -> None:
        """Write down what the first boot tells, in case the end is never reached."""
        if self._recorder and self._runner and self._runner.facts.hello and not self._learnt:
            self._learnt = True
            self._write_environment(self._recorder, finished=False)

    def _write_environment(self, recorder: Recorder, *, finished: bool) -> None:
        facts = self._runner.facts if self._runner else SessionInfo()
        found = dict(self._environment)
        if facts.files or "cmdline" not in found:
            found |= environment.from_files(facts.files)
        if facts.hello:
            found |= facts.hello | {"overhead": facts.overhead, "floors": {"copy": facts.floors}}
        if facts.session:
            found |= {name: facts.session.get(name, "") for name in ("accelerator", "qemu")}
            found |= {"forced": bool(facts.session.get("forced")), "session": facts.session}
        found["finished"] = _now() if finished else None
        settings = environment.settings(
            self.clock, facts.files, found.get("config", {}), self._machine
        )
        if facts.files or "knobs" not in found:
            found["knobs"] = [knob.to_json() for knob in settings]
        found["marked"] = recorder.marked() if finished else {}
        found["warnings"] = list(environment.warnings(found))
        self._environment = found
        recorder.write_environment(found)


def _read_environment(folder: Path) -> dict[str, Any]:
    """What an earlier part of this run knew; empty when there was none."""
    try:
        return dict(json.loads((folder / "environment.json").read_text()))
    except (OSError, ValueError):
        return {}


def _nothing() -> Generator[CellResult]:
    yield from ()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
