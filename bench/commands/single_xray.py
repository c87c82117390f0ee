# SPDX-License-Identifier: GPL-2.0-only
"""Take the x-ray of one operation, without a run."""

from __future__ import annotations

from bench.errors import UsageError, unknown
from bench.explore import xray
from bench.kernels.catalog import Reporter
from bench.plan.cells import OPERATIONS, Cell
from bench.plan.options import RunOptions
from bench.plan.plans import Listing, parse_size
from bench.targets.provision import Provisioner

_PREFERENCE = (
    "call",
    "pull",
    "push",
    "notify",
    "upcall",
    "dump",
)  # the most informative operation first


def take_xray(
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
    """Boot a machine and take the x-ray of one operation of a channel.

    Raises:
        UsageError: the channel, operation, mode or size does not exist, or they do not combine.
        TargetError: the machine could not be built or booted.
    """
    provisioner = provisioner or Provisioner(say)
    listing = provisioner.listing()
    cell = find_cell(listing, channel, operation or "", mode or "", size)
    options = RunOptions(kernel=kernel, clock=clock, channels=(channel,), seed=seed, cpus=1)
    testbed = provisioner.prepare(options, listing, [cell])
    say(f"Booting {testbed.kernel}, and starting its tracer")
    channels = listing["channels"]
    return xray.take(testbed.target, [cell], testbed.clock, seed=seed, channels=channels)


def find_cell(listing: Listing, channel: str, operation: str, mode: str, size: str | None) -> Cell:
    """The cell to trace; an empty operation or mode selects the most informative one.

    Raises:
        UsageError: there is no such cell, or it does not carry messages of that size.
    """
    names = [entry["name"] for entry in listing["channels"]]
    if channel not in names:
        raise unknown("channel", channel, names)
    if operation and operation not in OPERATIONS:
        raise unknown("operation", operation, xray.OPERATIONS)
    if operation and operation not in xray.OPERATIONS:
        raise UsageError(
            f"A {operation} has no x-ray, because it is many operations at once: "
            "use --operation notify."
        )
    entry = listing["channels"][names.index(channel)]
    modes = [mode_entry["name"] for mode_entry in entry["modes"]]
    if mode and mode not in modes:
        raise unknown(f"mode of {channel}", mode, modes)
    size_bytes = parse_size(size) if size else None
    operations = [operation] if operation else []
    cells = xray.choose([entry], operations=operations, mode=mode, size=size_bytes)
    if not cells:
        raise UsageError(
            entry["unsupported_reason"].get(operation)
            or f"Mode {mode} of {channel} has no {operation or 'operation'}: choose another --mode."
        )
    cell = min(cells, key=lambda cell: _PREFERENCE.index(cell.operation))
    if size_bytes is not None and cell.size != size_bytes:
        raise UsageError(
            f"{cell.channel} {cell.operation} does not carry {size_bytes} bytes: "
            f"use the nearest size, {cell.size}, or leave out --size."
        )
    return cell
