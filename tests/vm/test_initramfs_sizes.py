# SPDX-License-Identifier: GPL-2.0-only
"""The machine boots whatever the size of its initramfs, with the QEMU that ``find_qemu`` finds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.kernels import build, initramfs
from bench.targets.base import Deadlines
from bench.targets.vm import VmTarget
from tests.vm import machine

pytestmark = pytest.mark.vm

PAGE = 4096
TRAILER = len(initramfs.header(0, "TRAILER!!!", 0, 0))


def filled(folder: Path, remainder: int) -> Path:
    """A folder of modules whose archive has *remainder* bytes in its last page, before zeros."""
    filler = folder / "ringcross_filler.ko"
    filler.write_bytes(b"")
    packed = initramfs.pack(
        folder / "initramfs",
        agent=build.build_agent(),
        requests=[machine.SETUP],
        modules=folder,
    ).read_bytes()
    size = packed.rindex(b"070701") + TRAILER
    filler.write_bytes(bytes((remainder - size) % PAGE))
    return folder


@pytest.mark.parametrize("remainder", [0, 4, 2048, 3600, 4092])
def test_boots_with_an_archive_of_any_size(tmp_path: Path, remainder: int) -> None:
    """The archive also leaves the last page of memory to the firmware's tables.

    QEMU 7.2 keeps no tables there, so the boot alone would not show where the archive lies.
    """
    target = VmTarget(
        machine.stock(),
        build.build_agent(),
        modules=filled(tmp_path, remainder),
        append=("loglevel=7",),
        deadlines=Deadlines(boot=60),
    )
    with target.start([machine.SETUP], seed=1) as session:
        answers = list(session.answers())
        log = session.kernel_log()
    assert answers[-1] == {"re": "end"}
    place = re.search(r"RAMDISK: \[mem 0x[0-9a-f]+-0x([0-9a-f]+)\]", log)
    assert place, log
    assert int(place[1], 16) < (target.memory << 20) - PAGE
