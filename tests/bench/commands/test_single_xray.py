# SPDX-License-Identifier: GPL-2.0-only
"""The x-ray of one operation: which cell is selected, and the errors."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from bench.commands import single_xray
from bench.commands.cli import main
from bench.errors import UsageError
from bench.plan.cells import Cell
from tests.fake_target import LISTING, FakeProvisioner


@pytest.mark.parametrize(
    ("arguments", "cell"),
    [
        (("netlink", "", "", None), Cell("netlink", "unicast", "call", 8)),
        (("signal", "", "", None), Cell("signal", "realtime", "notify", 4)),
        (("netlink", "notify", "", None), Cell("netlink", "unicast", "notify", 8)),
        (("netlink", "", "multicast", "1k"), Cell("netlink", "multicast", "notify", 1024)),
    ],
)
def test_the_operation_that_is_meant(
    arguments: tuple[str, str, str, str | None], cell: Cell
) -> None:
    assert single_xray.find_cell(LISTING, *arguments) == cell


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("netlnk", "", "", None), "Did you mean netlink"),
        (("netlink", "cal", "", None), "Did you mean call"),
        (("netlink", "stream", "", None), "many operations at once"),
        (("netlink", "", "multicats", None), "Did you mean multicast"),
        (("netlink", "pull", "", None), "A socket has no pull"),
        (("netlink", "call", "multicast", None), "Mode multicast of netlink has no call"),
        (("netlink", "call", "", "64k"), "does not carry 65536 bytes: use the nearest size, 1024"),
        (("netlink", "call", "", "lots"), "is not a size"),
    ],
)
def test_what_cannot_be_meant(arguments: tuple[str, str, str, str | None], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        single_xray.find_cell(LISTING, *arguments)


def test_on_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake kernel has no tracer: the reason is printed and the exit code is 1."""
    monkeypatch.setattr(single_xray, "Provisioner", lambda _say: FakeProvisioner())
    done = CliRunner().invoke(main, ["xray", "netlink", "--json"])
    assert done.exit_code == 1
    document = json.loads(done.stdout.splitlines()[-1])
    assert document["kernel"] == "6.1.0-fake"
    (operation,) = document["operations"]
    assert (operation["mode"], operation["status"]) == ("unicast", "skip")
    assert operation["reason"] == "The fake kernel has no tracer."


def test_wrong_usage_on_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(single_xray, "Provisioner", lambda _say: FakeProvisioner())
    assert CliRunner().invoke(main, ["xray", "nothing"]).exit_code == 2
