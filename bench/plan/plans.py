"""Which cells to measure: from what the agent lists to a shuffled schedule.

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
_LARGE = 16384  # bytes; above, an operation is mostly copying and samples get dear


@dataclass(frozen=True)
class Plan:
    """How much to measure.

    Attributes:
        name: ``quick``, ``standard`` or ``full``.
        sizes: bytes of body.
        rounds: timed rounds per cell and load.
        samples: single operations stamped per cell and load, for small messages.
        round_units: how long a round shall be, in units of each clock.
        loads: how often each cell is measured in a boot, its module loaded anew.
        varied: sets of factors that are varied one after another, around the usual.
        varied_sizes: the sizes at which they are.
        sweep: where the highest rate without loss is searched, try others around it too.
        brief: look through the first mode alone that has an operation.
    """

    name: str
    sizes: tuple[int, ...]
    rounds: int
    samples: int
    round_units: dict[Clock, int]
    loads: int = 1
    varied: tuple[Factors, ...] = ()
    varied_sizes: tuple[int, ...] = (8,)
    sweep: bool = True
    brief: bool = False

    def samples_at(self, size: int) -> int:
        """Samples for a message of ``size`` bytes: fewer when one costs a lot."""
        if size <= _LARGE:
            return self.samples
        return max(_FEWEST_SAMPLES, self.samples * _LARGE // size)


# A timer's interrupt costs more than most messages: a burst of 16 shares it.
_SEARCH = Factors(rates=(SEARCH,), bursts=(16,))
_OTHER_CONTEXTS = ("process", "hardirq")  # softirq is the usual one
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

# A round of instructions stays far below a timer tick's distance (4 M at
# 250 Hz), so that several see none.  One of nanoseconds is about 1 ms.
PLANS: dict[str, Plan] = {
    plan.name: plan
    for plan in (
        Plan(
            "quick",
            (8, 2048, 65536),
            11,
            100,
            {"instructions": 150_000, "time": 1_000_000},
            varied=(_SEARCH,),
            sweep=False,
            brief=True,
        ),
        Plan(
            "standard",
            (8, 64, 512, 2048, 16384, 131072, 1048576),
            15,
            400,
            {"instructions": 300_000, "time": 1_000_000},
            varied=_STANDARD,
            brief=True,
        ),
        Plan(
            "full",
            tuple(1 << power for power in range(3, 21)),
            51,
            2000,
            {"instructions": 300_000, "time": 1_000_000},
            loads=3,
            varied=_FULL,
            varied_sizes=(8, 2048, 65536),
        ),
    )
}


def find_plan(name: str) -> Plan:
    """The plan called ``name``; UsageError when there is none."""
    try:
        return PLANS[name]
    except KeyError:
        raise unknown("plan", name, PLANS) from None


def parse_size(text: str) -> int:
    """Bytes from ``"64"``, ``"4k"`` or ``"1M"`` (powers of 1024), up to 1 MiB."""
    match = re.fullmatch(r"(\d+)\s*([kKmM]?)(?:i?[bB])?", text.strip())
    if match is None:
        raise UsageError(f"{text!r} is not a size: write bytes, as in 64, 4k or 1M.")
    size = int(match[1]) << {"": 0, "k": 10, "m": 20}[match[2].lower()]
    if not 1 <= size <= MAX_SIZE:
        raise UsageError(f"Size {text} is out of range: from 1 byte to 1M.")
    return size


def make_cells(
    listing: Listing,
    plan: Plan,
    *,
    channels: Sequence[str] = (),
    operations: Sequence[str] = (),
    sizes: Sequence[int] = (),
    factors: Factors = USUAL,
) -> list[Cell]:
    """All cells of a plan, in the order of the listing, cells to skip included.

    Args:
        listing: what ``ringcross_agent --list`` printed.
        plan: gives the sizes unless ``sizes`` does.
        channels: exactly these; all when empty, baselines among them.
        operations: only these; all when empty.
        sizes: bytes of body.
        factors: exactly these values, at all sizes, in place of those the plan varies; an
            operation without one of these factors is measured as usual.

    Raises:
        UsageError: a channel or operation that does not exist.
    """
    by_name = {channel["name"]: channel for channel in listing["channels"]}
    for name in channels:
        if name not in by_name:
            raise unknown("channel", name, by_name)
    for name in operations:
        if name not in OPERATIONS:
            raise unknown("operation", name, OPERATIONS)
    picked = [by_name[name] for name in dict.fromkeys(channels or by_name)]
    wanted = [operation for operation in OPERATIONS if not operations or operation in operations]
    drawn = _Draft(plan, tuple(sorted(set(sizes or plan.sizes))), factors)
    return [
        cell
        for channel in picked
        for operation in wanted
        for cell in _cells_of(channel, operation, drawn)
    ]


@dataclass(frozen=True)
class _Draft:
    """What was asked for of every operation."""

    plan: Plan
    sizes: tuple[int, ...]
    factors: Factors

    @property
    def varied_sizes(self) -> tuple[int, ...]:
        """Where the plan varies factors: at its own sizes, as far as they are asked for."""
        common = tuple(size for size in self.plan.varied_sizes if size in self.sizes)
        return common or self.sizes[:1]


def _cells_of(channel: Listing, operation: Operation, draft: _Draft) -> list[Cell]:
    """One channel's cells of one operation; one skip cell when no mode has it."""
    cells = [
        cell
        for mode in channel["modes"]
        if operation in mode["operations"]
        for cell in _cells_of_mode(channel, mode, operation, draft)
    ]
    if cells:
        return list(dict.fromkeys(cells))
    reason = channel["unsupported_reason"].get(operation) or "This channel has no such operation."
    return [Cell(channel["name"], "", operation, 0, skip=reason)]


def _cells_of_mode(
    channel: Listing, mode: Listing, operation: Operation, draft: _Draft
) -> Iterator[Cell]:
    """As usual at all sizes, and varied; or with the chosen factors at all sizes."""
    usual = list(_usual(channel, mode, operation, draft.sizes))
    if draft.factors.used:
        for cell in usual:
            yield from varied(cell, draft.factors, mode)
        return
    yield from usual
    if channel.get("reference"):
        return  # for scale: as usual, and no more
    for factors in draft.plan.varied:
        if factors.fit(operation):
            for cell in _usual(channel, mode, operation, draft.varied_sizes):
                yield from _worthwhile(cell, factors, mode)


def _worthwhile(cell: Cell, factors: Factors, mode: Listing) -> Iterator[Cell]:
    """The varied cells, without those that the mode cannot have; threads tell why not."""
    if not cell.skip:
        for made in varied(cell, factors, mode):
            if not made.skip or made.threads > 1:
                yield made


def _usual(
    channel: Listing, mode: Listing, operation: Operation, sizes: Sequence[int]
) -> Iterator[Cell]:
    can = mode["operations"][operation]
    low, high = int(can["min"]), int(can["max"])
    context = usual_context(operation, "")
    for size in [low] if low == high else sizes:
        skip = ""
        if size > high:
            skip = can.get("limit") or f"Messages go up to {high} bytes."
        elif size < low:
            skip = f"Messages start at {low} bytes."
        yield Cell(channel["name"], mode["name"], operation, size, context=context, skip=skip)


def schedule(cells: Sequence[Cell], seed: int, loads: int = 1) -> list[tuple[Cell, int]]:
    """The cells to measure, and each one's load, shuffled by ``seed``; the same each time.

    Neighbours in the plan are far apart in time, so that a drift of the machine does not
    look like a difference between channels.  For the same reason all cells have had a load
    before one gets its next.
    """
    chance = random.Random(seed)
    order: list[tuple[Cell, int]] = []
    for load in range(loads):
        turn = [cell for cell in cells if not cell.skip]
        chance.shuffle(turn)
        order += [(cell, load) for cell in turn]
    return order


def request(cell: Cell, number: int, plan: Plan, clock: Clock) -> dict[str, Any]:
    """The agent's request for one cell, numbered ``number``."""
    return {
        "do": "cell",
        "id": number,
        "channel": cell.channel,
        "mode": cell.mode,
        "operation": cell.operation,
        "size": cell.size,
        "rounds": plan.rounds,
        "round_units": plan.round_units[clock],
        "samples": plan.samples_at(cell.size),
        "context": cell.context,
        "burst": cell.burst,
        "interval": interval_of(cell, clock),
        "search": cell.rate == SEARCH,
        "sweep": cell.rate == SEARCH and plan.sweep,
        "wait": cell.wait,
        "queue": cell.queue,
        "threads": cell.threads,
        "deadline_ms": 20_000,
    }
