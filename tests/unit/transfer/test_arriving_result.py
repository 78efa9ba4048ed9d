"""An object decoded while it arrives: what is found is what reading the whole file finds."""

from __future__ import annotations

import gzip
import io
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.destination.paths import TEMPORARY
from harvester.destination.writer import DestinationWriter
from harvester.results.record import ContentReason, ResultRecord
from harvester.results.result_options import ResultOptions
from harvester.results.result_reader import ResultReader
from harvester.transfer.workers.arriving_file import ArrivalAbandonedError, ArrivingFile
from harvester.transfer.workers.arriving_result import ArrivingResult
from scripts.commands.background_command import wait_until

READER = ResultReader(ResultOptions(max_content_bytes=12 * 1024**2))
ROW = b'{"name":"%d","text":"caf\xc3\xa9"}\n'
ROWS = b"".join(ROW % number for number in range(120_000))
PACKED = gzip.compress(ROWS, 1, mtime=0)
BODIES = {
    "rows.jsonl.gz": PACKED,
    "rows.jsonl": ROWS,
    "members.jsonl.gz": b"".join(
        gzip.compress(ROWS[start : start + 700_001], 1) for start in range(0, len(ROWS), 700_001)
    ),
    "broken-rows.jsonl.gz": gzip.compress(ROWS + b"{\n" + ROWS, 1),
    "truncated.jsonl.gz": PACKED[:-5],
    "trailing.jsonl.gz": PACKED + b"more",
    "padded.jsonl.gz": PACKED + bytes(512),
    "damaged.jsonl.gz": PACKED[:70_000] + b"\xff\xff\xff" + PACKED[70_003:],
    "nested.jsonl.gz": gzip.compress(PACKED, 1),
    "bomb.jsonl.gz": gzip.compress(bytes(11 * 1024**2), 9),
    "too-large.jsonl.gz": gzip.compress(ROWS * 4, 1),
    "document.json.gz": gzip.compress(b'{"status":"success","data":{"html":"%b"}}' % (b"page " * 2_000_000), 1),
    "cut.json": b'{"status":"success","data":{"html":"' + b"page " * 100_000,
    "empty.jsonl": b"",
}
WANTED_REASONS = {
    "truncated.jsonl.gz": ContentReason.TRUNCATED_GZIP,
    "trailing.jsonl.gz": ContentReason.GZIP_TRAILING_BYTES,
    "damaged.jsonl.gz": ContentReason.CORRUPT_GZIP,
    "nested.jsonl.gz": ContentReason.NESTED_GZIP,
    "bomb.jsonl.gz": ContentReason.GZIP_BOMB,
    "too-large.jsonl.gz": ContentReason.TOO_LARGE,
    "broken-rows.jsonl.gz": ContentReason.BROKEN_ROWS,
}


class Arriving:
    """One object on its way into a destination."""

    def __init__(self, root: Path, key: str, file: IO[bytes], show_progress: Callable[[], None]) -> None:
        (root / TEMPORARY).mkdir(parents=True, exist_ok=True)
        self.root = root
        self.ended = threading.Event()
        self.result = ArrivingResult(key, READER, DestinationWriter(str(root), "worker"), show_progress, self.ended.set)
        self.file = file

    def begin(self) -> None:
        self.result.began(self.file.fileno())

    def receive(self, data: bytes) -> None:
        self.file.write(data)
        self.file.flush()
        self.result.grown(self.file.tell())

    def temporary(self) -> list[Path]:
        return list((self.root / TEMPORARY).iterdir())


def lowest_free_descriptor() -> int:
    with open(os.devnull, "rb") as file:  # noqa: PTH123  # as everything opens files
        return file.fileno()


Start: TypeAlias = Callable[..., Arriving]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as files:
        yield lambda key, show_progress=lambda: None: Arriving(
            tmp_path, key, files.enter_context(tempfile.TemporaryFile()), show_progress
        )


def whole(body: bytes, key: str) -> tuple[ResultRecord, bytes]:
    sink = io.BytesIO()
    record = READER.read_file(io.BytesIO(body), sink, key)
    return record, sink.getvalue()


@pytest.mark.parametrize("key", BODIES)
@pytest.mark.parametrize("step", [60_000, 5_000_000])
def test_what_is_found_is_that_of_the_whole_file(tmp_path: Path, start: Start, key: str, step: int) -> None:
    body = BODIES[key]
    arriving = start(key)
    arriving.begin()
    for place in range(0, len(body), step):
        arriving.receive(body[place : place + step])
    assert arriving.result.arrived()
    assert arriving.ended.wait(60)

    decoded = arriving.result.decoded()

    record, content = whole(body, key)
    assert decoded.record == record
    reason = record.problem.reason if record.problem is not None else None
    assert key not in WANTED_REASONS or reason is WANTED_REASONS[key]
    if record.inflated:
        assert (tmp_path / TEMPORARY / decoded.name).read_bytes() == content


@pytest.mark.parametrize("received", [0, 10, 1_500_000])
def test_what_is_given_up_ends_and_leaves_no_file(start: Start, received: int) -> None:
    arriving = start("rows.jsonl")
    arriving.begin()
    arriving.receive(ROWS[:received])

    arriving.result.abandoned()

    assert arriving.ended.wait(60)
    assert arriving.result.is_abandoned
    with pytest.raises(ArrivalAbandonedError):
        arriving.result.decoded()
    arriving.result.close()
    assert arriving.temporary() == []


def test_another_version_is_not_decoded_into_the_first(start: Start) -> None:
    arriving = start("rows.jsonl")
    arriving.begin()
    arriving.receive(ROWS[:100_000])
    arriving.result.abandoned()
    with tempfile.TemporaryFile() as second:
        arriving.result.began(second.fileno())
    arriving.receive(ROWS)

    assert not arriving.result.arrived()
    arriving.result.close()
    assert arriving.temporary() == []


def test_what_is_closed_on_its_way_ends_first(start: Start) -> None:
    arriving = start("rows.jsonl", lambda: time.sleep(0.2))
    arriving.begin()
    arriving.receive(ROWS[:100_000])
    closing = threading.Thread(target=arriving.result.close)
    closing.start()
    closing.join(60)

    assert arriving.result.has_ended
    assert arriving.temporary() == []


def test_what_never_began_is_not_awaited(start: Start) -> None:
    arriving = start("rows.jsonl")
    assert not arriving.result.has_begun
    assert not arriving.result.is_decoding
    assert not arriving.result.arrived()


def test_a_destination_that_takes_no_file_leaves_it_to_what_follows(tmp_path: Path, start: Start) -> None:
    arriving = start("rows.jsonl")
    (tmp_path / TEMPORARY).rename(tmp_path / "moved")
    (tmp_path / "moved").rmdir()
    free = lowest_free_descriptor()
    arriving.begin()

    assert not arriving.result.has_begun
    assert lowest_free_descriptor() == free
    arriving.receive(ROWS)
    assert not arriving.result.arrived()


def test_a_system_that_gives_no_thread_leaves_it_to_what_follows(start: Start) -> None:
    arriving = start("rows.jsonl")
    free = lowest_free_descriptor()
    size = threading.stack_size(1 << 46)
    try:
        arriving.begin()
    finally:
        threading.stack_size(size)

    assert not arriving.result.has_begun
    assert arriving.temporary() == []
    assert lowest_free_descriptor() == free
    arriving.receive(ROWS)
    assert not arriving.result.arrived()


def test_no_descriptor_is_left(start: Start) -> None:
    arriving = start("rows.jsonl")
    free = lowest_free_descriptor()
    arriving.begin()
    arriving.receive(ROWS)
    assert arriving.result.arrived()
    assert arriving.ended.wait(60)
    arriving.result.close()

    assert lowest_free_descriptor() == free


def test_it_is_decoding_unless_it_waits_for_bytes(start: Start) -> None:
    reading, go_on = threading.Event(), threading.Event()

    def show_progress() -> None:
        reading.set()
        go_on.wait(60)

    arriving = start("rows.jsonl", show_progress)
    arriving.begin()
    assert reading.wait(60)
    assert arriving.result.is_decoding

    go_on.set()
    wait_until(lambda: not arriving.result.is_decoding, "it waits for bytes")
    assert not arriving.result.has_ended

    go_on.clear()
    reading.clear()
    arriving.receive(ROWS)
    assert arriving.result.arrived()
    assert reading.wait(60)
    assert arriving.result.is_decoding

    go_on.set()
    assert arriving.ended.wait(60)
    assert not arriving.result.is_decoding


@pytest.mark.parametrize("whence", [os.SEEK_SET, os.SEEK_END])
def test_no_progress_is_shown_by_waiting(whence: int) -> None:
    progress: list[None] = []
    with tempfile.TemporaryFile() as spool, ArrivingFile(spool.fileno(), lambda: progress.append(None)) as file:
        spool.write(b"content")
        spool.flush()
        read: list[bytes] = []

        def work() -> None:
            if whence == os.SEEK_END:
                file.seek(0, whence)
            else:
                read.append(file.read(7))

        reader = threading.Thread(target=work)
        reader.start()
        wait_until(lambda: file.is_awaited, "it waits for bytes")
        file.grow(3)
        awaited = [file.is_awaited]
        file.grow(7)
        if whence == os.SEEK_END:
            file.end()
        reader.join(60)

        assert [*awaited, file.is_awaited] == [True, False]
        assert progress == [None]
        assert read == ([] if whence == os.SEEK_END else [b"content"])


@settings(max_examples=60)
@given(st.binary(max_size=300), st.lists(st.integers(1, 90), max_size=12), st.lists(st.integers(1, 90), min_size=1))
def test_a_file_is_read_as_far_as_it_has_arrived(content: bytes, pieces: list[int], reads: list[int]) -> None:
    progress: list[None] = []
    with tempfile.TemporaryFile() as spool, ArrivingFile(spool.fileno(), lambda: progress.append(None)) as file:

        def write() -> None:
            place = 0
            for size in [*pieces, len(content)]:
                os.write(spool.fileno(), content[place : place + size])
                place = min(len(content), place + size)
                file.grow(place)
            file.end()

        writer = threading.Thread(target=write)
        writer.start()
        read = b""
        while block := file.read(reads[len(read) % len(reads)]):
            read += block
        writer.join()
        assert read == content
        assert file.seek(-min(3, len(content)), os.SEEK_END) == max(0, len(content) - 3)
        assert file.read(3) == content[-3:]
        assert progress
