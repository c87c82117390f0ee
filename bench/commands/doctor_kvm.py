# SPDX-License-Identifier: GPL-2.0-only
"""What ``ringcross doctor`` reports about KVM: the device, and the last test boot."""

from __future__ import annotations

from bench.errors import RingcrossError
from bench.host.doctor import Finding
from bench.kernels import build, catalog
from bench.targets import kvm, kvm_device
from bench.targets.kvm import Probe

_WITHOUT = (
    "Runs count instructions. To measure nanoseconds, use a machine with KVM, or "
    "--target local --channels syscall."
)


def kvm_finding(boot: bool = False) -> Finding:
    """Return whether KVM works.

    Args:
        boot: boot a kernel under KVM now: one from the cache or, if it is empty, the stock kernel.
            Otherwise the result of an earlier boot is reported.
    """
    if refusal := kvm_device.check():
        return Finding("kvm", "note", refusal.reason, f"{refusal.advice} {_WITHOUT}")
    try:
        probed = _boot() if boot else kvm.last_result()
    except RingcrossError as error:
        return Finding("kvm", "note", "/dev/kvm opens, but the test could not run", str(error))
    if probed is None:
        return Finding(
            "kvm",
            "ok",
            "/dev/kvm opens, but no kernel was booted under it yet; the first run does that, or "
            "ringcross doctor --probe-kvm",
        )
    when = f"tried at {probed.tried}"
    if probed.usable:
        return Finding("kvm", "ok", f"a kernel came up in {probed.seconds:.1f} s ({when})")
    return Finding("kvm", "note", f"{probed.reason} ({when})", f"{probed.advice} {_WITHOUT}")


def _boot() -> Probe:
    cached = catalog.list_kernels()
    kernel = cached[-1] if cached else catalog.find("stock")
    return kvm.probe(kernel, build.build_agent(), again=True)
