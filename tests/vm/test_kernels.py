# SPDX-License-Identifier: GPL-2.0-only
"""Each kernel of the cache builds all kernel halves without a warning, and runs every operation.

It skips exactly the modes that declare to need a newer kernel, or two CPUs.

``ringcross kernels --fetch 7.3`` adds a kernel to the cache, and thereby to these tests.
"""

from __future__ import annotations

import pytest

from bench.kernels import build, catalog
from bench.paths import ROOT
from bench.targets import kernel_log
from tests.vm import machine

pytestmark = [pytest.mark.vm, pytest.mark.slow]

KERNELS = ["stock", *(kernel.release for kernel in catalog.list_kernels())]


@pytest.mark.parametrize("spec", KERNELS)
def test_it_builds_all_kernel_halves_without_a_warning(spec: str) -> None:
    modules = build.build_modules(catalog.find(spec))
    halves = {path.parent.name for path in (ROOT / "modules").glob("*/kernel.c")}
    assert {module.name for module in modules.iterdir()} == {
        f"ringcross_{half}.ko" for half in halves
    }


@pytest.mark.parametrize("spec", KERNELS)
def test_it_runs_every_operation(spec: str) -> None:
    operations = machine.operations()
    kernel = catalog.find(spec)
    target = machine.machine(kernel=kernel)
    requests = [
        machine.cell(operation, max(operation.min, min(8, operation.max)), number)
        for number, operation in enumerate(operations)
    ]
    with target.start([machine.SETUP, *requests], seed=1) as session:
        answers = {a["id"]: a for a in session.answers() if a["re"] == "cell"}
        log = session.kernel_log()
    outcomes = {op.name: (answers[n]["status"], answers[n]["reason"])
                for n, op in enumerate(operations)}  # fmt: skip
    lacking = {op.name: ("skip", machine.lacks(op.channel, op.mode, kernel)) for op in operations}
    expected = {name: skip for name, skip in lacking.items() if skip[1]}
    assert {name: outcome for name, outcome in outcomes.items() if outcome[0] != "ok"} == expected
    assert not kernel_log.complaints(log.splitlines())
