# SPDX-License-Identifier: GPL-2.0-only
"""What a kernel's configuration must contain so that it boots in the virtual machine.

Every kernel of a distribution has all of it. A kernel that the user has configured may not.
"""

from __future__ import annotations

from bench.errors import TargetError

REQUIRED = (
    "64BIT",
    "ACPI",  # the interrupt controllers of the machine are found through it
    "PRINTK",
    "SERIAL_8250_CONSOLE",
    "BLK_DEV_INITRD",
    "BINFMT_ELF",
    "MODULES",
    "MODULE_UNLOAD",
    "DEVTMPFS",
    "TMPFS",
    "PROC_FS",
    "SYSFS",
    "HIGH_RES_TIMERS",
    "X86_IOPL_IOPERM",  # under instructions, the agent answers through an input/output port
)


def check(config: str, what: str) -> None:
    """Check that the kernel *what* with the text *config* of its ``.config`` can boot.

    An empty text is accepted, because then nothing is known.

    Raises:
        TargetError: options are missing.
    """
    lines = set(config.splitlines())
    missing = [f"CONFIG_{name}" for name in REQUIRED if f"CONFIG_{name}=y" not in lines]
    if config and missing:
        raise TargetError(
            f"{what} was configured without {', '.join(missing)}, which the virtual machine needs: "
            "enable this and build the kernel again, or choose another one."
        )
