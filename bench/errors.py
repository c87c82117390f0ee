# SPDX-License-Identifier: GPL-2.0-only
"""The errors that commands show without a traceback.

Each message is one or two sentences: what happened, then what to do next. ``ringcross --help``
documents the exit codes.
"""

from __future__ import annotations

import difflib
import errno
import os
import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import ClassVar


class RingcrossError(Exception):
    """Base of all errors that are shown as a message, without a traceback.

    Attributes:
        exit_code: the exit status of the command if nothing handles the error.
    """

    default_exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.exit_code = self.default_exit_code if exit_code is None else exit_code


class UsageError(RingcrossError):
    """The command names something that does not exist, or combines options that conflict."""

    default_exit_code = 2


def unknown(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """The error for a *kind* of thing without a *name* like this; suggests the closest *known*."""
    known = list(known)
    spelt = {word.lower(): word for word in known}
    closest = difflib.get_close_matches(name.lower(), spelt, n=1, cutoff=0.5)
    hint = f" Did you mean {spelt[closest[0]]}?" if closest else ""
    return UsageError(f"There is no {kind} {name!r}.{hint} Known: {', '.join(known)}.")


class TargetError(RingcrossError):
    """The target is not available: a tool or a kernel is missing, or a build or boot failed."""

    default_exit_code = 3


class NeverCameUp(TargetError):
    """The machine was started, but its agent never sent the ``hello`` answer.

    Attributes:
        ended: whether QEMU ended by itself; otherwise the deadline passed.
        last_line: the last line that QEMU (if it ended) or the kernel printed; may be empty.
    """

    def __init__(self, message: str, *, ended: bool = False, last_line: str = "") -> None:
        super().__init__(message)
        self.ended = ended
        self.last_line = last_line


class DiskFull(RingcrossError):
    """No space is left; what was written before is kept."""

    default_exit_code = 4


class SessionLost(RingcrossError):
    """The session ended before the agent sent its ``end`` answer.

    Attributes:
        cell_id: the cell in flight, ``None`` when there was none.
    """

    def __init__(
        self, message: str, *, cell_id: int | None = None, exit_code: int | None = None
    ) -> None:
        super().__init__(message, exit_code=exit_code)
        self.cell_id = cell_id


class CellStalled(SessionLost):
    """The agent sent nothing before the deadline."""


class AgentDied(SessionLost):
    """The agent exited while the machine was still running."""


class LinkError(SessionLost):
    """The agent's answers do not follow the protocol."""


class TargetLost(SessionLost):
    """The machine itself ended, for example because QEMU was killed."""


class KernelPanic(SessionLost):
    """The kernel under test panicked.

    Attributes:
        line: the first line of the panic or oops.
    """

    def __init__(
        self,
        message: str,
        *,
        line: str = "",
        cell_id: int | None = None,
        exit_code: int | None = None,
    ) -> None:
        super().__init__(message, cell_id=cell_id, exit_code=exit_code)
        self.line = line


@contextmanager
def writing(what: str) -> Iterator[None]:
    """Turn the system's refusals, while *what* is written, into errors that say what to do.

    Raises:
        DiskFull: the file system or the quota is full.
        TargetError: a file or folder cannot be written, for example because it belongs to root.
    """
    try:
        yield
    except OSError as error:
        raise refusal(error, what) from error


def refusal(error: OSError, what: str = "") -> RingcrossError:
    """The error for a file or folder that the system refuses; *what* is written to it."""
    where = str(error.filename or "")
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return _disk_full(f"{what} ({where})" if what and where else what or where or "a file")
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return TargetError(f"Too many files are open ({what or where}): raise `ulimit -n`.")
    place = where or what or "A file"
    reason = f"{place} cannot be used ({error.strerror or error})"
    return TargetError(f"{reason}: {_remedy(error, where)}.")


def _remedy(error: OSError, where: str) -> str:
    """What to do about a refusal, without a full stop."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            "give it to this user, for example with "
            f"`sudo chown -R {os.getuid()}:{os.getgid()} {shlex.quote(where)}`, "
            "or choose another folder (RINGCROSS_CACHE, --run-dir, TMPDIR)"
        )
    return "choose another folder (RINGCROSS_CACHE, --run-dir, TMPDIR), or repair this one"


def check_room(output: str, what: str) -> None:
    """Raise :class:`DiskFull` if *output*, of a tool that writes *what*, reports a full disk."""
    if "No space left on device" in output or "enough free space in" in output:
        raise _disk_full(what)


def _disk_full(what: str) -> DiskFull:
    return DiskFull(
        f"No space left while writing {what}: make room, then run again. "
        "Use --resume to keep what was measured."
    )
