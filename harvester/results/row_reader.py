"""The results in a landed file, one JSON text each, to the digit as they were written."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from harvester.error_codes import ErrorCode
from harvester.errors import IntegrityError
from harvester.results import row_formats, sniff
from harvester.results.content_stream import ContentStream
from harvester.results.gzip_reader import ByteSource, read_blocks
from harvester.results.json_scanner import Scanner
from harvester.results.record import ContentRefused, Shape
from harvester.results.shapes import shape_of

_HEAD_BYTES: Final = 64
_PEEK_BYTES: Final = 1024**2
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
# Decimals as numbers, to the digit; times as ISO 8601, bytes as base64, and NaN as null.
_PARQUET_ENCODER = msgspec.json.Encoder(decimal_format="number", enc_hook=str)


def rows(path: Path, shape: Shape | None) -> Iterator[bytes]:
    """Yield each result of a landed file as one line of JSON, without its line end.

    An envelope is itself; rows, JSON Lines and jobs documents are their rows; CSV records and Parquet rows
    are objects by column name; media holds none. Broken rows are left out. The file may be gzip; without a
    ``shape`` it is looked for. Memory is bounded by the largest result.

    Raises IntegrityError if the file cannot be read as what it is.
    """
    with path.open("rb") as landed:
        try:
            yield from _rows(landed, path.name, shape)
        except ContentRefused as refused:
            raise IntegrityError(
                f"{path}: cannot be read as {shape or 'a result'}",
                cause=f"{refused.problem.reason}: {refused.problem.detail}",
                code=ErrorCode.FILES_DAMAGED,
                subject=str(path),
            ) from refused


def _rows(landed: BinaryIO, name: str, shape: Shape | None) -> Iterator[bytes]:
    compressed = sniff.is_gzip(landed.read(2))
    landed.seek(0)
    stream = ContentStream(landed, None, compressed=compressed, max_content_bytes=sys.maxsize)
    match shape or _look(stream, name):
        case Shape.MEDIA:
            return
        case Shape.JSONL:
            yield from row_formats.good_json_lines(stream)
        case Shape.CSV:
            yield from _csv_rows(stream)
        case Shape.PARQUET:
            from tempfile import TemporaryFile

            with TemporaryFile() as scratch:
                for block in stream.rest() if compressed else ():
                    scratch.write(block)
                yield from _parquet_rows(scratch if compressed else landed)
        case Shape.ROWS | Shape.JOBS_DOCUMENT:
            yield from _array_rows(stream)
        case _:
            yield _one_line(b"".join(stream.rest()))


def _look(stream: ContentStream, name: str) -> Shape | None:
    """Return the shape of a file landed without validation, by its start; None if that does not decide it."""
    head = stream.peek(_PEEK_BYTES)
    shape = sniff.shape_by_name_and_magic(head[:_HEAD_BYTES], name) or row_formats.shape_by_content(head, name)
    if shape is not None:
        return shape
    scanner = Scanner()
    try:
        scanner.feed(head)
        return shape_of(scanner.skeleton)
    except ContentRefused:
        return None


def _csv_rows(source: ByteSource) -> Iterator[bytes]:
    records = row_formats.csv_records(source)
    header = next(records)
    for record in records:
        if not isinstance(record, str):
            yield json.dumps(dict(zip(header, record, strict=True)), ensure_ascii=False).encode()


def _parquet_rows(source: BinaryIO) -> Iterator[bytes]:
    for batch in row_formats.parquet_batches(source):
        if not isinstance(batch, row_formats.UnreadableRows):
            for row in batch.to_pylist():
                yield _PARQUET_ENCODER.encode(row)


def _array_rows(source: ByteSource) -> Iterator[bytes]:
    scanner = Scanner(keep_rows=True)
    for block in read_blocks(source):
        scanner.feed(block)
        yield from map(_one_line, scanner.take_rows())
    scanner.finish()
    yield from map(_one_line, scanner.take_rows())


def _one_line(text: bytes) -> bytes:
    # Strict JSON holds raw line ends only between tokens.
    return text.translate(None, b"\r\n").strip(b" \t")


def select(row: bytes, path: str) -> bytes | None:
    """Return the text of the value at a dotted path as written, or None if it is absent.

    A step is a key of an object or the index of an array from 0: ``data.parsing.0.price``.
    """
    value = row
    for step in path.split("."):
        found = _step(value, step)
        if found is None:
            return None
        value = found
    return value


def _step(value: bytes, step: str) -> bytes | None:
    try:
        if value.startswith(b"{"):
            found = _OBJECT.decode(value).get(step)
        elif value.startswith(b"[") and step.isdecimal():
            elements = _ARRAY.decode(value)
            found = elements[int(step)] if int(step) < len(elements) else None
        else:
            return None
    except (msgspec.MsgspecError, RecursionError):
        return _patient_step(value.decode(), step)
    return None if found is None else bytes(found)


def _patient_step(text: str, step: str) -> bytes | None:
    """Do what `_step` does for text that fast parsers refuse: lone surrogate escapes."""
    decoder = json.JSONDecoder()
    found = None
    index, number = _skip(text, 1), 0
    while text[index] not in "]}":
        name = str(number)
        if text[0] == "{":
            name, index = decoder.raw_decode(text, index)
            index = _skip(text, _skip(text, index) + 1)
        _, end = decoder.raw_decode(text, index)
        if name == step:
            found = text[index:end].encode()
        index = _skip(text, end)
        if text[index] == ",":
            index = _skip(text, index + 1)
        number += 1
    return found


def _skip(text: str, index: int) -> int:
    while text[index] in " \t\r\n":
        index += 1
    return index
