"""Blocks inflated and written by threads: the same blocks, the same errors, and no thread left."""

from __future__ import annotations

import errno
import gzip
import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

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


@contextmanager
def without_threads() -> Iterator[None]:
    """Let no thread start: none can have a stack as large as that."""
    size = threading.stack_size(1 << 46)
    try:
        yield
    finally:
        threading.stack_size(size)


class Numbers:
    """An iterator that records which threads use it."""

    def __init__(self, count: int) -> None:
        self.left = count
        self.threads: set[str] = set()

    def __iter__(self) -> Numbers:
        return self

    def __next__(self) -> int:
        self.threads.add(threading.current_thread().name)
        if not self.left:
            raise StopIteration
        self.left -= 1
        return self.left


@pytest.mark.parametrize(("items", "ahead"), [(0, False), (1, False), (2, True), (5, True)])
def test_only_a_long_input_needs_a_thread(items: int, ahead: bool) -> None:
    numbers = Numbers(items)

    assert list(read_ahead(numbers)) == list(reversed(range(items)))
    assert numbers.threads - {threading.current_thread().name} == ({"ahead"} if ahead else set())


def test_only_a_long_output_needs_a_thread() -> None:
    writer = BlockWriter(io.BytesIO())
    for block in BLOCKS[:2]:
        writer.write(block)
    assert threads() == set()
    writer.write(BLOCKS[2])
    assert threads() == {"write"}
    writer.close()


def test_where_the_system_gives_no_thread_everything_is_done_without() -> None:
    sink = io.BytesIO()
    writer = BlockWriter(sink)
    with without_threads():
        for block in read_ahead(iter(BLOCKS)):
            writer.write(block)
    writer.flush()
    writer.close()

    assert sink.getvalue() == b"".join(BLOCKS)


def test_few_blocks_wait_to_be_written() -> None:
    waiting: list[int] = []

    class SlowSink(io.BytesIO):
        def write(self, data: object, /) -> int:
            time.sleep(0.005)
            waiting.append(handed_over - len(waiting))
            return super().write(data)  # type: ignore[arg-type]

    writer = BlockWriter(SlowSink())
    for handed_over, block in enumerate(BLOCKS * 3, 1):  # noqa: B007  # read by the sink
        writer.write(block)
    writer.flush()
    writer.close()

    assert max(waiting) <= 4


def test_what_is_flushed_is_in_the_file_below() -> None:
    below = io.BytesIO()
    writer = BlockWriter(io.BufferedWriter(below))
    writer.write(BLOCKS[0])
    writer.flush()

    assert below.getvalue() == BLOCKS[0]


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


@pytest.mark.parametrize("missing", [1, 2, 3])
def test_a_disk_that_is_full_at_the_end_of_a_stream_is_reported(missing: int) -> None:
    delivered = gzip.compress(bytes(range(256)) * 150_000, 1)

    def drain(sink: io.BytesIO) -> None:
        with ContentStream(
            io.BytesIO(delivered), sink, compressed=True, max_content_bytes=1 << 30, max_ratio=1000
        ) as stream:
            stream.drain()

    endless = FullDisk(1000)
    drain(endless)
    with pytest.raises(OSError, match="full"):
        drain(FullDisk(1000 - endless.room - missing))


def test_a_stream_that_is_left_ends_its_threads() -> None:
    content = bytes(range(256)) * 150_000
    sink = io.BytesIO()
    with ContentStream(
        io.BytesIO(gzip.compress(content, 1)), sink, compressed=True, max_content_bytes=1 << 30, max_ratio=1000
    ) as stream:
        read = b"".join(stream.read(1 << 20) for _ in range(20))
        assert threads() == {"ahead", "write"}

    assert threads() == set()
    assert content.startswith(read)
    assert content.startswith(sink.getvalue())
    assert len(read) > 19 << 20
