"""Measuring cells on a target, boot by boot, and surviving machines that die.

The runner is a generator: whoever wants results pulls them.  The machine works
meanwhile; its answers wait for us, and under the instructions clock so does it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from bench.errors import SessionLost, TargetError
from bench.plan.cells import Cell, CellResult, Clock, failed, skipped
from bench.plan.plans import Plan, request, schedule
from bench.run import environment, rate_search
from bench.run.progress import Progress, Silent
from bench.run.run_folder import Recorder
from bench.targets import kernel_log
from bench.targets.base import Target

ScheduledCell = tuple[Cell, int]
"""A cell and which of its loads in a boot is meant."""

MAX_CRASHES = 3
"""Machines that may die in a row without one cell measured in between."""


@dataclass(frozen=True)
class Settings:
    """How to measure.

    Attributes:
        plan: rounds, samples and their length.
        clock: what to count.
        seed: of the first boot; each further boot has the next.
        boots: how many boots each cell is measured in.
        loads: how often it is measured in each of them, its module loaded anew.
    """

    plan: Plan
    clock: Clock
    seed: int = 1
    boots: int = 1
    loads: int = 1


@dataclass
class SessionInfo:
    """What sessions told besides cells."""

    hello: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str | None] = field(default_factory=dict)
    overhead: dict[str, float] = field(default_factory=dict)
    floors: dict[str, float] = field(default_factory=dict)
    session: dict[str, Any] = field(default_factory=dict)


class Runner:
    """Measures the cells of a recorder's run that it has no result for yet.

    Attributes:
        facts: what the sessions have told so far.
        boots: how many machines have been started.
    """

    def __init__(
        self,
        target: Target,
        recorder: Recorder,
        settings: Settings,
        *,
        cells: Sequence[Cell] | None = None,
        progress: Progress | None = None,
        booted: Callable[[], None] = lambda: None,
    ) -> None:
        self.facts = SessionInfo()
        self.boots = 0
        self._target = target
        self._recorder = recorder
        self._settings = settings
        self._cells = list(recorder.header.cells if cells is None else cells)
        self._numbers = {cell: n for n, cell in enumerate(recorder.header.cells)}
        self._progress = progress or Silent()
        self._booted = booted
        self._crashes = 0

    def left(self, boot: int) -> list[ScheduledCell]:
        """Cells still to be measured in this boot, each with its load, in shuffled order.

        A cell that failed or was skipped before is not tried again.
        """
        order = schedule(self._cells, self._settings.seed + boot, self._settings.loads)
        return [turn for turn in order if self._wants(turn, boot)]

    def results(self) -> Generator[CellResult]:
        """Measure, record and give out one result after another.

        Raises:
            TargetError: no machine could be had, or too many died in a row.
            DiskFull: the run folder cannot be written.
        """
        self._progress.start(sum(len(self.left(b)) for b in range(self._settings.boots)))
        try:
            yield from self._skips()
            for boot in range(self._settings.boots):
                while turns := self.left(boot):
                    yield from self._boot(boot, turns)
        finally:
            self._progress.stop()

    def requests(self, turns: Sequence[ScheduledCell]) -> list[dict[str, Any]]:
        """All that one boot is asked, known before it starts."""
        settings = self._settings
        sizes = sorted({cell.size for cell in self._recorder.header.cells if not cell.skip})
        return [
            {"do": "setup", "clock": settings.clock},
            {"do": "read", "paths": list(environment.PATHS)},
            {"do": "floors", "sizes": sizes},
            *(
                request(cell, self._id(cell, load), settings.plan, settings.clock)
                for cell, load in turns
            ),
        ]

    def _id(self, cell: Cell, load: int) -> int:
        return load * len(self._numbers) + self._numbers[cell]

    def _wants(self, turn: ScheduledCell, boot: int) -> bool:
        cell, load = turn
        had = self._recorder.results.get(cell, [])
        return not any((r.boot, r.load) == (boot, load) or r.status != "ok" for r in had)

    def _skips(self) -> Iterator[CellResult]:
        for cell in self._cells:
            if cell.skip and cell not in self._recorder.results:
                result = skipped(cell)
                self._recorder.add(result)
                yield result

    def _boot(self, boot: int, turns: Sequence[ScheduledCell]) -> Iterator[CellResult]:
        """Measure until all ``turns`` are done or the machine dies."""
        seed = self._settings.seed + boot
        self._progress.say(f"Boot {boot + 1} of {self._settings.boots}, seed {seed}")
        conversation = _Conversation(self._settings, boot, self._recorder.header.cells, self.facts)
        session = self._target.start(self.requests(turns), seed=seed)
        self.boots += 1
        self.facts.session = session.describe()
        try:
            with session:
                self._booted()
                for found in conversation.follow(session.answers()):
                    if isinstance(found, Cell):
                        self._progress.begin(found)
                    elif self._wants((found.cell, found.load), boot):  # once failed, it has
                        yield self._record(found)
        except SessionLost as error:
            yield from self._lost(conversation, boot, error)
            return
        finally:
            self._recorder.add_kernel_log(f"boot {boot + 1}, seed {seed}", session.kernel_log())
        for cell, load in turns:
            if self._wants((cell, load), boot):
                yield self._record(failed(cell, conversation.why_unanswered(), boot, load))

    def _record(self, result: CellResult) -> CellResult:
        self._crashes = 0
        self._recorder.add(result)
        self._progress.done(result)
        return result

    def _lost(
        self, conversation: _Conversation, boot: int, error: SessionLost
    ) -> Iterator[CellResult]:
        """Account for a machine that died: the cell in flight fails, the run goes on."""
        self._crashes += 1
        crashes = self._crashes
        turn = conversation.in_flight(error.cell_id)
        if turn is not None and self._wants(turn, boot):
            cell, load = turn
            yield self._record(failed(cell, str(error), boot, load))
            self._crashes = crashes
        elif not conversation.results:
            raise TargetError(
                f"The machine was lost before the first cell began. {error}"
            ) from error
        if crashes >= MAX_CRASHES:
            raise TargetError(f"The machine died {crashes} times in a row. {error}") from error
        self._progress.say(f"The machine was lost; going on in a new boot. {error}")


class _Conversation:
    """Makes results out of the answers of one session."""

    def __init__(
        self, settings: Settings, boot: int, cells: Sequence[Cell], facts: SessionInfo
    ) -> None:
        self._settings = settings
        self._boot = boot
        self._cells = cells
        self._facts = facts
        self._current: int | None = None
        self._error = ""
        self.results = 0

    def follow(self, answers: Iterator[dict[str, Any]]) -> Iterator[Cell | CellResult]:
        """A cell when it begins and its result when it ends."""
        for answer in answers:
            kind = answer["re"]
            if kind == "begin":
                self._current = int(answer["id"])
                yield self._turn(self._current)[0]
            elif kind == "cell":
                self._current = None
                self.results += 1
                yield self._result(answer)
            else:
                self._learn(kind, answer)

    def in_flight(self, cell_id: int | None) -> ScheduledCell | None:
        """The cell that was being measured when the session ended, and its load."""
        number = self._current if cell_id is None else cell_id
        return None if number is None else self._turn(number)

    def _turn(self, number: int) -> ScheduledCell:
        load, place = divmod(number, len(self._cells))
        return self._cells[place], load

    def why_unanswered(self) -> str:
        """The reason for a cell that the agent passed over."""
        return self._error or "The agent ended without an answer for this cell."

    def _learn(self, kind: str, answer: dict[str, Any]) -> None:
        facts = self._facts
        if kind == "hello":
            facts.hello = {name: answer[name] for name in ("kernel", "machine")}
        elif kind == "setup":
            told = {name: answer.get(name) for name in ("read", "loop", "min_round")}
            facts.overhead = {name: float(cost) for name, cost in told.items() if cost is not None}
        elif kind == "read":
            facts.files = facts.files or dict(answer["files"])
        elif kind == "floors":
            facts.floors = facts.floors or dict(answer["copy"])
        elif kind == "error":
            self._error = f"The agent refused a request: {answer.get('reason', '')}"

    def _result(self, answer: dict[str, Any]) -> CellResult:
        cell, load = self._turn(int(answer["id"]))
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
        if bad := kernel_log.verdict(log):
            first = f"{result.reason} " if result.status == "fail" and result.reason else ""
            return replace(result, status="fail", reason=first + bad)
        return self._figures(result, answer) if result.status == "ok" else result

    def _figures(self, result: CellResult, answer: dict[str, Any]) -> CellResult:
        keys = "emitted refused delivered lost reordered duplicated overruns span".split()
        full = replace(
            result,
            n=int(answer["n"]),
            rounds=tuple(int(total) for total in answer["rounds"]),
            samples=tuple(np.asarray(answer.get("samples", ()), dtype="<u8").ravel().tolist()),
            round_overhead=float(answer["round_overhead"]),
            sample_overhead=float(answer["sample_overhead"]),
            context=str(answer.get("context", "")),
            stream={key: tuple(answer[key]) for key in keys if key in answer},
            interval=int(answer.get("interval", 0)),
            bound=str(answer.get("bound", "")),
            cpu={k: int(v) for k, v in answer.get("cpu", {}).items() if v is not None},
        )
        return _checked(full)


def _checked(result: CellResult) -> CellResult:
    """The result, or why there is no figure in it."""
    reason = ""
    if not result.rounds or result.n <= 0:
        reason = "The agent gave no round for this cell."
    elif result.cell.operation == "stream":
        delivered = result.stream.get("delivered", ())
        if len(delivered) != len(result.rounds) or not any(delivered):
            reason = "Not one message of the stream was delivered."
        reason = reason or rate_search.first_violation(result.stream)
        reason = reason or rate_search.first_violation(result.trials)
    return replace(result, status="fail", reason=reason) if reason else result


def is_complete(recorder: Recorder, times: int) -> bool:
    """Whether nothing of the run is left to measure, each cell so many ``times``."""
    for cell in recorder.header.cells:
        had = recorder.results.get(cell, [])
        settled = any(result.status != "ok" for result in had)
        if not settled and len(had) < times:
            return False
    return True
