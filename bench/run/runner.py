# SPDX-License-Identifier: GPL-2.0-only
"""Measures cells on a target, boot by boot, and continues when a machine dies.

The runner is a generator: its user pulls the results.  The machine keeps running in between,
and its answers wait in a pipe.  When the pipe is full, a virtual CPU stops until there is room;
this does not change a count of instructions.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from bench.errors import SessionLost, TargetError
from bench.plan.cells import STREAM_COSTS, Cell, CellResult, Clock, failed, skipped
from bench.plan.options import DEFAULT_BUDGET
from bench.plan.plans import Plan, request, schedule
from bench.run import environment, passes, stream_counts
from bench.run.passes import Passes
from bench.run.progress import Progress, Silent, clock_text
from bench.run.run_folder import Recorder
from bench.targets import kernel_log
from bench.targets.base import Target

ScheduledCell = tuple[Cell, int]
"""A cell, and the number of its load within the boot."""

MAX_CRASHES = 3
"""Give up after this many machines died in a row without a measured cell in between."""


@dataclass(frozen=True)
class Settings:
    """How to measure.

    Attributes:
        plan: number and length of rounds, number of samples.
        clock: what to count.
        seed: seed of the first boot; each further boot has the next number.
        boots: number of boots in which each cell is measured.
        loads: loads of the module per boot; each cell is measured once in each.
        precision: measure a cell again until its interval reaches at most this share to either
            side; 0 to measure each cell ``boots`` times ``loads`` times.
        budget: seconds of measuring after which no cell is measured again.
        reboots: whether each start of the target is a boot of a machine. If not, each load has a
            start of its own.
    """

    plan: Plan
    clock: Clock
    seed: int = 1
    boots: int = 1
    loads: int = 1
    precision: float = 0.0
    budget: float = DEFAULT_BUDGET
    reboots: bool = True


@dataclass
class SessionInfo:
    """What sessions reported besides results of cells.

    Attributes:
        hello: release of the kernel and machine architecture.
        files: text of the files of :data:`bench.run.environment.PATHS`, by path.
        overhead: units for one clock reading (``read``) and one iteration of the loop
            (``loop``), and ``min_round``, the shortest measurable round, if there is one.
        no_events: why no hardware events are counted under ``time``; empty if they are.
        floors: units for a plain copy, by number of bytes.
        session: what :meth:`bench.targets.base.Session.describe` gives.
    """

    hello: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str | None] = field(default_factory=dict)
    overhead: dict[str, float] = field(default_factory=dict)
    no_events: str = ""
    floors: dict[str, float] = field(default_factory=dict)
    session: dict[str, Any] = field(default_factory=dict)


class Runner:
    """Measures those cells of a run that have no result yet.

    Args:
        target: starts the machines.
        recorder: records the results, and holds earlier ones.
        settings: how to measure.
        cells: measure only these cells of the run; None for all.
        decided: results that are known before the boot; these cells are not measured.
        progress: receives the progress.
        on_boot: called when a machine has been started.
        now: the time in seconds, from any fixed start.

    Attributes:
        session_info: what the sessions reported so far.
        boots: number of machines started.
        finished: whether all is measured that the settings request.
    """

    def __init__(
        self,
        target: Target,
        recorder: Recorder,
        settings: Settings,
        *,
        cells: Sequence[Cell] | None = None,
        decided: Mapping[Cell, CellResult] | None = None,
        progress: Progress | None = None,
        on_boot: Callable[[], None] = lambda: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.session_info = SessionInfo()
        self.boots = 0
        self._target = target
        self._recorder = recorder
        self._settings = settings
        self._cells = list(recorder.header.cells if cells is None else cells)
        self._numbers = {cell: n for n, cell in enumerate(recorder.header.cells)}
        self._decided = decided or {}
        self._progress = progress or Silent()
        self._on_boot = on_boot
        self._crashes = 0
        self._now = now
        self.finished = False

    def remaining(self, boot: int) -> list[ScheduledCell]:
        """Cells that remain to be measured in ``boot``, each with its load, in shuffled order.

        A cell that failed or was skipped before is not measured again.
        """
        order = schedule(self._cells, self._settings.seed + boot, self._settings.loads)
        return [scheduled for scheduled in order if self._needs_measuring(scheduled, boot)]

    def imprecise(self) -> list[Cell]:
        """Measured cells whose interval is not as narrow as :attr:`Settings.precision` requests."""
        return passes.imprecise(self._cells, self._recorder.results, self._settings.precision)

    def results(self) -> Generator[CellResult]:
        """Measure the remaining cells, and yield each result once it is recorded.

        Raises:
            TargetError: a machine cannot be started, was lost before its first cell, or
                :data:`MAX_CRASHES` machines died in a row.
            DiskFull: there is no space to write the run folder.
        """
        self._progress.start(sum(len(self.remaining(b)) for b in range(self._settings.boots)))
        end = self._now() + self._settings.budget
        try:
            yield from self._known()
            for boot in range(self._settings.boots):
                while scheduled_cells := self._next_session(boot):
                    yield from self._boot(boot, scheduled_cells)
            if self._settings.precision:
                yield from self._refine(end)
            self.finished = True
        finally:
            self._progress.stop()

    def _next_session(self, boot: int) -> list[ScheduledCell]:
        """What to measure in the next start of the target, of what remains in ``boot``.

        If the target does not boot, this is one load: the memory layout of the agent, which is
        chosen when it starts, then differs between loads.
        """
        remaining = self.remaining(boot)
        if self._settings.reboots:
            return remaining
        return [(cell, load) for cell, load in remaining if load == remaining[0][1]]

    def _refine(self, end: float) -> Iterator[CellResult]:
        """Measure imprecise cells again, in passes over all of them, until the time is ``end``."""
        settings = self._settings
        plan = Passes(settings.boots, settings.loads, settings.reboots)
        number = plan.next_number(self._recorder.results)
        while (cells := self.imprecise()) and self._now() < end:
            place = plan.place(number)
            order = schedule(cells, settings.seed + number, settings.loads, place.first_load)
            number += 1
            scheduled_cells = [s for s in order if self._needs_measuring(s, place.boot)]
            if scheduled_cells:
                self._progress.start(len(scheduled_cells))
                left = clock_text(end - self._now())
                self._progress.say(f"{len(cells)} cells are not precise yet, {left} left")
                yield from self._boot(place.boot, scheduled_cells, end)

    def requests(self, scheduled_cells: Sequence[ScheduledCell]) -> list[dict[str, Any]]:
        """All requests of one boot; they are fixed before it starts."""
        settings = self._settings
        sizes = sorted({cell.size for cell in self._recorder.header.cells if not cell.skip})
        return [
            {"do": "setup", "clock": settings.clock},
            {"do": "read", "paths": list(environment.PATHS)},
            {"do": "floors", "sizes": sizes},
            *(
                request(cell, self._request_id(cell, load), settings.plan, settings.clock)
                for cell, load in scheduled_cells
            ),
        ]

    def _request_id(self, cell: Cell, load: int) -> int:
        return load * len(self._numbers) + self._numbers[cell]

    def _needs_measuring(self, scheduled: ScheduledCell, boot: int) -> bool:
        cell, load = scheduled
        if cell in self._decided:
            return False
        results = self._recorder.results.get(cell, [])
        return not any((r.boot, r.load) == (boot, load) or r.status != "ok" for r in results)

    def _known(self) -> Iterator[CellResult]:
        """Record the results that need no boot."""
        for cell in self._cells:
            result = skipped(cell) if cell.skip else self._decided.get(cell)
            if result is not None and cell not in self._recorder.results:
                self._recorder.add(result)
                yield result

    def _boot(
        self, boot: int, scheduled_cells: Sequence[ScheduledCell], end: float = math.inf
    ) -> Iterator[CellResult]:
        """Measure until all ``scheduled_cells`` are done, a machine dies or the time is ``end``."""
        seed = self._settings.seed + boot
        of_all = f" of {self._settings.boots}" if boot < self._settings.boots else ""
        self._progress.say(f"Boot {boot + 1}{of_all}, seed {seed}")
        reader = _AnswerReader(self._settings, boot, self._recorder.header.cells, self.session_info)
        session = self._target.start(self.requests(scheduled_cells), seed=seed)
        self.boots += 1
        self.session_info.session = session.describe()
        try:
            with session:
                self._on_boot()
                for item in reader.read(session.answers()):
                    if isinstance(item, Cell):
                        self._progress.begin(item)
                    # A cell that failed in an earlier load keeps that result.
                    elif self._needs_measuring((item.cell, item.load), boot):
                        yield self._record(item)
                        if self._now() >= end:
                            return
        except SessionLost as error:
            yield from self._handle_lost_machine(reader, boot, error)
            return
        finally:
            self._recorder.add_kernel_log(f"boot {boot + 1}, seed {seed}", session.kernel_log())
        for cell, load in scheduled_cells:
            if self._needs_measuring((cell, load), boot):
                yield self._record(failed(cell, reader.unanswered_reason(), boot, load))

    def _record(self, result: CellResult) -> CellResult:
        self._crashes = 0
        self._recorder.add(result)
        self._progress.done(result)
        return result

    def _handle_lost_machine(
        self, reader: _AnswerReader, boot: int, error: SessionLost
    ) -> Iterator[CellResult]:
        """Handle a machine that died: the cell in flight fails, and the run continues.

        Raises:
            TargetError: no cell had begun, or too many machines died in a row.
        """
        self._crashes += 1
        crashes = self._crashes
        scheduled = reader.in_flight(error.cell_id)
        if scheduled is not None and self._needs_measuring(scheduled, boot):
            cell, load = scheduled
            yield self._record(failed(cell, str(error), boot, load))
            self._crashes = crashes
        elif not reader.results:
            raise TargetError(
                f"The machine was lost before the first cell began. {error}"
            ) from error
        if crashes >= MAX_CRASHES:
            raise TargetError(f"The machine died {crashes} times in a row. {error}") from error
        self._progress.say(f"The machine was lost; continuing in a new boot. {error}")


class _AnswerReader:
    """Converts the answers of one session to results."""

    def __init__(
        self, settings: Settings, boot: int, cells: Sequence[Cell], session_info: SessionInfo
    ) -> None:
        self._settings = settings
        self._boot = boot
        self._cells = cells
        self._session_info = session_info
        self._current: int | None = None
        self._error = ""
        self.results = 0

    def read(self, answers: Iterator[dict[str, Any]]) -> Iterator[Cell | CellResult]:
        """Yield each cell when its measurement begins, and its result when it ends."""
        for answer in answers:
            kind = answer["re"]
            if kind == "begin":
                self._current = int(answer["id"])
                yield self._scheduled_cell(self._current)[0]
            elif kind == "cell":
                self._current = None
                self.results += 1
                yield self._result(answer)
            else:
                self._store_session_info(kind, answer)

    def in_flight(self, cell_id: int | None) -> ScheduledCell | None:
        """The cell that was being measured when the session ended, with its load."""
        number = self._current if cell_id is None else cell_id
        return None if number is None else self._scheduled_cell(number)

    def _scheduled_cell(self, number: int) -> ScheduledCell:
        load, place = divmod(number, len(self._cells))
        return self._cells[place], load

    def unanswered_reason(self) -> str:
        """The reason to record for a cell that the agent did not answer."""
        return self._error or "The agent ended without an answer for this cell."

    def _store_session_info(self, kind: str, answer: dict[str, Any]) -> None:
        info = self._session_info
        if kind == "hello":
            info.hello = {name: answer[name] for name in ("kernel", "machine")}
        elif kind == "setup":
            costs = {name: answer.get(name) for name in ("read", "loop", "min_round")}
            info.overhead = {name: float(cost) for name, cost in costs.items() if cost is not None}
            info.no_events = str(answer.get("no_events", ""))
        elif kind == "read":
            info.files = info.files or dict(answer["files"])
        elif kind == "floors":
            info.floors = info.floors or dict(answer["copy"])
        elif kind == "error":
            self._error = f"The agent refused a request: {answer.get('reason', '')}"

    def _result(self, answer: dict[str, Any]) -> CellResult:
        cell, load = self._scheduled_cell(int(answer["id"]))
        log = tuple(answer.get("log", ()))
        result = CellResult(
            cell=cell,
            status=answer["status"],
            reason=str(answer.get("reason", "")),
            boot=self._boot,
            load=load,
            trials=dict(answer.get("trials", {})),
            log=log,
        )
        if complaint := kernel_log.verdict(log):
            first = f"{result.reason} " if result.status == "fail" and result.reason else ""
            return replace(result, status="fail", reason=first + complaint)
        return figures(result, answer) if result.status == "ok" else result


def figures(result: CellResult, answer: Mapping[str, Any]) -> CellResult:
    """The result of a cell with the figures of the agent's answer.

    It is a failed or skipped result, with the reason, if the answer has no valid figure.
    """
    keys = "emitted refused delivered lost reordered duplicated overruns span".split()
    complete = replace(
        result,
        n=int(answer["n"]),
        rounds=tuple(int(total) for total in answer["rounds"]),
        samples=tuple(np.asarray(answer.get("samples", ()), dtype="<u8").ravel().tolist()),
        round_overhead=float(answer["round_overhead"]),
        sample_overhead=float(answer["sample_overhead"]),
        context=str(answer.get("context", "")),
        placement=str(answer.get("placement", "")),
        user_cpu=answer.get("user_cpu"),
        other_cpu=answer.get("other_cpu"),
        stream={key: tuple(answer[key]) for key in keys if key in answer},
        costs={key: tuple(answer[key]) for key in STREAM_COSTS if key in answer},
        interval=int(answer.get("interval", 0)),
        bound=str(answer.get("bound", "")),
        events={k: tuple(map(float, v)) for k, v in answer.get("events", {}).items() if v},
        cpu={k: int(v) for k, v in answer.get("cpu", {}).items() if v is not None},
        controls=tuple(int(total) for total in answer.get("controls", ())),
        control_n=int(answer.get("control_n", 0)),
        control_size=int(answer.get("control_size", 0)),
        control_overhead=float(answer.get("control_overhead", 0.0)),
    )
    return _with_valid_figures(complete)


def _with_valid_figures(result: CellResult) -> CellResult:
    """The result itself, or a failed or skipped one with the reason why it has no valid figure."""
    reason = ""
    if not result.rounds or result.n <= 0:
        reason = "The agent reported no round for this cell."
    elif result.cell.operation == "stream":
        if len(result.stream.get("delivered", ())) != len(result.rounds):
            reason = "The agent did not report what each round of the stream delivered."
        reason = reason or stream_counts.first_violation(result.stream)
        reason = reason or stream_counts.first_violation(result.trials)
        if not reason and not any(result.stream["delivered"]):
            return replace(result, status="skip", reason=stream_counts.all_lost(result.stream))
    return replace(result, status="fail", reason=reason) if reason else result


def is_complete(recorder: Recorder, times: int) -> bool:
    """Whether each cell has ``times`` results, or one that failed or was skipped."""
    for cell in recorder.header.cells:
        results = recorder.results.get(cell, [])
        settled = any(result.status != "ok" for result in results)
        if not settled and len(results) < times:
            return False
    return True
