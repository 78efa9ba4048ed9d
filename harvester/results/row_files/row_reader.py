"""The rows of a landed file, one JSON text each, numbers to the digit as they were written."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from harvester.error_codes import ErrorCode
from harvester.errors import IntegrityError
from harvester.results import sniff
from harvester.results.content_stream import ContentStream
from harvester.results.gzip_reader import read_blocks
from harvester.results.json_text import Scanner, fast_path, text_start
from harvester.results.record import ContentRefused, Shape
from harvester.results.row_batches import BrokenRows, RowBatch, RowCount
from harvester.results.row_files.row_formats import shape_by_content, table_batches
from harvester.results.shapes import shape_of

_HEAD_BYTES: Final = 64
_PEEK_BYTES: Final = 1024**2


class NumberedRow(NamedTuple):
    """A row of an object, or consecutive broken ones."""

    number: int
    """From 0 within the object; broken rows keep their numbers, blank lines have none."""
    row: bytes | BrokenRows
    """The JSON text on one line without its line end, or how many rows from ``number`` on are broken and why."""


def numbered_rows(path: Path, shape: Shape | None, count: RowCount | None = None) -> Iterator[NumberedRow]:
    """Yield each row of a landed file with its number.

    An envelope is one row; rows, JSON Lines and jobs documents are their rows; CSV records and Parquet rows
    are objects by column name; media holds none. The file may be gzip; without a ``shape`` it is
    detected. Memory is bounded by the largest row. ``count`` receives the number of values that are not finite.

    Raises IntegrityError if the file cannot be read as its shape, and OSError if the disk fails.
    """
    number = 0
    with path.open("rb") as landed:
        try:
            for batch in _batches(landed, path.name, shape, count):
                if isinstance(batch, BrokenRows):
                    yield NumberedRow(number, batch)
                    number += batch.rows
                else:
                    for text in batch:
                        yield NumberedRow(number, text)
                        number += 1
        except ContentRefused as refused:
            raise IntegrityError(
                f"{path}: cannot be read as {shape or 'a result'}",
                cause=f"{refused.problem.reason}: {refused.problem.detail}",
                code=ErrorCode.FILES_DAMAGED,
                subject=str(path),
            ) from refused


def _batches(landed: BinaryIO, name: str, shape: Shape | None, count: RowCount | None) -> Iterator[RowBatch]:
    compressed = sniff.is_gzip(landed.read(2))
    landed.seek(0)
    stream = ContentStream(landed, None, compressed=compressed, max_content_bytes=sys.maxsize, max_ratio=sys.maxsize)
    head = stream.peek(_HEAD_BYTES)
    match shape or _detect(stream, name):
        case Shape.MEDIA:
            return
        case Shape.JSONL | Shape.CSV as table:
            yield from table_batches(
                table, stream, head, keep_text=True, max_content_bytes=sys.maxsize, max_ratio=sys.maxsize
            )
        case Shape.PARQUET as table:
            from tempfile import TemporaryFile

            with TemporaryFile() as scratch:
                for block in stream.rest() if compressed else ():
                    scratch.write(block)
                source = scratch if compressed else landed
                yield from table_batches(
                    table,
                    source,
                    head,
                    keep_text=True,
                    count=count,
                    max_content_bytes=sys.maxsize,
                    max_ratio=sys.maxsize,
                )
        case Shape.ROWS | Shape.JOBS_DOCUMENT:
            yield from _array_batches(stream)
        case _:
            text = b"".join(stream.rest())
            yield [_one_line(text[text_start(text) :])]


def _detect(stream: ContentStream, name: str) -> Shape | None:
    """Return the shape of a file landed without validation, by its start; None if that does not decide it."""
    head = stream.peek(_PEEK_BYTES)
    shape = sniff.shape_by_magic_and_name(head[:_HEAD_BYTES], name)
    if shape is not None:
        return shape
    scanner = Scanner()
    try:
        text = head[text_start(head) :]
        shape = shape_by_content(text, name)
        if shape is not None:
            return shape
        scanner.feed(text)
        return shape_of(scanner.skeleton)
    except ContentRefused:
        return None


def _array_batches(stream: ContentStream) -> Iterator[RowBatch]:
    head = stream.peek(fast_path.MAX_ARRAY_BYTES + 1)
    start = text_start(head)
    if len(head) <= fast_path.MAX_ARRAY_BYTES:
        rows = fast_path.array_rows(head[start:] if start else head)
        if rows is not None:
            yield list(map(_one_line, rows))
            return
    scanner = Scanner(keep_rows=True, start=start)
    for number, block in enumerate(read_blocks(stream)):
        scanner.feed(block if number else block[start:])
        yield from map(_one_line_batch, scanner.take_rows())
    scanner.finish()
    yield from map(_one_line_batch, scanner.take_rows())


def _one_line_batch(batch: RowBatch) -> RowBatch:
    return batch if isinstance(batch, BrokenRows) else list(map(_one_line, batch))


def _one_line(text: bytes) -> bytes:
    # Strict JSON holds raw line ends only between tokens.
    return text.translate(None, b"\r\n").strip(b" \t")
