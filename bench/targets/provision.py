"""Getting ready what a run needs: the agent, a kernel, its modules and a target."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from bench.errors import TargetError, UsageError, unknown
from bench.kernels import build, catalog, prebuilt
from bench.kernels.catalog import Kernel, read_config
from bench.plan.cells import UNITS, Cell, Clock
from bench.plan.options import TARGETS, RunOptions
from bench.plan.plans import Listing
from bench.targets import kvm
from bench.targets.base import Target
from bench.targets.local import LocalTarget
from bench.targets.vm import VmTarget, find_qemu

PROTOCOL = 2
"""What the agent must speak; see ``bench/agent/protocol/PROTOCOL.md``."""


@dataclass(frozen=True)
class Testbed:
    """A place to measure at.

    Attributes:
        target: boots it.
        clock: what it counts.
        kernel: its release.
        config: text of its ``.config``, empty when not known.
    """

    target: Target
    clock: Clock
    kernel: str
    config: str = ""


class Provisioner:
    """Builds and finds things, and tells ``say`` what takes long.

    Args:
        say: is given lines of progress.
        prebuilt: where the agent and the modules are when they are not to be built.
    """

    def __init__(
        self, say: catalog.Reporter = catalog.silent, prebuilt: Path | None = None
    ) -> None:
        self._say = say
        self._prebuilt = prebuilt

    def listing(self) -> Listing:
        """What ``ringcross_agent --list`` prints; builds the agent for it."""
        agent = self._agent()
        try:
            told = subprocess.run([agent, "--list"], capture_output=True, text=True, check=False)
        except OSError as error:  # e.g. one made for another processor
            raise TargetError(f"{agent} cannot be run ({error.strerror}): build it here.") from None
        if told.returncode:
            raise TargetError(f"{agent} --list failed: {told.stderr.strip()}")
        listing: Listing = json.loads(told.stdout)
        if listing["protocol"] != PROTOCOL:
            raise TargetError(
                f"{agent} speaks protocol {listing['protocol']}, and this ringcross {PROTOCOL}: "
                "build it from the same version."
            )
        return listing

    def prepare(self, options: RunOptions, listing: Listing, cells: Sequence[Cell]) -> Testbed:
        """The target that ``options`` name, ready to boot.

        Raises:
            UsageError: options that do not go together.
            TargetError: a kernel, compiler or emulator that cannot be had.
        """
        measured = {cell.channel for cell in cells if not cell.skip}
        channels = [channel for channel in listing["channels"] if channel["name"] in measured]
        if options.target == "vm":
            return self._vm(options, channels)
        if options.target == "local":
            return self._local(options, channels)
        raise unknown("target", options.target, TARGETS)

    def _vm(self, options: RunOptions, channels: Sequence[Listing]) -> Testbed:
        find_qemu()  # the first thing missing is the first thing told, before any download
        kernel = catalog.find(options.kernel, say=self._say)
        agent = self._agent()
        clock = self._vm_clock(options, kernel, agent)
        target = VmTarget(
            kernel,
            agent,
            modules=self._modules(kernel.release, channels, lambda: kernel),
            needs=wanted("needs", channels),
            clock=clock,
            append=(*wanted("boot", channels), *options.append),
            accelerator=kvm.choose(
                clock, _wish(options), kernel=kernel, agent=agent, force=options.force_time
            ),
        )
        return Testbed(target, clock, kernel.release, read_config(kernel.config))

    def _vm_clock(self, options: RunOptions, kernel: Kernel, agent: Path) -> Clock:
        """The clock asked for; if none was, time where KVM works and instructions elsewhere."""
        if options.clock != "auto":
            return _clock(options.clock)
        if _wish(options) == "tcg":
            return "instructions"
        probed = kvm.probe(kernel, agent)
        if not probed.usable:
            self._say(f"Counting instructions: no usable KVM ({probed.reason})")
        return "time" if probed.usable else "instructions"

    def _local(self, options: RunOptions, channels: Sequence[Listing]) -> Testbed:
        if options.append:
            raise UsageError(
                "--append is for the kernel in a virtual machine: this one has been booted."
            )
        if _clock(options.clock, auto="time") != "time":
            raise UsageError(
                "The local target counts time only: leave out --clock, or use --target vm."
            )
        release = platform.release()
        needs_modules = any(channel["module"] for channel in channels)
        modules: Path | None = None
        if needs_modules and options.yes_load_modules and os.geteuid() == 0:
            modules = self._modules(release, channels, catalog.running)
        target = LocalTarget(
            self._agent(),
            modules=modules,
            needs_modules=needs_modules,
            yes_load_modules=options.yes_load_modules,
        )
        return Testbed(target, "time", release, read_config(Path(f"/boot/config-{release}")))

    def _agent(self) -> Path:
        return prebuilt.agent(self._prebuilt) if self._prebuilt else build.build_agent()

    def _modules(
        self, release: str, channels: Sequence[Listing], find: Callable[[], Kernel]
    ) -> Path | None:
        """Where the modules for kernel *release* are; *find* finds what to build them against."""
        names = [channel["module"] for channel in channels if channel["module"]]
        if not names:
            return None
        if self._prebuilt:
            return prebuilt.modules(self._prebuilt, release, names)
        kernel = find()
        self._say(f"Building modules for kernel {release}")
        return build.build_modules(kernel)


def wanted(what: str, channels: Sequence[Listing]) -> tuple[str, ...]:
    """What channels want of a machine: modules it *needs*, words to *boot* it with."""
    return tuple(sorted({word for channel in channels for word in channel.get(what, ())}))


def _wish(options: RunOptions) -> kvm.Wish:
    if options.accel in get_args(kvm.Wish):
        return cast(kvm.Wish, options.accel)
    raise unknown("accelerator", options.accel, get_args(kvm.Wish))


def _clock(given: str, auto: Clock = "instructions") -> Clock:
    if given == "auto":
        return auto
    for clock in UNITS:
        if given == clock:
            return clock
    raise unknown("clock", given, ("auto", *UNITS))
