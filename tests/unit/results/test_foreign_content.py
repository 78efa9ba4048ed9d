"""Honest files that resemble what is refused for contradicting its name land."""

from __future__ import annotations

import io

import pytest

from harvester.results.foreign_content import HEAD_BYTES, MAX_FRAME_BYTES
from harvester.results.record import ContentReason, ResultRecord, Shape
from harvester.results.result_options import ResultOptions
from harvester.results.result_reader import ResultReader

READER = ResultReader(ResultOptions())


def read(body: bytes, key: str) -> ResultRecord:
    record = READER.read(body, key).record
    assert READER.read_file(io.BytesIO(body), io.BytesIO(), key) == record
    return record


@pytest.mark.parametrize(
    ("body", "key", "shape"),
    [
        (b"[id],[name]\n1,Ann\n", "a.csv", Shape.CSV),
        (b"<b>,x\n1,2\n", "a.csv", Shape.CSV),
        (b"html,xml\n<html>,<?xml ?>\n", "a.csv", Shape.CSV),
        (b"error,code\nrate limited,429\n", "a.csv", Shape.CSV),
        (b"a\r\n0123456789\r\n0\r\n\r\n", "a.csv", Shape.CSV),
        (b"10\r\n" + b"x" * 16 + b"\r\n0\r\n", "a.csv", Shape.CSV),
        (b"Forbidden fruit\napple\n", "a.csv", Shape.CSV),
        (b"status\nForbidden\n", "a.csv", Shape.CSV),
        (b'{"error":"none found","url":"https://e.com"}\n', "a.jsonl", Shape.JSONL),
        (b'{"error":"a"}\n{"error":"b"}\n', "a.jsonl", Shape.JSONL),
        (b'{"error":null,"code":1}\n', "a.jsonl", Shape.JSONL),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "a.svg", Shape.MEDIA),
        (b'<?xml version="1.0"?>\n<!-- icon --><svg/>', "a.svg", Shape.MEDIA),
        (bytes(64) + b"\x01", "a.mp4", Shape.MEDIA),
        (b"a,b\n" + b"1,\0\n" * 40, "a.csv", Shape.CSV),
    ],
)
def test_an_honest_file_lands(body: bytes, key: str, shape: Shape) -> None:
    record = read(body, key)
    assert record.problem is None
    assert record.shape is shape


@pytest.mark.parametrize("size", [4096, MAX_FRAME_BYTES])
def test_frames_are_recognised_by_their_first_one(size: int) -> None:
    frame = b"%x\r\n%s\r\n" % (size, b"1,2\n" * (size // 4))
    problem = read(frame * 3 + b"0\r\n\r\n", "a.csv").problem
    assert problem is not None
    assert problem.reason is ContentReason.CONTRADICTS_NAME
    assert len(b"%x\r\n" % size) + size < HEAD_BYTES


def test_a_page_longer_than_the_head_is_recognised() -> None:
    body = b"\xef\xbb\xbf\n<!-- a comment -->\n<HTML>\n" + b"<p>text</p>\n" * 200_000
    for key in ("a.csv", "a.jsonl", "a.parquet", "a.png"):
        problem = read(body, key).problem
        assert problem is not None
        assert problem.reason is ContentReason.CONTRADICTS_NAME
        assert problem.quarantine
