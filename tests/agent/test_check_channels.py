# SPDX-License-Identifier: GPL-2.0-only
"""Each mistake in a registration is one line that names the file and what to write."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.tree import Tree, change

PUSH = "[RCX_PUSH] = { .run = skeleton_push, ROOM },"
NOTIFY = "[RCX_NOTIFY] = { .run = skeleton_notify, ROOM, .waits = RCX_WAIT_ANY },"
CLAIMS = ".claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_REFUSES,"
LIMIT = '.limit = "The kernel half keeps one buffer of 4 KiB per open file."'
PULL = '[RCX_PULL] = "Its read() returns events of the kernel and makes no message on request.",\n'

PLANTED: Mapping[str, tuple[str, str, str]] = {
    "othername": ('.name = "skeleton",', '.name = "another",', 'write .name = "othername"'),
    "othermodule": (
        '"ringcross_skeleton"',
        '"skeleton"',
        'write .module = "ringcross_othermodule"',
    ),
    "unmeasured": (
        ".modes = skeleton_modes,",
        ".modes = skeleton_modes,\n\t.flags = RCX_UNMEASURED,",
        "remove the line .flags = RCX_UNMEASURED",
    ),
    "unknownflag": (
        ".modes = skeleton_modes,",
        ".modes = skeleton_modes,\n\t.flags = 0x100,",
        "flags has an unknown bit",
    ),
    "unlimited": (LIMIT, '.limit = ""', "limit is missing: write a sentence"),
    "unexplained": (PULL, "", "no mode has it: write unsupported_reason"),
    "explainedtwice": (PULL, PULL + '\t\t[RCX_PUSH] = "None.",\n', "remove its unsupported_reason"),
    "unknownclaim": (CLAIMS, ".claims = 0x1000,", "claims has an unknown bit"),
    "twoclaims": (
        CLAIMS,
        ".claims = RCX_FULL_REFUSES | RCX_FULL_ADDS,",
        "it has two claims about a full queue",
    ),
    "notacount": (CLAIMS, ".claims = RCX_FULL_ADDS,", "RCX_FULL_ADDS is for a mode that carries"),
    "countbody": (
        PUSH,
        PUSH.replace("ROOM", "ROOM, .count = true"),
        "a count has no body: leave out min and max",
    ),
    "countpush": (
        PUSH,
        "[RCX_PUSH] = { .run = skeleton_push, .count = true },",
        "only notify and stream can carry a count",
    ),
    "tableless": (
        PUSH,
        PUSH + "\n\t\t\t[RCX_DUMP] = { .run = skeleton_push, ROOM },",
        "a dump needs a table: write RCX_TABLE",
    ),
    "shorttable": (
        PUSH,
        PUSH + "\n\t\t\t[RCX_DUMP] = { .run = skeleton_push, RCX_TABLE_OF(8) },",
        "says what sets the number of records",
    ),
    "pushtable": (
        PUSH,
        PUSH.replace("ROOM", "ROOM, .records = 8"),
        "only a dump has records",
    ),
    "twocpus": (
        CLAIMS,
        f'{CLAIMS} .two_cpus_reason = "because",',
        "two_cpus_reason must be a sentence",
    ),
    "pushwaits": (PUSH, PUSH.replace("ROOM", "ROOM, .waits = 1"), "remove .waits"),
    "unknownexclusion": (
        PUSH,
        PUSH.replace("ROOM", "ROOM, .excludes = 0x100"),
        "excludes has an unknown bit: use RCX_WITHOUT_*",
    ),
    "nobodytowake": (
        PUSH,
        PUSH.replace("ROOM", "ROOM, .excludes = RCX_WITHOUT_WAKEUP"),
        "nobody waits in it: remove RCX_WITHOUT_WAKEUP",
    ),
    "sleepingreader": (
        NOTIFY,
        NOTIFY.replace("RCX_WAIT_ANY", "RCX_WAIT_ANY, .excludes = RCX_WITHOUT_WAKEUP"),
        "it has a wait that sleeps: remove RCX_WITHOUT_WAKEUP",
    ),
    "spinningreader": (
        NOTIFY,
        NOTIFY.replace("RCX_WAIT_ANY", "RCX_WAIT_BUSY"),
        "its other end is never woken: add .excludes = RCX_WITHOUT_WAKEUP",
    ),
    "nobodytocopy": (
        PUSH,
        '[RCX_PUSH] = { .run = skeleton_push, .limit = "Only a call.", '
        ".excludes = RCX_WITHOUT_COPY },",
        "it has no body to copy: remove RCX_WITHOUT_COPY",
    ),
    "longmode": ('.name = "file",', '.name = "a_mode_with_a_very_long_name",', "at most 23"),
    "othercounterpart": (
        CLAIMS,
        CLAIMS + '\n\t\t.counterpart = "nowhere",',
        "correct .counterpart",
    ),
    "badclass": (
        ".classes = NULL,",
        '.classes = (const char *const[]){ "memcpy", NULL },',
        "must be the name of a class, a colon",
    ),
    "noloops": ("\t\t.operations = {", "\t\t.operations = { }, .peer = NULL,\n#if 0", "no loop"),
}
"""By folder: a part of the skeleton's user half, its replacement, and what the line says."""


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What the agent prints about a tree in which each folder has one mistake."""
    tree = Tree.copy(tmp_path_factory.mktemp("planted"), [])
    for name, (old, new, _) in PLANTED.items():
        user = tree.add_skeleton(name) / "user.c"
        for word in (("skeleton", name), ("SKELETON", name.upper())):
            old, new = old.replace(*word), new.replace(*word)
        change(user, old, new)
    _without_operations(tree.modules / "noloops" / "user.c")
    done = subprocess.run([tree.build_agent(), "--list"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout
    return done.stderr.splitlines()


def _without_operations(user: Path) -> None:
    """Leave the table of operations out, and use the loops elsewhere, against warnings."""
    head, begin, rest = user.read_text().partition("#if 0")
    table, end, tail = rest.partition("\n\t\t},\n")
    loops = "rcx_loop *const unused[] = { noloops_push, noloops_notify, noloops_stream };\n"
    prototype = "extern rcx_loop *const unused[];\n"
    assert end
    head = head.replace(
        "static const struct rcx_mode", prototype + loops + "static const struct rcx_mode"
    )
    user.write_text(f"{head}{begin}{table}{end}#endif\n{tail}")


@pytest.mark.parametrize("name", PLANTED)
def test_a_mistake_names_its_file_and_what_to_write(lines: list[str], name: str) -> None:
    found = [line for line in lines if line.startswith(f"modules/{name}/user.c: ")]
    assert any(PLANTED[name][2] in line for line in found), found


def test_what_is_right_is_not_reported(lines: list[str]) -> None:
    assert {line.split("/")[1] for line in lines} == set(PLANTED)
