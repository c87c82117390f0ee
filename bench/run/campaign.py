# SPDX-License-Identifier: GPL-2.0-only
"""One run, from its options to its folder: combines plan, target, runner and recorder."""

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
from bench.kernels.places import check_cache, check_writable, default_cache
from bench.plan.cells import UNITS, Cell, CellResult, Clock
from bench.plan.controls import controls, with_controls
from bench.plan.factors import second_placement
from bench.plan.options import RUNS, RunOptions
from bench.plan.plans import Listing, check_names, find_plan, make_cells, schedule
from bench.run import environment, exploration, ratios
from bench.run.progress import Progress, Silent
from bench.run.run_folder import FORMAT, Header, Recorder, new_folder
from bench.run.runner import Runner, SessionInfo, Settings, is_complete
from bench.targets import cpus
from bench.targets.provision import Provisioner, Testbed


class Campaign:
    """A run, which starts measuring when the first result is requested.

    The constructor determines the cells.  For this it may build the agent.  It boots nothing,
    unless the clock depends on whether KVM works, and that was not tested yet.  Close the
    campaign, or use it as a context manager: closing finishes the run folder and ends all
    machines.

    Args:
        options: the requested options; with ``resume`` set, the options stored in that run
            folder are used instead.
        provisioner: builds the agent and prepares the target.
        progress: receives log lines and the progress of the cells.

    Attributes:
        options: the options in effect.
        plan: the plan that ``options`` names.
        cells: all cells of the run, in the plan's order.
        listing: the channels of the agent, as ``ringcross_agent --list`` prints them.
        error: the error that ended the run early, or None.
        folder: path of the run folder; None until there is one.
        shown_warnings: warnings that were already sent to ``progress``.

    Raises:
        UsageError: an option names something unknown, or the folder to resume holds no
            unfinished run.
        TargetError: the agent cannot be built or run.
        DamagedFolder: the journal of the folder to resume cannot be read.
    """

    def __init__(
        self,
        options: RunOptions,
        *,
        provisioner: Provisioner | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.error: RingcrossError | None = None
        self.shown_warnings: list[str] = []
        self.folder: Path | None = options.resume
        self._progress = progress or Silent()
        self._provisioner = provisioner or Provisioner(self._progress.say, options.prebuilt)
        self._recorder: Recorder | None = None
        self._planned_clock: Clock = "instructions"
        _check_places(options)
        if options.resume is not None:
            self._recorder = Recorder.resume(options.resume)
            stored = RunOptions.from_json(self._recorder.header.options)
            # Consent and local paths belong to this call; they are not stored options of the run.
            options = replace(
                stored,
                clock=self._recorder.header.clock,  # the clock that "auto" selected
                resume=options.resume,
                yes_load_modules=options.yes_load_modules,
                prebuilt=options.prebuilt,
            )
        self.options = options
        self.plan = find_plan(options.plan)
        self._exhausted = False
        self.listing: Listing = self._provisioner.listing()
        self.cells = list(self._recorder.header.cells) if self._recorder else self._make_cells()
        self._selected: Sequence[Cell] | None = None
        self._runner: Runner | None = None
        self._stream: Generator[CellResult] = _no_results()
        self._open = False
        self._first_boot_recorded = False
        self._environment: dict[str, Any] = {}
        self._testbed: Testbed | None = None
        self._closed = False
        self._machine_files: dict[str, str | None] | None = None
        self._exploration: exploration.Exploration | None = None

    def __enter__(self) -> Campaign:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def results(self) -> dict[Cell, list[CellResult]]:
        """The recorded results of each cell, one per load and boot."""
        return self._recorder.results if self._recorder else {}

    @property
    def clock(self) -> Clock:
        """The clock of the run; available once the run has started."""
        assert self._recorder is not None, "not started"
        return self._recorder.header.clock

    @property
    def loads(self) -> int:
        """Loads of the module per boot; each cell is measured once in each."""
        clock = self._recorder.header.clock if self._recorder else self._planned_clock
        return self.options.loads or self.plan.loads[clock]

    @property
    def _finished(self) -> bool:
        """Whether each cell has all its results."""
        recorder = self._recorder
        assert recorder is not None, "not started"
        complete = is_complete(recorder, self._results_per_cell)
        return complete and (self._exhausted or not self.options.precision)

    def identity(self) -> dict[str, str]:
        """What the figures count, and where: kernel, target, clock, unit and scale.

        Empty before the run has started.
        """
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
        """One sentence per reason: the cell that failed, and how many more failed likewise."""
        by_reason: dict[str, list[str]] = {}
        for cell, results in self.results.items():
            for reason in dict.fromkeys(r.reason for r in results if r.status == "fail"):
                by_reason.setdefault(reason, []).append(cell.name)
        return [
            f"{first} failed: {reason}"
            if not more
            else f"{first} and {len(more)} more cells failed: {reason}"
            for reason, (first, *more) in by_reason.items()
        ]

    def warnings(self) -> list[str]:
        """Warnings about the quality of the figures; complete once the campaign is closed."""
        return list(self._environment.get("warnings", ()))

    def order(self) -> list[Cell]:
        """All cells: the skipped ones first, then the others in the order of their last result."""
        last_boot = schedule(self.cells, self.options.seed + self.options.boots - 1, self.loads)
        last = [cell for cell, load in last_boot if load == self.loads - 1]
        return [cell for cell in self.cells if cell.skip] + last

    def select(self, cells: Sequence[Cell]) -> None:
        """Measure only ``cells``, a part of the plan's cells.  Call this before :meth:`result`."""
        self._selected = cells

    def result(self, cell: Cell) -> list[CellResult]:
        """The results of ``cell``, one per load and boot; measures until all of them exist.

        A cell that failed or was skipped may have fewer results.

        Raises:
            RingcrossError: the run has ended early.  Later calls raise the same error.
        """
        while not self._is_settled(cell):
            if self.error is not None:
                raise self.error
            try:
                self._start()
                next(self._stream)
                self._record_first_boot()
            except StopIteration:
                self._exhausted = True
                if not self._is_settled(cell):
                    raise TargetError(f"{cell.name} is not a cell of this run.") from None
            except RingcrossError as error:
                self.error = error
                raise
        return self.results[cell]

    def run(self) -> None:
        """Measure all selected cells.

        Raises:
            RingcrossError: the run has ended early.
        """
        for cell in self._selected or self.cells:
            self.result(cell)

    def close(self) -> None:
        """Determine properties and x-rays, and finish the folder; a second call does nothing.

        A :class:`RingcrossError` is not raised; :attr:`error` holds the one that ended the run.

        Raises:
            KeyboardInterrupt: interrupted during the exploration; a resumed run repeats it.
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
        """Finish the exploration once all cells are measured; a failure is reported, not raised."""
        recorder = self._recorder
        if self.error or recorder is None or not self._finished:
            return
        error_text = ""
        try:
            self._start()
            self._start_exploration()
            if self._exploration is not None:
                self._progress.say("Determining properties and x-rays in a separate boot")
                error_text = self._exploration.finish(self._progress)
        except DiskFull as error:
            self.error = error
        except RingcrossError as error:
            error_text = str(error)
        if error_text:
            self._progress.say(f"Properties or x-rays are incomplete. {error_text}")

    def _explore_in_parallel(self) -> None:
        """Explore in a second machine while the first one counts instructions.

        Load on the host does not change a count of instructions.
        """
        if self.clock == "instructions":
            with contextlib.suppress(TargetError):  # _explore() tries again and reports the error
                self._start_exploration()

    def _start_exploration(self) -> None:
        """Start the exploration, unless it has started or no file is missing."""
        recorder, testbed = self._recorder, self._testbed
        assert recorder is not None, "not started"
        assert testbed is not None, "not started"
        if self._exploration or not self.options.explore or not exploration.missing(recorder):
            return
        measured = {
            cell.channel
            for cell in recorder.header.cells
            if not cell.skip and cell not in testbed.decided
        }
        explored = self.plan.references or bool(self.options.channels)
        channels = [
            channel
            for channel in self.listing["channels"]
            if channel["name"] in measured and (explored or not channel.get("reference"))
        ]
        self._exploration = exploration.Exploration(
            cpus.with_one(testbed.target),
            recorder,
            channels,
            self.clock,
            self.options.seed,
            self.plan.brief,
        )

    def _finish(self, explored: bool) -> None:
        recorder, self._open = self._recorder if self._open else None, False
        if recorder is None:
            return
        if self._measured_nothing():
            recorder.discard()
            self.folder = None
            return
        try:
            complete = explored and self._finished
            self._write_environment(recorder, finished=complete)
            recorder.finish(complete=complete)
        except RingcrossError as error:
            self.error = self.error or error
        finally:
            recorder.close()

    def _measured_nothing(self) -> bool:
        """Whether an error ended a new run before its first boot; it has only skipped cells."""
        measured = any(r.status != "skip" for results in self.results.values() for r in results)
        booted = self._runner is not None and self._runner.boots
        return self.error is not None and not (measured or booted or self.options.resume)

    def _make_cells(self) -> list[Cell]:
        options = self.options
        # Before a kernel is fetched to find out whether KVM works.
        check_names(self.listing, options.channels, options.operations)
        self._planned_clock = self._provisioner.planned_clock(options)
        if options.precision and self._planned_clock != "time":
            raise UsageError(
                "--precision is for the clock time: counts of instructions have no noise. Leave it "
                "out, or add --clock time."
            )
        cells = make_cells(
            self.listing,
            self.plan,
            channels=options.channels,
            operations=options.operations,
            sizes=options.sizes,
            factors=options.factors,
            placements=second_placement(self._provisioner.placements(options)),
        )
        return with_controls(cells, self.listing)

    def _is_settled(self, cell: Cell) -> bool:
        results = self.results.get(cell, [])
        if any(result.status != "ok" for result in results):
            return True
        enough = len(results) >= self._results_per_cell
        # Of a run with a precision, every cell may be measured again until all are measured.
        return enough and (self._exhausted or not self.options.precision)

    @property
    def _results_per_cell(self) -> int:
        return self.options.boots * self.loads

    def _start(self) -> None:
        """Prepare the target and the run folder, once."""
        if self._runner is not None:
            return
        options = self.options
        # Read before builds and boots of this run load the machine.
        machine = knobs.read(knobs.every(place="machine"))
        cells = self._selected or self.cells
        testbed = self._provisioner.prepare(self.options, self.listing, cells)
        self._machine_files = machine if testbed.clock == "time" else None
        if self._recorder is None:
            folder = self.options.run_dir or new_folder(RUNS, f"{testbed.kernel}-{testbed.clock}")
            # A resumed run has the same number of CPUs, also on another machine.
            options = replace(self.options, cpus=cpus.count(testbed.target))
            header = Header(options.to_json(), testbed.clock, tuple(cells))
            self._recorder = Recorder.create(folder, header)
            self.folder = folder
        self._open = True
        self._testbed = testbed
        before = self._environment = _read_environment(self._recorder.folder)
        if before.get("kernel", testbed.kernel) != testbed.kernel:
            raise UsageError(
                f"The run in {self.folder} measures kernel {before['kernel']}, "
                f"not {testbed.kernel}: start a new run."
            )
        self._environment = before | self._initial_environment(testbed)
        self._environment["started"] = before.get("started") or _now()
        self._write_environment(self._recorder, finished=False)
        self._show_machine_warnings()
        settings = Settings(
            self.plan,
            testbed.clock,
            options.seed,
            options.boots,
            self.loads,
            precision=options.precision,
            budget=options.budget,
            reboots=options.target != "local",
        )
        self._runner = Runner(
            testbed.target,
            self._recorder,
            settings,
            cells=self._selected,
            decided=testbed.decided,
            progress=self._progress,
            on_boot=self._explore_in_parallel,
        )
        self._stream = self._runner.results()

    def _initial_environment(self, testbed: Testbed) -> dict[str, Any]:
        """The fields of ``environment.json`` that are known before the first boot."""
        options = self.options
        return {
            "format": FORMAT,
            "kernel": testbed.kernel,
            "clock": testbed.clock,
            "target": options.target,
            "seed": options.seed,
            "boots": options.boots,
            "loads": self.loads,
            "plan": options.plan,
            "config": environment.select_config(testbed.config),
            "tools": environment.tools(),
            "channels": self.listing,
            "controls": [cell.name for cell in controls(self.listing)],
            "not_measured": list(testbed.notes),
        }

    def _show_machine_warnings(self) -> None:
        """Report machine settings that distort the figures before measuring starts."""
        for knob in self._environment["knobs"]:
            if knob["place"] == "machine" and knob["warning"]:
                self.shown_warnings.append(knob["warning"])
                self._progress.say(knob["warning"])

    def _record_first_boot(self) -> None:
        """Write what the first boot reported, in case the run never finishes."""
        if self._first_boot_recorded or not (self._recorder and self._runner):
            return
        if self._runner.session_info.hello:
            self._first_boot_recorded = True
            self._write_environment(self._recorder, finished=False)

    def _write_environment(self, recorder: Recorder, *, finished: bool) -> None:
        info = self._runner.session_info if self._runner else SessionInfo()
        document = dict(self._environment)
        if info.files or "cmdline" not in document:
            document |= environment.from_files(info.files)
        if info.hello:
            document |= info.hello | {"overhead": info.overhead, "floors": {"copy": info.floors}}
            document["no_events"] = info.no_events
        if info.session:
            document |= {name: info.session.get(name, "") for name in ("accelerator", "qemu")}
            document |= {"forced": bool(info.session.get("forced")), "session": info.session}
        document["finished"] = _now() if finished else None
        states = environment.knob_states(
            self.clock, info.files, document.get("config", {}), self._machine_files
        )
        if info.files or "knobs" not in document:
            document["knobs"] = [state.to_json() for state in states]
        document["marked"] = recorder.marked() if finished else {}
        if self.clock == "time":
            document["noise"] = self._noise(recorder) if finished else {}
        document["warnings"] = list(environment.warnings(document))
        self._environment = document
        recorder.write_environment(document)

    def _noise(self, recorder: Recorder) -> dict[str, Any]:
        """How much the machine's speed changed, and which cells are not as precise as requested."""
        pace = ratios.pace(recorder.results.values())
        noise: dict[str, Any] = {"pace": pace if pace == pace else None}
        if self.options.precision and self._runner is not None:
            noise |= {
                "precision": self.options.precision,
                "budget": self.options.budget,
                "unreached": [cell.name for cell in self._runner.imprecise()],
            }
        return noise


def _check_places(options: RunOptions) -> None:
    """Raise an error if the run cannot be recorded or the kernel not kept, before work is spent."""
    folder = options.resume or options.run_dir or RUNS
    check_writable(folder.absolute(), "choose another folder with --run-dir")
    if options.target == "vm":
        check_cache(default_cache())


def _read_environment(folder: Path) -> dict[str, Any]:
    """``environment.json`` as an earlier part of this run wrote it; empty if there is none."""
    try:
        return dict(json.loads((folder / "environment.json").read_text()))
    except (OSError, ValueError):
        return {}


def _no_results() -> Generator[CellResult]:
    yield from ()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
