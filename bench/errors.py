"""What can go wrong, each with one sentence that says what to do next.

Exit codes: 1 measured, but some cells failed; 2 wrong usage; 3 the target could not be
had; 4 no room to write.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import ClassVar


class RingcrossError(Exception):
    """Base of all errors that are shown as one sentence, without a traceback.

    Attributes:
        exit_code: what the command ends with when nobody handles the error.
    """

    default_exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.exit_code = self.default_exit_code if exit_code is None else exit_code


class UsageError(RingcrossError):
    """The command asks for something that does not exist or does not fit together."""

    default_exit_code = 2


def unknown(what: str, given: str, known: Iterable[str]) -> UsageError:
    """The error for a name nobody knows: what exists, and the nearest of it."""
    known = list(known)
    near = difflib.get_close_matches(given, known, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]}?" if near else ""
    return UsageError(f"There is no {what} {given!r}.{hint} Known: {', '.join(known)}.")


class TargetError(RingcrossError):
    """The target could not be had: a tool, a kernel, a build or a boot is missing."""

    default_exit_code = 3


class NeverCameUp(TargetError):
    """The machine was started but its agent never said hello."""


class DiskFull(RingcrossError):
    """There is no room to write; what was written before is kept."""

    default_exit_code = 4


class SessionLost(RingcrossError):
    """The session ended before the agent said that it is through.

    Attributes:
        cell_id: the cell in flight, ``None`` when none was.
    """

    def __init__(
        self, message: str, *, cell_id: int | None = None, exit_code: int | None = None
    ) -> None:
        super().__init__(message, exit_code=exit_code)
        self.cell_id = cell_id


class CellStalled(SessionLost):
    """The agent has said nothing for longer than the harness waits."""


class AgentDied(SessionLost):
    """The agent ended on its own, while the machine still ran."""


class LinkError(SessionLost):
    """The agent's answers cannot be understood."""


class TargetLost(SessionLost):
    """The machine itself went away, e.g. QEMU was killed."""


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
    """ScheduledCell "no space left" while *what* is written into :class:`DiskFull`.

    Raises:
        DiskFull: the file system or the quota is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = f" ({error.filename})" if error.filename else ""
        raise _disk_full(what + where) from error


def check_room(said: str, what: str) -> None:
    """Raise :class:`DiskFull` when a tool that was to write *what* said that no space is left."""
    if "No space left on device" in said or "enough free space in" in said:
        raise _disk_full(what)


def _disk_full(what: str) -> DiskFull:
    return DiskFull(
        f"No space left while writing {what}: make room, then run again "
        "(--resume keeps what was measured)."
    )
