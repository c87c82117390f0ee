# SPDX-License-Identifier: GPL-2.0-only
"""What is read from the log of a build: the first problem, and the modules that failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.kernels import build_log


@pytest.mark.parametrize(
    ("log", "problem"),
    [
        ("", ""),
        ("  CC [M]  errors.o\n  LD [M]  warning.o\n", ""),
        ("warning: the compiler differs from the one used to build the kernel\n", ""),
        ("Skipping BTF generation for x.ko due to unavailability of vmlinux\n", ""),
        ("warning: pahole version differs from the one used to build the kernel\n", ""),
        ("a\nx.c:1:2: warning: first\nx.c:3:4: error: second\n", "x.c:1:2: warning: first"),
        (
            "WARNING: modpost: missing MODULE_DESCRIPTION() in x.o\n",
            "WARNING: modpost: missing MODULE_DESCRIPTION() in x.o",
        ),
        ('ERROR: modpost: "f" undefined!\n', 'ERROR: modpost: "f" undefined!'),
        (
            "make[1]: *** No rule to make target 'x'.  Stop.\n",
            "make[1]: *** No rule to make target 'x'.  Stop.",
        ),
    ],
)
def test_first_problem(log: str, problem: str) -> None:
    assert build_log.first_problem(log) == problem


def test_a_warning_is_no_error() -> None:
    log = "x.c:3:4: error: second\nx.c:1:2: warning: first\nmake: *** [x] Error 1\n"
    assert build_log.first_warning(log) == "x.c:1:2: warning: first"
    assert build_log.first_warning("x.c:3:4: error: second\n") == ""


TREE = Path("/b/modules")
FOLDERS = {"core", "ioctl", "null", "input"}


@pytest.mark.parametrize(
    ("log", "failures"),
    [
        ("  CC [M]  /b/modules/ioctl/kernel.o\n", {}),
        (
            "/b/modules/input/kernel.c:9:1: warning: unused\n"
            "/b/modules/ioctl/kernel.c:1:2: error: first\n"
            "/b/modules/ioctl/kernel.c:3:4: error: second\n"
            "make[1]: *** [/h/scripts/Makefile.build:255: /b/modules/ioctl/kernel.o] Error 1\n"
            "/b/modules/null/kernel.c:5:6: fatal error: linux/none.h: No such file\n"
            "make[1]: *** [/h/scripts/Makefile.build:255: /b/modules/null/kernel.o] Error 1\n"
            "make: *** [/h/Makefile:2065: /b/modules] Error 2\n",
            {
                "ioctl": "ioctl/kernel.c:1:2: error: first",
                "null": "null/kernel.c:5:6: fatal error: linux/none.h: No such file",
            },
        ),
        (  # kernels from 6.13 on build in the folder itself; an error in a shared header
            "In file included from ioctl/kernel.c:3:\n"
            "core/rcx_core.h:1:2: error: first\n"
            "make[3]: *** [/h/scripts/Makefile.build:287: ioctl/kernel.o] Error 1\n",
            {"ioctl": "core/rcx_core.h:1:2: error: first"},
        ),
        (
            'ERROR: modpost: "nobody" [/b/modules/ringcross_ioctl.ko] undefined!\n'
            "ERROR: modpost: missing MODULE_LICENSE() in ringcross_null.o\n"
            "make[1]: *** [/h/scripts/Makefile.modpost:127: /b/modules/Module.symvers] Error 1\n",
            {
                "ioctl": 'ERROR: modpost: "nobody" [ringcross_ioctl.ko] undefined!',
                "null": "ERROR: modpost: missing MODULE_LICENSE() in ringcross_null.o",
            },
        ),
        (
            "ld: /b/modules/ringcross_input.o: error: no room\n"
            "make[1]: *** [/h/scripts/Makefile.modfinal:61: /b/modules/ringcross_input.ko] Error 1",
            {"input": "ld: ringcross_input.o: error: no room"},
        ),
        (
            "make[1]: *** [/h/scripts/Makefile.build:255: /b/modules/core/file.o] Error 137\n",
            {
                "core": "make[1]: *** [/h/scripts/Makefile.build:255: core/file.o] Error 137",
            },
        ),
    ],
)
def test_failed_folders(log: str, failures: dict[str, str]) -> None:
    assert build_log.failed_folders(log, FOLDERS, TREE) == failures
