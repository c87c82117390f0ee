# SPDX-License-Identifier: GPL-2.0-only
"""The decoder returns the same answers wherever the stream is split, and rejects invalid input."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bench.errors import LinkError
from bench.targets import protocol
from bench.targets.protocol import Answer, Decoder

SAMPLES = [1, 10, 2**64 - 1]
"""The middle value contains the byte of a newline."""

STREAM = (
    b'{"re": "hello", "protocol": 2}\n'
    b'{"re": "cell", "id": 3, "samples": 3, "bytes": 24}\n'
    + b"".join(s.to_bytes(8, "little") for s in SAMPLES)
    + b'{"re": "cell", "id": 4, "samples": 0, "bytes": 0}\n'
    + '{"re": "read", "files": {"/x": "ü\\n"}}\n'.encode()
    + b'{"re": "end"}\n'
)


def decode(*chunks: bytes) -> list[Answer]:
    decoder = Decoder()
    answers = [answer for chunk in chunks for answer in decoder.feed(chunk)]
    decoder.finish()
    return answers


def check(answers: list[Answer]) -> None:
    assert [a["re"] for a in answers] == ["hello", "cell", "cell", "read", "end"]
    samples = answers[1]["samples"]
    assert samples.dtype == np.dtype("<u8")
    assert samples.tolist() == SAMPLES
    assert answers[2]["samples"].size == 0
    assert answers[3]["files"] == {"/x": "ü\n"}


def test_whole() -> None:
    check(decode(STREAM))


@pytest.mark.parametrize("cut", range(len(STREAM) + 1))
def test_split_at_every_byte(cut: int) -> None:
    check(decode(STREAM[:cut], STREAM[cut:]))


def test_byte_by_byte() -> None:
    check(decode(*(STREAM[i : i + 1] for i in range(len(STREAM)))))


def test_samples_outlive_the_buffer() -> None:
    decoder = Decoder()
    answers = list(decoder.feed(STREAM))
    list(decoder.feed(b'{"re": "end"}\n' * 10))
    assert answers[1]["samples"].tolist() == SAMPLES


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        (b"Segmentation fault\n", "not JSON"),
        (b"\xff\xfe\n", "not JSON"),
        (b"\n", "not JSON"),
        (b"[1, 2]\n", 'no "re"'),
        (b'{"id": 3}\n', 'no "re"'),
        (b'{"re": 3}\n', 'no "re"'),
        (b'{"re": "cell", "samples": 3, "bytes": 23}\n', "23 bytes cannot hold 3 samples"),
        (b'{"re": "cell", "bytes": 8}\n', "cannot hold None samples"),
        (b'{"re": "cell", "samples": 1, "bytes": "8"}\n', "out of range"),
        (b'{"re": "cell", "samples": -1, "bytes": -8}\n', "out of range"),
        (b'{"re": "cell", "samples": 1, "bytes": 1e99}\n', "out of range"),
        (json.dumps({"re": "x", "bytes": protocol.MAX_BLOCK + 8}).encode() + b"\n", "out of range"),
        (b"x" * (protocol.MAX_LINE + 1), "longer than"),
        (b"x" * (protocol.MAX_LINE + 1) + b"\n", "longer than"),
    ],
)
def test_refuses(stream: bytes, message: str) -> None:
    with pytest.raises(LinkError, match=message):
        decode(stream)


def test_good_answers_come_before_the_error() -> None:
    decoder = Decoder()
    answers = decoder.feed(b'{"re": "hello"}\ngarbage\n')
    assert next(answers) == {"re": "hello"}
    with pytest.raises(LinkError, match="garbage"):
        next(answers)


def test_deep_nesting_is_no_crash() -> None:
    with pytest.raises(LinkError, match="not JSON"):
        decode(b"[" * 200_000 + b"\n")


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        (b'{"re": "hel', "within a line"),
        (b'{"re": "cell", "samples": 2, "bytes": 16}\n12345678', r"sample block \(8 of 16"),
    ],
)
def test_truncation(stream: bytes, message: str) -> None:
    decoder = Decoder()
    assert list(decoder.feed(stream)) == []
    with pytest.raises(LinkError, match=message):
        decoder.finish()
