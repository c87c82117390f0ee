# SPDX-License-Identifier: GPL-2.0-only
"""Plans: from the agent's listing to the cells of a run and their shuffled order.

A listing is the JSON object that ``ringcross_agent --list`` prints; see
``bench/agent/protocol/PROTOCOL.md``.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench.errors import UsageError, unknown
from bench.plan.cells import OPERATIONS, SEARCH, Cell, Clock, Operation, interval_of, usual_context
from bench.plan.factors import EACH, USUAL, WAITS, Factors, varied

Listing = dict[str, Any]

MAX_SIZE = 1 << 20
_FEWEST_SAMPLES = 50
_FEWEST_EVENT_ROUNDS = 8
_FEWEST_DUMPS = 3
_LONG = 1024  # records
_SLOW = 4096  # records; under emulation a longer dump as text can take a second
_LARGE = 16384  # bytes; the cost of a larger message is mostly copying, so samples are expensive


@dataclass(frozen=True)
class Plan:
    """How much to measure.

    Attributes:
        name: ``quick``, ``standard`` or ``full``.
        sizes: message sizes in bytes of body.
        rounds: timed rounds per cell and load, under each clock.
        samples: single operations timed per cell and load, for small messages.
        round_units: length of a round, in units of each clock.
        loads: loads of the module per boot, under each clock; each cell is measured in each of
            them.
        varied: sets of factors that are varied one after another; the others stay as usual.
        varied_sizes: the sizes at which factors are varied.
        records: numbers of records of a dump's table.
        sweep: whether a rate search also tries rates around its result.
        brief: whether x-rays are taken only of the first mode that has an operation.
        references: whether references are explored although no channel is named.
    """

    name: str
    sizes: tuple[int, ...]
    rounds: dict[Clock, int]
    samples: dict[Clock, int]
    round_units: dict[Clock, int]
    loads: dict[Clock, int]
    varied: tuple[Factors, ...] = ()
    varied_sizes: tuple[int, ...] = (8,)
    records: tuple[int, ...] = (1, 16, 256, 4096, 65536)
    sweep: bool = True
    brief: bool = False
    references: bool = True

    def rounds_of(self, operation: Operation, clock: Clock) -> int:
        """Number of rounds of a cell in each load.

        Under ``time``, events, streams and upcalls have fewer rounds: each takes several
        milliseconds, most of which pass before an event or request or after the last one.
        """
        rounds = self.rounds[clock]
        if clock == "time" and operation in ("notify", "stream", "upcall"):
            return max(_FEWEST_EVENT_ROUNDS, rounds // 2)
        return rounds

    def rounds_at(self, cell: Cell, clock: Clock) -> int:
        """Number of rounds of a cell in each load: fewer for a dump of a long table.

        Its cost is a sum over many records, so it hardly varies, and each dump takes long.
        """
        rounds = self.rounds_of(cell.operation, clock)
        if cell.records <= _LONG:
            return rounds
        return max(_FEWEST_DUMPS, rounds * _LONG // cell.records)

    def samples_at(self, size: int, clock: Clock) -> int:
        """Number of samples for messages of ``size`` bytes: fewer for large messages."""
        samples = self.samples[clock]
        if size <= _LARGE:
            return samples
        return max(_FEWEST_SAMPLES // self.loads[clock], samples * _LARGE // size)


# A timer interrupt costs more than most messages, so 16 messages share one.
_SEARCH = Factors(rates=(SEARCH,), bursts=(16,))
_OTHER_CONTEXTS = ("process", "hardirq")  # softirq is usual
_STANDARD = (
    Factors(contexts=_OTHER_CONTEXTS),
    Factors(waits=WAITS),
    Factors(bursts=(4, 16, 64)),
    _SEARCH,
    Factors(threads=(4,)),
)
_FULL = (
    Factors(waits=WAITS),
    Factors(contexts=_OTHER_CONTEXTS, waits=WAITS),
    Factors(bursts=(4, 16, 64)),
    Factors(rates=(SEARCH,), bursts=(1, 4, 16, 64)),
    Factors(rates=(SEARCH,), bursts=(16,), waits=WAITS),
    Factors(rates=(SEARCH,), bursts=(16,), queues=(EACH,)),
    Factors(threads=(2, 4)),
)

# A round of instructions is much shorter than the distance of two timer ticks (4 million at
# 250 Hz), so that several rounds fit between two ticks.
#
# A round of nanoseconds is so short that most rounds are not interrupted by other work of the
# machine. The machine changes its pace within a second, and each load sees another pace. So the
# rounds of a cell are spread over several loads, with all other cells in between.
_TIME_UNITS = 100_000
_TIME_CONTROL = 20_000
"""Length of the control beside a round, in ns."""
PLANS: dict[str, Plan] = {
    plan.name: plan
    for plan in (
        Plan(
            "quick",
            (8, 2048),
            {"instructions": 11, "time": 15},
            {"instructions": 100, "time": 25},
            {"instructions": 150_000, "time": _TIME_UNITS},
            {"instructions": 1, "time": 4},
            varied=(_SEARCH,),
            records=(16, 4096),
            sweep=False,
            brief=True,
            references=False,
        ),
        Plan(
            "standard",
            (8, 2048, 16384, 131072),
            {"instructions": 15, "time": 15},
            {"instructions": 400, "time": 80},
            {"instructions": 300_000, "time": _TIME_UNITS},
            {"instructions": 1, "time": 5},
            varied=_STANDARD,
            brief=True,
        ),
        Plan(
            "full",
            tuple(1 << power for power in range(3, 21)),
            {"instructions": 51, "time": 25},
            {"instructions": 2000, "time": 1000},
            {"instructions": 300_000, "time": _TIME_UNITS},
            {"instructions": 3, "time": 6},
            varied=_FULL,
            varied_sizes=(8, 2048, 65536),
        ),
    )
}


def find_plan(name: str) -> Plan:
    """The plan called ``name``.

    Raises:
        UsageError: there is no such plan.
    """
    try:
        return PLANS[name]
    except KeyError:
        raise unknown("plan", name, PLANS) from None


def parse_size(text: str) -> int:
    """Parse a size such as ``"64"``, ``"4k"`` or ``"1M"`` (powers of 1024), up to 1 MiB.

    Raises:
        UsageError: the text is not a size, or out of range.
    """
    match = re.fullmatch(r"(\d+)\s*([kKmM]?)(?:i?[bB])?", text.strip())
    if match is None:
        raise UsageError(f"{text!r} is not a size: write bytes, as in 64, 4k or 1M.")
    size = int(match[1]) << {"": 0, "k": 10, "m": 20}[match[2].lower()]
    if not 1 <= size <= MAX_SIZE:
        raise UsageError(f"Size {text} is out of range: write a size from 1 to 1M bytes.")
    return size


def check_names(listing: Listing, channels: Sequence[str], operations: Sequence[str]) -> None:
    """Check the names that a user gives for channels and operations.

    Raises:
        UsageError: a channel or operation does not exist.
    """
    known = [channel["name"] for channel in listing["channels"]]
    for name in channels:
        if name not in known:
            raise unknown("channel", name, known)
    for name in operations:
        if name not in OPERATIONS:
            raise unknown("operation", name, OPERATIONS)


def make_cells(
    listing: Listing,
    plan: Plan,
    *,
    channels: Sequence[str] = (),
    operations: Sequence[str] = (),
    sizes: Sequence[int] = (),
    factors: Factors = USUAL,
    placements: Sequence[str] = (),
) -> list[Cell]:
    """All cells of a plan, in the order of the listing, including those to skip.

    Args:
        listing: the output of ``ringcross_agent --list``.
        plan: the sizes and factors to use by default.
        channels: the channels to measure; empty for all, including baselines.
        operations: the operations to measure; empty for all.
        sizes: message sizes in bytes of body; empty for those of the plan.
        factors: values to measure at all sizes, instead of the factors that the plan varies. An
            operation without one of these factors is measured with its usual value.
        placements: placements that are varied besides the factors of the plan, also for
            references; see :func:`bench.plan.factors.second_placement`.

    Raises:
        UsageError: a channel or operation does not exist.
    """
    check_names(listing, channels, operations)
    by_name = {channel["name"]: channel for channel in listing["channels"]}
    selection = _Selection(
        plan,
        tuple(sorted(set(sizes or plan.sizes))),
        factors,
        tuple(placements),
        tuple(sorted(set(factors.records or plan.records))),
    )
    return [
        cell
        for channel in (by_name[name] for name in dict.fromkeys(channels or by_name))
        for operation in OPERATIONS
        if not operations or operation in operations
        for cell in _cells_of(channel, operation, selection)
    ]


@dataclass(frozen=True)
class _Selection:
    """The sizes and factors that apply to every operation."""

    plan: Plan
    sizes: tuple[int, ...]
    factors: Factors
    placements: tuple[str, ...] = ()
    records: tuple[int, ...] = ()

    @property
    def varied(self) -> tuple[Factors, ...]:
        """The sets of factors that are varied, one after another."""
        if not self.placements:
            return self.plan.varied
        sets = [Factors(placements=self.placements)]
        if any(factors.waits for factors in self.plan.varied):
            # On the same CPU a reader that spins would starve a thread that emits.
            sets.append(Factors(placements=self.placements, waits=("busy",)))
        return (*self.plan.varied, *sets)

    @property
    def varied_sizes(self) -> tuple[int, ...]:
        """The sizes at which factors are varied: those of the plan that are selected.

        If none of them is selected, this is the smallest selected size.
        """
        common = tuple(size for size in self.plan.varied_sizes if size in self.sizes)
        return common or self.sizes[:1]


def _cells_of(channel: Listing, operation: Operation, selection: _Selection) -> list[Cell]:
    """One channel's cells of one operation; a single cell to skip if no mode has it."""
    cells = [
        cell
        for mode in channel["modes"]
        if operation in mode["operations"]
        for cell in _cells_of_mode(channel, mode, operation, selection)
    ]
    if cells:
        return list(dict.fromkeys(cells))
    reason = (
        channel["unsupported_reason"].get(operation) or "This channel does not have this operation."
    )
    return [Cell(channel["name"], "", operation, 0, skip=reason)]


def _cells_of_mode(
    channel: Listing, mode: Listing, operation: Operation, selection: _Selection
) -> Iterator[Cell]:
    """Yield cells with given factors at all sizes, or usual cells and the plan's variations."""
    if operation == "dump":
        yield from _dumps(channel, mode, selection.records)
        return
    usual = list(_usual(channel, mode, operation, selection.sizes))
    if selection.factors.used:
        for cell in usual:
            yield from varied(cell, selection.factors, mode)
        return
    yield from usual
    # A reference is measured for scale only, but where its two processes run decides its scale.
    reference = bool(channel.get("reference"))
    for factors in selection.varied:
        if factors.fit(operation) and (not reference or factors.used == ("placements",)):
            for cell in _usual(channel, mode, operation, selection.varied_sizes):
                yield from _supported(cell, factors, mode)


def _supported(cell: Cell, factors: Factors, mode: Listing) -> Iterator[Cell]:
    """Yield the supported variations; keep a skipped one of threads, to report its reason."""
    if not cell.skip:
        for variant in varied(cell, factors, mode):
            if not variant.skip or variant.threads > 1:
                yield variant


def _usual(
    channel: Listing, mode: Listing, operation: Operation, sizes: Sequence[int]
) -> Iterator[Cell]:
    limits = mode["operations"][operation]
    low, high = int(limits["min"]), int(limits["max"])
    context = usual_context(operation, "")
    for size in [low] if low == high else sizes:
        skip = ""
        if size > high:
            skip = limits.get("limit") or f"Messages go up to {high} bytes."
        elif size < low:
            skip = f"Messages start at {low} bytes."
        yield Cell(channel["name"], mode["name"], operation, size, context=context, skip=skip)


def _dumps(channel: Listing, mode: Listing, records: Sequence[int]) -> Iterator[Cell]:
    """Yield the cells of a dump: all records have the same size, so the table's length varies."""
    limits = mode["operations"]["dump"]
    for count in records:
        skip = ""
        if count > limits["records"]:
            skip = limits.get("limit") or f"A table has up to {limits['records']} records."
        yield Cell(channel["name"], mode["name"], "dump", limits["min"], records=count, skip=skip)


def schedule(
    cells: Sequence[Cell], seed: int, loads: int = 1, first: int = 0
) -> list[tuple[Cell, int]]:
    """The cells to measure with the number of the load, in a random order that ``seed`` decides.

    The order separates neighbours of the plan in time, so that a drift of the machine does not
    look like a difference between channels. For the same reason, all cells are measured in one
    load before any cell is measured in the next.

    Args:
        cells: the cells to measure; those to skip are left out.
        seed: decides the order.
        loads: number of loads.
        first: number of the first load.
    """
    generator = random.Random(seed)
    order: list[tuple[Cell, int]] = []
    for load in range(first, first + loads):
        shuffled = [cell for cell in cells if not cell.skip]
        generator.shuffle(shuffled)
        order += [(cell, load) for cell in shuffled]
    return order


def request(cell: Cell, number: int, plan: Plan, clock: Clock) -> dict[str, Any]:
    """The request to the agent for one cell; ``number`` becomes its ``id``."""
    control = {"control_units": _TIME_CONTROL} if clock == "time" else {}
    return control | {
        "do": "cell",
        "id": number,
        "channel": cell.channel,
        "mode": cell.mode,
        "operation": cell.operation,
        "size": cell.size,
        "rounds": plan.rounds_at(cell, clock),
        "round_units": plan.round_units[clock],
        "samples": plan.samples_at(cell.size, clock),
        "context": cell.context,
        "burst": cell.burst,
        "interval": interval_of(cell, clock),
        "search": cell.rate == SEARCH,
        "sweep": cell.rate == SEARCH and plan.sweep,
        "wait": cell.wait,
        "queue": cell.queue,
        "threads": cell.threads,
        "placement": cell.placement,
        "records": cell.records,
        "deadline_ms": 20_000 if cell.records <= _SLOW else 120_000,
    }
