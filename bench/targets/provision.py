# SPDX-License-Identifier: GPL-2.0-only
"""Prepare what a run needs: the agent, a kernel, its modules and a target."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast, get_args

from bench import child
from bench.errors import TargetError, UsageError, unknown
from bench.kernels import build, catalog, contract, module_signing, prebuilt
from bench.kernels.build import ModuleBuild
from bench.kernels.catalog import Kernel, elf_image, read_config
from bench.paths import ROOT
from bench.plan.cells import UNITS, Cell, Clock
from bench.plan.factors import SAME_CPU
from bench.plan.options import TARGETS, RunOptions
from bench.plan.plans import Listing
from bench.targets import cpus, decided, kvm, kvm_device
from bench.targets.base import Target
from bench.targets.decided import Decided
from bench.targets.local import LocalTarget
from bench.targets.vm import VmTarget, find_qemu

PROTOCOL = 2
"""Version of the agent's protocol; see ``bench/agent/protocol/PROTOCOL.md``."""


@dataclass(frozen=True)
class Testbed:
    """A target that is ready to start, and what is known about it.

    Attributes:
        target: starts the agent.
        clock: the clock of the run.
        kernel: release of the kernel under test.
        config: text of that kernel's ``.config``; empty if it is not known.
        decided: results of cells that this kernel cannot run; the reasons are known already.
        notes: sentences about channels that are not measured, for the end of the run.
    """

    target: Target
    clock: Clock
    kernel: str
    config: str = ""
    decided: Decided = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Provisioner:
    """Builds, fetches or finds the agent, the kernel and the modules.

    Args:
        say: receives lines of progress.
        prebuilt: folder with the agent and the modules; ``None`` to build them.
    """

    def __init__(
        self, say: catalog.Reporter = catalog.silent, prebuilt: Path | None = None
    ) -> None:
        self._say = say
        self._prebuilt = prebuilt
        self._ready_agent: Path | None = None

    def listing(self) -> Listing:
        """Return the output of ``ringcross_agent --list``; build the agent first.

        Raises:
            TargetError: the agent cannot be built or run, or has another protocol version.
            UsageError: the folder *prebuilt* has no agent that can be started.
        """
        text, errors = self._ask_agent("--list")
        listing: Listing = json.loads(text)
        mistakes = errors.strip().splitlines()
        if not self._prebuilt:
            mistakes += contract.mistakes(ROOT / "modules", listing["channels"])
        if mistakes:
            raise incomplete(mistakes)
        if listing["protocol"] != PROTOCOL:
            raise TargetError(
                f"{self._agent()} has protocol version {listing['protocol']}, but this ringcross "
                f"requires {PROTOCOL}: build the agent from the same version."
            )
        return listing

    def fetch(self, kernel: str) -> None:
        """Fetch the kernel that the name *kernel* stands for, unless it is in the cache.

        Raises:
            UsageError: no kernel has this name.
            TargetError: the kernel cannot be fetched.
        """
        catalog.find(kernel, say=self._say)

    def placements(self, options: RunOptions) -> tuple[str, ...]:
        """The placements that the machine under test has, nearest first.

        They are known before the kernel under test is booted: from the agent for this machine,
        from the number of CPUs for a virtual machine. For the latter, KVM may be tested. A
        placement that the machine turns out not to have is a skip.

        Raises:
            UsageError: the clock does not allow the number of CPUs.
            TargetError: the agent cannot be built or run, or the kernel cannot be fetched.
        """
        if options.target == "local":
            document: dict[str, list[str]] = json.loads(self._ask_agent("--placements")[0])
            return tuple(document["placements"])
        return vm_placements(
            cpus.number(options.cpus, self.planned_clock(options), force=options.force_time)
        )

    def planned_clock(self, options: RunOptions) -> Clock:
        """The clock of a run, before it starts; for ``auto`` this may test KVM.

        Raises:
            UsageError: there is no such clock or accelerator.
            TargetError: the kernel for the test cannot be fetched or read.
        """
        if options.target == "local":
            return _clock(options.clock, auto="time")
        if options.clock != "auto" or _accelerator(options) == "tcg" or kvm_device.check():
            return _clock(options.clock)
        find_qemu()
        kernel = catalog.find(options.kernel, say=self._say)
        elf_image(kernel)  # an image that cannot be read is no result of the KVM probe
        return "time" if kvm.probe(kernel, self._agent()).usable else "instructions"

    def prepare(self, options: RunOptions, listing: Listing, cells: Sequence[Cell]) -> Testbed:
        """Return the target that *options* name, ready to start.

        Raises:
            UsageError: two options exclude each other, or a name is unknown.
            TargetError: a kernel, compiler or emulator is not available.
        """
        measured = {cell.channel for cell in cells if not cell.skip}
        channels = [channel for channel in listing["channels"] if channel["name"] in measured]
        if options.target == "vm":
            return self._vm(options, channels, cells)
        if options.target == "local":
            return self._local(options, channels, cells)
        raise unknown("target", options.target, TARGETS)

    def _vm(
        self, options: RunOptions, channels: Sequence[Listing], cells: Sequence[Cell]
    ) -> Testbed:
        find_qemu()  # a missing QEMU is reported before anything is downloaded
        clock = self.planned_clock(options)
        count = cpus.number(options.cpus, clock, force=options.force_time)
        kernel = catalog.find(options.kernel, say=self._say)
        append = (*requirements("boot", channels), *options.append)
        self._require_loadable_vm(kernel, append, channels)
        agent = self._agent()
        elf_image(kernel, self._say)
        if options.clock == "auto" and clock == "instructions" and _accelerator(options) != "tcg":
            reason = kvm.probe(kernel, agent).reason
            self._say(f"Counting instructions: KVM does not work here ({reason})")
        built = self._modules(options, kernel.release, channels, lambda: kernel)
        target = VmTarget(
            kernel,
            agent,
            modules=built.folder if built else None,
            needs=requirements("needs", channels),
            clock=clock,
            append=append,
            cpus=count,
            accelerator=kvm.choose(
                clock,
                _accelerator(options),
                kernel=kernel,
                agent=agent,
                force=options.force_time,
            ),
        )
        config = read_config(kernel.config)
        return _testbed(target, clock, kernel.release, config, built, channels, cells)

    def _local(
        self, options: RunOptions, channels: Sequence[Listing], cells: Sequence[Cell]
    ) -> Testbed:
        if options.cpus:
            raise UsageError(
                "--cpus applies to the virtual machine: leave it out, or limit the CPUs of the "
                "local target with taskset."
            )
        if options.kernel not in (RunOptions().kernel, "running"):
            raise UsageError(
                f"--kernel {options.kernel} applies to the virtual machine, and the local kernel "
                "is already booted: leave it out, or use --target vm."
            )
        if options.append:
            raise UsageError(
                "--append applies to the kernel in a virtual machine, and the local kernel is "
                "already booted: leave it out, or use --target vm."
            )
        if _clock(options.clock, auto="time") != "time":
            raise UsageError(
                "The local target has only the time clock: leave out --clock, or use --target vm."
            )
        release = platform.release()
        config = read_config(Path(f"/boot/config-{release}"))
        self._require_loadable_here(config, channels)
        needs_modules = any(channel["module"] for channel in channels)
        built: ModuleBuild | None = None
        if needs_modules and options.yes_load_modules and os.geteuid() == 0:
            built = self._modules(options, release, channels, catalog.running)
        target = LocalTarget(
            self._agent(),
            modules=built.folder if built else None,
            needs_modules=needs_modules,
            yes_load_modules=options.yes_load_modules,
        )
        return _testbed(target, "time", release, config, built, channels, cells)

    def _ask_agent(self, option: str) -> tuple[str, str]:
        """What the agent prints on this machine with *option*: the result, and messages."""
        agent = self._agent()
        try:
            result = child.run([agent, option])
        except PermissionError:
            raise TargetError(
                f"{agent} cannot be run (Permission denied): move ringcross to a file system that "
                "is not mounted noexec."
            ) from None
        except OSError as error:  # for example an agent built for another processor
            raise TargetError(
                f"{agent} cannot be run ({error.strerror}): build it on this machine."
            ) from None
        if result.returncode and not result.stdout:
            raise TargetError(
                f"{agent} {option} failed ({result.stderr.strip()}): build the agent again."
            )
        return result.stdout, result.stderr

    def _agent(self) -> Path:
        if self._ready_agent is None:
            self._ready_agent = (
                prebuilt.agent(self._prebuilt) if self._prebuilt else build.build_agent()
            )
        return self._ready_agent

    def _require_loadable_vm(
        self, kernel: Kernel, append: Sequence[str], channels: Sequence[Listing]
    ) -> None:
        """Raise UsageError if *kernel*, booted with *append*, would refuse the modules."""
        enforced = module_signing.enforced_by_boot(append, read_config(kernel.config))
        if not enforced or not self._unsigned(channels):
            return
        remedy = "leave this word out" if enforced in append else "sign them and use --prebuilt"
        raise UsageError(
            f"Kernel {kernel.release} would load only signed modules ({enforced}), and the "
            f"modules of ringcross are not signed: {remedy}, use another --kernel, or measure "
            "channels without a module, for example --channels pipe,unixsock."
        )

    def _require_loadable_here(self, config: str, channels: Sequence[Listing]) -> None:
        """Raise UsageError if the running kernel would refuse the modules."""
        enforced = module_signing.enforced_here(config)
        if enforced and self._unsigned(channels):
            raise UsageError(
                f"The running kernel loads only signed modules ({enforced}), and the modules of "
                f"ringcross are not signed: {module_signing.ADVICE}"
            )

    def _unsigned(self, channels: Sequence[Listing]) -> list[str]:
        """The modules that *channels* need and that have no signature."""
        names = [channel["module"] for channel in channels if channel["module"]]
        if not self._prebuilt or not names:
            return names  # those that are built here
        paths = {name: self._prebuilt / f"{name}.ko" for name in (build.CORE, *names)}
        return module_signing.unsigned(paths)

    def _modules(
        self,
        options: RunOptions,
        release: str,
        channels: Sequence[Listing],
        find: Callable[[], Kernel],
    ) -> ModuleBuild | None:
        """Return the modules for kernel *release*, or ``None`` if none is needed.

        *find* returns the kernel to build them against.

        Raises:
            TargetError: of the channels that the user named, none can be measured.
        """
        modules = {c["name"]: c["module"] for c in channels if c["module"]}
        if not modules:
            return None
        if self._prebuilt:
            return ModuleBuild(prebuilt.modules(self._prebuilt, release, modules.values()))
        kernel = find()
        self._say(f"Building modules for kernel {release}")
        built = build.compile_modules(kernel)
        if built.warning:
            self._say(
                f"The modules work, but the compiler warns: {built.warning} "
                f"(complete log: {built.log})"
            )
        named = options.channels
        if named and all(n in modules and built.error_of(modules[n]) for n in named):
            reason = decided.not_built_reason(modules[named[0]], built, release)
            raise TargetError(
                f"{reason} (complete log: {built.log}). Use another --kernel, or correct that line."
            )
        return built


def _testbed(
    target: Target,
    clock: Clock,
    release: str,
    config: str,
    built: ModuleBuild | None,
    channels: Sequence[Listing],
    cells: Sequence[Cell],
) -> Testbed:
    """The testbed, with the results that are known before the boot."""
    results = decided.barred_by_rt(cells, channels, config)
    if built:
        results |= decided.not_built(cells, channels, built, release)
    notes = decided.notes(results.values())
    return Testbed(target, clock, release, config, results, notes)


def incomplete(mistakes: Sequence[str]) -> UsageError:
    """The error for channels whose sources are incomplete; *mistakes* name the files."""
    lines = "".join(f"\n  {mistake}" for mistake in mistakes)
    return UsageError(f"A channel is not complete: correct it, then run again.{lines}")


def vm_placements(cpus: int) -> tuple[str, ...]:
    """The placements of a virtual machine: QEMU's CPUs are cores of one socket with one cache."""
    return (SAME_CPU, "same-llc") if cpus > 1 else (SAME_CPU,)


def requirements(field: str, channels: Sequence[Listing]) -> tuple[str, ...]:
    """Return what *channels* require, sorted and without duplicates.

    Args:
        field: ``needs`` for stock modules, ``boot`` for words of the kernel command line.
        channels: entries of the agent's listing.
    """
    return tuple(sorted({word for channel in channels for word in channel.get(field, ())}))


def _accelerator(options: RunOptions) -> kvm.AcceleratorChoice:
    if options.accel in get_args(kvm.AcceleratorChoice):
        return cast(kvm.AcceleratorChoice, options.accel)
    raise unknown("accelerator", options.accel, get_args(kvm.AcceleratorChoice))


def _clock(name: str, auto: Clock = "instructions") -> Clock:
    if name == "auto":
        return auto
    for clock in UNITS:
        if name == clock:
            return clock
    raise unknown("clock", name, ("auto", *UNITS))
