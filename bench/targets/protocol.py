# SPDX-License-Identifier: GPL-2.0-only
"""Decode the agent's answers: JSON lines, some of them followed by a block of samples."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from bench.errors import LinkError

MAX_LINE = 4 << 20
"""Longest line, in bytes; a kernel configuration as one JSON string fits."""

MAX_BLOCK = 64 << 20
"""Largest sample block, in bytes."""

Answer = dict[str, Any]
"""One answer of the agent; ``bench/agent/protocol/PROTOCOL.md`` lists them."""


class Decoder:
    """Incremental decoder; it accepts bytes in chunks of any size.

    An answer that announces ``bytes`` is returned once its sample block has arrived. Its
    ``samples`` field is then a numpy array of unsigned 64-bit values instead of a count.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._pending: Answer | None = None

    def feed(self, data: bytes) -> Iterator[Answer]:
        """Add *data* and yield each answer that it completes.

        Raises:
            LinkError: a line is not an answer, or a line or block is too long.
        """
        self._buffer += data
        while (answer := self._next()) is not None:
            yield answer

    def finish(self) -> None:
        """Check that the stream did not end within an answer.

        Raises:
            LinkError: the stream ended within a line or a block.
        """
        if self._pending is not None:
            size = self._pending["bytes"]
            raise LinkError(
                f"The answers end within a sample block ({len(self._buffer)} of {size} bytes): "
                "the agent was stopped; see the kernel log."
            )
        if self._buffer:
            raise LinkError(
                f"The answers end within a line ({_excerpt(self._buffer)}): "
                "the agent was stopped; see the kernel log."
            )

    def _next(self) -> Answer | None:
        if self._pending is None:
            line = self._line()
            if line is None:
                return None
            answer = _parse(line)
            if "bytes" not in answer:
                return answer
            _check_block(answer)
            self._pending = answer
        return self._block(self._pending)

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\n", self._searched)
        if max(end, len(self._buffer) if end < 0 else 0) > MAX_LINE:
            raise LinkError(
                f"An answer is longer than {MAX_LINE} bytes ({_excerpt(self._buffer)}): "
                "the agent does not match this ringcross; rebuild the agent."
            )
        if end < 0:
            self._searched = len(self._buffer)
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._searched = 0
        return line

    def _block(self, answer: Answer) -> Answer | None:
        size: int = answer["bytes"]
        if len(self._buffer) < size:
            return None
        answer["samples"] = np.frombuffer(bytes(self._buffer[:size]), dtype="<u8")
        del self._buffer[:size]
        self._pending = None
        return answer


def _parse(line: bytes) -> Answer:
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LinkError(
            f"An answer is not JSON ({_excerpt(line)}): see the kernel log, or rebuild the agent."
        ) from error
    if not isinstance(answer, dict) or not isinstance(answer.get("re"), str):
        raise LinkError(f'An answer has no "re" field ({_excerpt(line)}): rebuild the agent.')
    return answer


def _check_block(answer: Answer) -> None:
    size, samples = answer["bytes"], answer.get("samples")
    if not isinstance(size, int) or not 0 <= size <= MAX_BLOCK:
        raise LinkError(f"A sample block of {size!r} bytes is out of range: rebuild the agent.")
    if not isinstance(samples, int) or size != 8 * samples:
        raise LinkError(
            f"A block of {size} bytes cannot hold {samples!r} samples of 8 bytes: "
            "rebuild the agent."
        )


def _excerpt(data: bytes | bytearray) -> str:
    """Return the start of *data* in printable form, for an error message."""
    head = bytes(data[:60])
    return repr(head)[1:] + ("…" if len(data) > len(head) else "")
