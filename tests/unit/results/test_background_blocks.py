"""Blocks inflated and written by threads: the same blocks, the same errors, and no thread left."""

from __future__ import annotations

import errno
import gzip
import io
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.results.background_blocks import BlockWriter, read_ahead
from harvester.results.content_stream import ContentStream
from harvester.results.record import ContentReason, ContentRefused

BLOCKS = [b"%d" % number for number in range(9)]


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()} & {"ahead", "write"}


@given(st.lists(st.binary(min_size=1, max_size=3), max_size=9))
def test_every_block_is_read_and_written_in_order(blocks: list[bytes]) -> None:
    sink = io.BytesIO()
    writer = BlockWriter(sink)
    for block in read_ahead(iter(blocks)):
        writer.write(block)
    writer.write(b"")
    writer.flush()

    assert sink.getvalue() == b"".join(blocks)
    writer.close()
    assert threads() == set()


@pytest.mark.parametrize("good", range(6))
def test_an_error_is_raised_where_its_block_would_come(good: int) -> None:
    def failing() -> Iterator[bytes]:
        yield from BLOCKS[:good]
        raise ContentRefused(ContentReason.CORRUPT_GZIP, "here")

    read: list[bytes] = []
    with pytest.raises(ContentRefused):
        read.extend(read_ahead(failing()))

    assert read == BLOCKS[:good]
    assert threads() == set()


def test_a_reader_that_is_left_ends_its_thread() -> None:
    blocks = read_ahead(iter(BLOCKS))
    assert [next(blocks) for _ in range(4)] == BLOCKS[:4]
    assert threads() == {"ahead"}
    blocks.close()
    assert threads() == set()


class FullDisk(io.BytesIO):
    """A file that takes so many blocks."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def write(self, data: object, /) -> int:
        self.room -= 1
        if self.room == -1:
            raise OSError(errno.ENOSPC, "full")
        return super().write(data)  # type: ignore[arg-type]


@pytest.mark.parametrize("room", range(9))
def test_a_full_disk_is_reported_and_nothing_is_written_behind_the_gap(room: int) -> None:
    sink = FullDisk(room)
    writer = BlockWriter(sink)
    with pytest.raises(OSError, match="full"):  # noqa: PT012  # any of them may raise it
        for block in BLOCKS:
            writer.write(block)
        writer.flush()
    writer.close()

    assert sink.getvalue() == b"".join(BLOCKS[:room])
    assert threads() == set()


def test_a_stream_that_is_left_ends_its_threads() -> None:
    content = bytes(range(256)) * 30_000
    sink = io.BytesIO()
    with ContentStream(
        io.BytesIO(gzip.compress(content, 1)), sink, compressed=True, max_content_bytes=1 << 30, max_ratio=1000
    ) as stream:
        read = b"".join(stream.read(1 << 20) for _ in range(6))
        assert threads() == {"ahead", "write"}

    assert threads() == set()
    assert content.startswith(read)
    assert content.startswith(sink.getvalue())
    assert len(read) > 5 << 20
