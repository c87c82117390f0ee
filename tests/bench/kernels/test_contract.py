# SPDX-License-Identifier: GPL-2.0-only
"""Each mistake in the sources of a channel is one sentence with the file and what to write."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.errors import UsageError
from bench.kernels import contract
from bench.paths import ROOT
from bench.targets.provision import Provisioner, incomplete
from tests.tree import change

NAME = "netlink"


def listing(*modes: dict[str, Any], module: str | None = "ringcross_netlink") -> dict[str, Any]:
    """The listing of a channel with these modes."""
    return {"name": NAME, "module": module, "modes": list(modes)}


WHOLE = listing(
    {"name": "unicast", "operations": {"push": {}, "notify": {}}},
    {"name": "multicast", "operations": {"stream": {}}},
)


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """A folder with the channel, which has no mistake."""
    shutil.copytree(ROOT / "modules" / NAME, tmp_path / NAME)
    assert contract.mistakes(tmp_path, [WHOLE]) == []
    return tmp_path


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def replace(name: str, old: str, new: str) -> Callable[[Path], None]:
    return lambda folder: change(folder / name, old, new)


@pytest.mark.parametrize(
    ("plant", "start", "end"),
    [
        (remove("user.c"), "user.c is missing", "as in modules/skeleton/user.c."),
        (
            replace("user.c", "RCX_CHANNEL(", "// RCX_CHANNEL("),
            "user.c registers no channel",
            "end it with RCX_CHANNEL(...).",
        ),
        (replace("kernel.c", "DOC: netlink", "netlink"), "kernel.c has no DOC:", "netlink\"."),
        (replace("kernel.c", "DOC: netlink", "DOC: skeleton"), "kernel.c has", "DOC: netlink."),
        (
            replace("kernel.c", "Its pitfall.", "A pitfall."),
            'kernel.c: its DOC: comment lacks the paragraph "Its pitfall."',
            "write it.",
        ),
        (
            replace("kernel.c", "MODULE_DESCRIPTION(", "// MODULE_DESCRIPTION("),
            "kernel.c has no MODULE_DESCRIPTION",
            'MODULE_DESCRIPTION("ringcross: netlink");',
        ),
        (
            replace("kernel.c", "MODULE_LICENSE(", "MODULE_ALIAS(\"x\");\nMODULE_LICENSE("),
            "kernel.c has a MODULE_ALIAS",
            "so that only a run loads the module.",
        ),
        (
            replace("kernel.c", '.name = "netlink"', '.name = "netlnk"'),
            'kernel.c registers the name "netlnk"',
            'write .name = "netlink".',
        ),
        (
            remove("kernel.c"),
            "user.c has no DOC:",
            'begin it with "/** DOC: netlink".',
        ),
    ],
)  # fmt: skip
def test_a_mistake_names_its_file_and_what_to_write(
    modules: Path, plant: Callable[[Path], None], start: str, end: str
) -> None:
    plant(modules / NAME)
    first = contract.mistakes(modules, [WHOLE])[0]
    assert first.startswith(f"modules/netlink/{start}")
    assert first.endswith(end)


def test_emitters_and_modes_have_the_same_names(modules: Path) -> None:
    change(modules / NAME / "kernel.c", '{ "multicast", RCX', '{ "broadcast", RCX')
    assert [sentence.partition(":")[0] for sentence in contract.mistakes(modules, [WHOLE])] == [
        'modules/netlink/kernel.c has no emitter for the mode "multicast", which has notify, '
        "stream or upcall",
        'modules/netlink/kernel.c has the emitter "broadcast", but no mode with notify, stream or '
        "upcall has that name",
    ]


def test_a_kernel_half_that_user_space_does_not_load(modules: Path) -> None:
    (sentence,) = contract.mistakes(modules, [WHOLE | {"module": None}])
    assert sentence.endswith('write .module = "ringcross_netlink".')


def test_a_module_without_a_kernel_half(modules: Path) -> None:
    (modules / NAME / "kernel.c").unlink()
    sentences = contract.mistakes(modules, [WHOLE])
    assert any(s.startswith("modules/netlink/kernel.c is missing") for s in sentences)


def test_the_error_lists_all_mistakes_and_is_wrong_usage() -> None:
    error = incomplete(["modules/a/user.c: first", "modules/b/kernel.c: second"])
    assert isinstance(error, UsageError)
    assert str(error).splitlines() == [
        "A channel is not complete: correct it, then run again.",
        "  modules/a/user.c: first",
        "  modules/b/kernel.c: second",
    ]


def test_list_and_run_check_the_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both get the listing of the agent here, before a kernel is fetched or booted."""
    assert Provisioner().listing()["channels"]
    monkeypatch.setattr(contract, "mistakes", lambda *_: ["modules/x/kernel.c has no emitter."])
    with pytest.raises(UsageError, match=r"modules/x/kernel.c has no emitter\."):
        Provisioner().listing()
