"""One x-ray on its own, outside of a run."""

from __future__ import annotations

from bench.errors import UsageError, unknown
from bench.explore import xray
from bench.kernels.catalog import Reporter
from bench.plan.cells import OPERATIONS, Cell
from bench.plan.options import RunOptions
from bench.plan.plans import Listing, parse_size
from bench.targets.provision import Provisioner

_TELLING = ("call", "pull", "push", "notify")  # the most telling operation first


def look(
    channel: str,
    *,
    say: Reporter,
    operation: str | None = None,
    mode: str | None = None,
    size: str | None = None,
    kernel: str = "stock",
    clock: str = "auto",
    seed: int = 1,
    provisioner: Provisioner | None = None,
) -> xray.Xrays:
    """Boot, and look through one operation of a channel.

    Raises:
        UsageError: a channel, operation, mode or size that does not exist or fit together.
        TargetError: no machine could be had.
    """
    provisioner = provisioner or Provisioner(say)
    listing = provisioner.listing()
    cell = find(listing, channel, operation or "", mode or "", size)
    options = RunOptions(kernel=kernel, clock=clock, channels=(channel,), seed=seed)
    site = provisioner.prepare(options, listing, [cell])
    say(f"Booting {site.kernel}, and starting its tracer")
    return xray.take(site.target, [cell], site.clock, seed=seed)


def find(listing: Listing, channel: str, operation: str, mode: str, size: str | None) -> Cell:
    """The operation that is meant.

    Raises:
        UsageError: there is none, or it does not carry that size.
    """
    names = [entry["name"] for entry in listing["channels"]]
    if channel not in names:
        raise unknown("channel", channel, names)
    if operation and operation not in OPERATIONS:
        raise unknown("operation", operation, xray.OPERATIONS)
    if operation and operation not in xray.OPERATIONS:
        raise UsageError(f"A {operation} is many operations at once: look through a notify.")
    entry = listing["channels"][names.index(channel)]
    modes = [one["name"] for one in entry["modes"]]
    if mode and mode not in modes:
        raise unknown(f"mode of {channel}", mode, modes)
    wanted = parse_size(size) if size else None
    asked = [operation] if operation else []
    cells = xray.choose([entry], operations=asked, mode=mode, size=wanted)
    if not cells:
        told = (
            entry["unsupported_reason"].get(operation)
            or f"Mode {mode} of {channel} has no {operation}."
        )
        raise UsageError(told)
    cell = min(cells, key=lambda cell: _TELLING.index(cell.operation))
    if wanted is not None and cell.size != wanted:
        raise UsageError(f"{cell.channel} {cell.operation} goes up to {cell.size} bytes, or is "
                         f"of one size: leave out --size, or give another.")  # fmt: skip
    return cell
