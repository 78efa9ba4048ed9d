"""Gzip: complete content, bounded, and one reason per kind of fault."""

from __future__ import annotations

import gzip
import io
import random
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.results.gzip_reader import RATIO_FREE_BYTES, inflate, inflate_blocks
from harvester.results.record import MAX_BYTES_IN_MEMORY, ContentReason, ContentRefused, ContentTooLargeForMemory
from harvester.results.result_options import ResultOptions, Validation
from harvester.results.result_reader import ResultReader

PLENTY = 1 << 40
contents = st.binary(max_size=300).filter(lambda content: not content.startswith(b"\x1f\x8b"))


def by_blocks(body: bytes, size: int) -> bytes:
    blocks = (body[start : start + size] for start in range(0, len(body), size))
    return b"".join(inflate_blocks(blocks, PLENTY))


def reasons(body: bytes, size: int = 7) -> set[ContentReason | None]:
    """Return the reasons of both ways to inflate."""
    attempts: tuple[Callable[[], bytes], ...] = (lambda: inflate(body, PLENTY), lambda: by_blocks(body, size))
    found: set[ContentReason | None] = set()
    for attempt in attempts:
        try:
            attempt()
            found.add(None)
        except ContentRefused as refused:
            found.add(refused.problem.reason)
    return found


@given(st.lists(contents, min_size=1, max_size=4), st.integers(0, 9), st.integers(0, 40), st.integers(1, 50))
def test_every_member_comes_back_whatever_the_blocks(parts: list[bytes], level: int, padding: int, size: int) -> None:
    whole = b"".join(parts)
    if whole.startswith(b"\x1f\x8b"):
        return
    body = b"".join(gzip.compress(part, level, mtime=0) for part in parts) + bytes(padding)
    assert inflate(body, PLENTY) == whole
    assert by_blocks(body, size) == whole


@given(contents, st.data())
def test_every_truncation_is_seen(content: bytes, data: st.DataObject) -> None:
    body = gzip.compress(content, mtime=0)
    cut = data.draw(st.integers(2, len(body) - 1))
    assert reasons(body[:cut]) == {ContentReason.TRUNCATED_GZIP}


@given(contents, st.binary(min_size=1, max_size=20))
def test_what_follows_is_never_swallowed(content: bytes, tail: bytes) -> None:
    body = gzip.compress(content, mtime=0) + tail
    expected = {None} if not tail.strip(b"\x00") else {ContentReason.GZIP_TRAILING_BYTES}
    if tail.lstrip(b"\x00").startswith(b"\x1f\x8b"):
        expected = (
            {ContentReason.TRUNCATED_GZIP}
            if reasons(body) == {ContentReason.TRUNCATED_GZIP}
            else {ContentReason.CORRUPT_GZIP}
        )
    assert reasons(body) == expected


@given(contents, st.data())
def test_a_flipped_bit_never_changes_content_unseen(content: bytes, data: st.DataObject) -> None:
    body = bytearray(gzip.compress(content, mtime=0))
    index = data.draw(st.integers(2, len(body) - 1))
    body[index] ^= 1 << data.draw(st.integers(0, 7))
    try:
        found = inflate(bytes(body), PLENTY)
    except ContentRefused:
        return
    assert found == content


def test_header_fields_are_stepped_over() -> None:
    sink = io.BytesIO()
    with gzip.GzipFile("a name.json", "wb", fileobj=sink, mtime=1) as packer:
        packer.write(b"{}")
    assert inflate(sink.getvalue(), PLENTY) == b"{}"


def test_content_too_large_for_memory_is_read_by_way_of_a_file() -> None:
    # Repetitive enough to be small, varied enough to be no bomb.
    content = b'{"status":"success","data":{"html":"' + random.Random(1).randbytes(5_000_000).hex().encode() + b'"}}'
    assert len(content) > MAX_BYTES_IN_MEMORY
    body = zlib.compress(content, 1, wbits=31)
    reader = ResultReader(ResultOptions())
    with pytest.raises(ContentTooLargeForMemory):
        reader.read(body, "a.json.gz")

    sink = io.BytesIO()
    record = reader.read_file(io.BytesIO(body), sink, "a.json.gz")
    assert record.problem is None
    assert record.inflated
    assert sink.getvalue() == content


def test_a_bomb_is_stopped_early() -> None:
    class Counting(io.BytesIO):
        written = 0

        def write(self, block: object, /) -> int:
            assert isinstance(block, bytes)
            Counting.written += len(block)
            return len(block)

    packer = zlib.compressobj(9, wbits=31)
    block = bytes(1 << 20)
    body = b"".join(packer.compress(block) for _ in range(64)) + packer.flush()
    reader = ResultReader(ResultOptions(validation=Validation.OFF))
    record = reader.read_file(io.BytesIO(body), Counting(), "bomb.gz")

    assert record.problem is not None
    assert record.problem.reason is ContentReason.GZIP_BOMB
    assert not record.inflated
    assert record.size == len(body)
    assert Counting.written < 201 * len(body)
    assert Counting.written < 64 << 20


def test_content_just_below_the_ratio_is_accepted_and_the_ratio_can_be_chosen() -> None:
    content = b'{"status":"' + b"x" * (9 << 20) + b'"}'
    body = gzip.compress(content)
    ratio = len(content) // len(body) + 1
    for accepted, reader in (
        (True, ResultReader(ResultOptions(max_ratio=ratio))),
        (False, ResultReader(ResultOptions(max_ratio=ratio - 1))),
        (False, ResultReader(ResultOptions())),
    ):
        record = reader.read_file(io.BytesIO(body), io.BytesIO(), "a.json")
        reason = None if record.problem is None else record.problem.reason
        assert reason == (None if accepted else ContentReason.GZIP_BOMB)


def test_a_small_file_may_be_as_repetitive_as_it_likes() -> None:
    content = b'{"status":"' + b"x" * (RATIO_FREE_BYTES - 100) + b'"}'
    assert inflate(gzip.compress(content), PLENTY) == content


@pytest.mark.parametrize("compressed", [True, False])
def test_the_bound_on_content_holds_both_ways(compressed: bool) -> None:
    content = b'{"status":"' + b"x" * 5000 + b'"}'
    body = gzip.compress(content) if compressed else content
    exact = ResultReader(ResultOptions(max_content_bytes=len(content)))
    tight = ResultReader(ResultOptions(max_content_bytes=len(content) - 1))
    assert exact.read(body, "a.json").record.problem is None
    assert exact.read_file(io.BytesIO(body), io.BytesIO(), "a.json").problem is None
    for record in (
        tight.read(body, "a.json").record,
        tight.read_file(io.BytesIO(body), io.BytesIO(), "a.json"),
    ):
        assert record.problem is not None
        assert record.problem.reason is ContentReason.TOO_LARGE
        assert record.size == len(body)
