# SPDX-License-Identifier: GPL-2.0-only
"""The folders for kernels and builds, on machines as users have them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.errors import TargetError
from bench.kernels import build, places
from bench.paths import ROOT
from tests import other_user


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout without a cache, of a user without settings."""
    root = tmp_path / "checkout"
    root.mkdir()
    monkeypatch.setattr(places, "ROOT", root)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("RINGCROSS_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    return root


def test_the_cache_is_the_users(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert places.default_cache() == tmp_path / "home/.cache/ringcross"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert places.default_cache() == tmp_path / "xdg/ringcross"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/cache")
    assert places.default_cache() == tmp_path / "home/.cache/ringcross"
    monkeypatch.setenv("RINGCROSS_CACHE", str(tmp_path / "own"))
    assert places.default_cache() == tmp_path / "own"


@pytest.mark.parametrize("home", ["/dev/null", "/dev/null/home", "relative", "/tmp/my home"])
def test_without_a_home_the_cache_is_in_the_checkout(
    root: Path, monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    monkeypatch.setenv("HOME", home)
    assert places.default_cache() == root / ".cache/ringcross"


def test_a_user_without_a_name_has_no_home(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("os.getuid", lambda: 12345)
    assert places.default_cache() == root / ".cache/ringcross"


def test_a_checkout_and_a_home_with_blanks_is_one_sentence(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "ROOT", tmp_path / "my checkout")
    monkeypatch.setenv("HOME", str(tmp_path / "my home"))
    with pytest.raises(TargetError, match=r"because of a blank .* set RINGCROSS_CACHE"):
        places.default_cache()


@pytest.mark.parametrize("name", ["my checkout", "a,b", "a:b", "a#b", "a$b", "it's", "(x)", "a%b"])
def test_builds_are_in_the_cache_where_make_cannot_handle_the_path(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    assert places.build_folder() == root / "build"
    monkeypatch.setattr(places, "ROOT", tmp_path / name)
    folder = places.build_folder()
    assert folder.parent == tmp_path / "home/.cache/ringcross/builds"
    monkeypatch.setattr(places, "ROOT", tmp_path / f"{name} 2")
    assert places.build_folder() != folder, "two checkouts do not share it"


def test_letters_beyond_ascii_are_no_trouble(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "ROOT", tmp_path / "prüfung-日本")
    assert places.build_folder() == tmp_path / "prüfung-日本/build"


@pytest.mark.parametrize("name", ["ring cross ü", "a,b", "it's (new)"])
def test_the_agent_is_built_from_any_path(tmp_path: Path, name: str) -> None:
    """With its own makefile, and one source file of a channel beside one of its own."""
    source = tmp_path / name / "bench/agent"
    (source / "protocol").mkdir(parents=True)
    shutil.copy(ROOT / "bench/agent/Makefile", source)
    (source / "protocol/main.c").write_text("int user(void);\nint main(void) { return user(); }\n")
    (tmp_path / name / "modules/null").mkdir(parents=True)
    user = tmp_path / name / "modules/null/user.c"
    user.write_text("int user(void);\nint user(void) { return 3; }\n")
    agent = build.build_agent(source, tmp_path / "build")
    assert subprocess.run([agent]).returncode == 3
    user.write_text("int user(void);\nint user(void) { return 4; }\n")
    assert subprocess.run([build.build_agent(source, tmp_path / "build")]).returncode == 4


@pytest.mark.parametrize("wrong", ["file", "link"])
def test_a_cache_that_cannot_be_made_is_one_sentence(tmp_path: Path, wrong: str) -> None:
    cache = tmp_path / "cache"
    if wrong == "file":
        cache.write_text("")
    else:
        cache.symlink_to("/no/such/folder")
    with pytest.raises(TargetError, match=r"is not a directory.*set RINGCROSS_CACHE"):
        places.check_cache(cache / "kernels")
    assert not places.usable(cache)


def test_a_lock_waits_and_needs_no_file_that_can_be_written(tmp_path: Path) -> None:
    with places.locked(tmp_path):
        script = (
            "import fcntl, sys\nfcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
        )
        words = [sys.executable, "-c", script, str(tmp_path / ".lock")]
        assert b"BlockingIOError" in subprocess.run(words, capture_output=True).stderr
    assert subprocess.run(words, capture_output=True).returncode == 0


@pytest.fixture
def opened() -> Iterator[Path]:
    with other_user.folder() as path:
        yield path


def as_other_user(script: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run Python code as a user who owns nothing; it can use ``folder`` and ``places``."""
    head = (
        "import sys; from pathlib import Path; from bench.kernels import places\n"
        "folder = Path(sys.argv[1]); places.ROOT = folder / 'checkout'\n"
    )
    return subprocess.run(
        [*other_user.PREFIX, sys.executable, "-c", head + script, str(folder)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)} | env,
        cwd="/",
        capture_output=True,
        text=True,
    )


@other_user.needs_root
def test_builds_are_in_the_cache_after_a_run_with_sudo(opened: Path) -> None:
    """The folder is the user's, and what is in it is root's."""
    (opened / "checkout/build/agent").mkdir(parents=True)
    cache = opened / "cache"
    for path in (opened / "checkout/build", cache):
        path.mkdir(exist_ok=True)
        os.chown(path, other_user.UID, other_user.UID)
    script = "print(places.build_folder().parent)"
    done = as_other_user(script, opened, RINGCROSS_CACHE=str(cache))
    assert done.stdout == f"{cache}/builds\n", done.stderr
    os.chown(opened / "checkout/build/agent", other_user.UID, other_user.UID)
    done = as_other_user(script, opened, RINGCROSS_CACHE=str(cache))
    assert done.stdout == f"{opened}/checkout\n", done.stderr


@other_user.needs_root
def test_a_cache_that_root_has_filled_can_be_read(opened: Path) -> None:
    with places.locked(opened):
        pass
    script = "places.check_cache(folder)\nwith places.locked(folder): print('in')\n"
    assert as_other_user(script, opened).stdout == "in\n"
    (opened / ".lock").unlink()
    done = as_other_user(script, opened)
    assert done.stdout == "in\n", done.stderr


@other_user.needs_root
def test_a_folder_of_root_is_one_sentence(opened: Path) -> None:
    script = "places.check_writable(folder / 'reports/runs', 'choose another folder')"
    done = as_other_user(script, opened)
    assert f"{opened} cannot be written by this user: choose another folder." in done.stderr
    (opened / "reports").mkdir()
    done = as_other_user(script, opened)
    assert "cannot be written by this user, perhaps because ringcross ran with sudo" in done.stderr
    owner = f"{other_user.UID}:{other_user.UID}"
    assert f"`sudo chown -R {owner} {opened}/reports`, or choose another" in done.stderr


@other_user.needs_root
def test_a_folder_that_this_user_cannot_enter(opened: Path) -> None:
    (opened / "closed/cache").mkdir(parents=True)
    (opened / "closed").chmod(0o700)
    script = "cache = folder / 'closed/cache'; print(places.usable(cache), places.writable(cache))"
    assert as_other_user(script, opened).stdout == "False False\n"
    done = as_other_user("places.check_cache(folder / 'closed/cache')", opened)
    assert f"{opened}/closed cannot be written by this user" in done.stderr
