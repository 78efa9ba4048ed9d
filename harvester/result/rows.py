"""The results in a landed file, one JSON text each, to the digit as they were written."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from harvester.result import sniff, tables
from harvester.result.inflate import inflate_file
from harvester.result.record import DEFAULT_MAX_CONTENT_BYTES, Shape


def rows(path: Path, shape: Shape) -> Iterator[bytes]:
    """Yield each result of a landed file as one line of JSON, without its line end.

    An envelope is itself; rows, JSON Lines and jobs documents are their rows; CSV records and Parquet rows are objects
    by column name; media holds none. The file may be gzip.
    """
    with path.open("rb") as landed:
        head = landed.read(2)
        landed.seek(0)
        source: BinaryIO = landed
        if sniff.is_gzip(head):
            source = io.BytesIO(b"".join(inflate_file(landed, DEFAULT_MAX_CONTENT_BYTES)))
        yield from _rows(source, shape)


def _rows(source: BinaryIO, shape: Shape) -> Iterator[bytes]:
    match shape:
        case Shape.MEDIA:
            return
        case Shape.JSONL:
            yield from tables.json_lines(source)
        case Shape.CSV:
            records = tables.csv_records(source)
            header = next(records)
            for record in records:
                yield json.dumps(dict(zip(header, record, strict=False)), ensure_ascii=False).encode()
        case Shape.PARQUET:
            yield from _parquet_rows(source)
        case Shape.ROWS:
            for row in msgspec.json.decode(source.read(), type=list[msgspec.Raw]):
                yield _one_line(bytes(row))
        case Shape.JOBS_DOCUMENT:
            document = msgspec.json.decode(source.read(), type=dict[str, msgspec.Raw])
            for row in msgspec.json.decode(document["files"], type=list[msgspec.Raw]):
                yield _one_line(bytes(row))
        case _:
            yield _one_line(source.read())


def select(row: bytes, path: str) -> bytes | None:
    """Return the text of the value at a dotted path (``data.parsing.0.price``) as written, or None if it is absent."""
    value: bytes | msgspec.Raw = row
    for step in path.split("."):
        head = bytes(memoryview(value)[:1])
        if head == b"{":
            found = msgspec.json.decode(value, type=dict[str, msgspec.Raw]).get(step)
        elif head == b"[" and step.isdecimal():
            items = msgspec.json.decode(value, type=list[msgspec.Raw])
            found = items[int(step)] if int(step) < len(items) else None
        else:
            return None
        if found is None:
            return None
        value = found
    return bytes(value)


def _one_line(text: bytes) -> bytes:
    # Strict JSON holds raw line ends only between tokens.
    return text.translate(None, b"\r\n").strip(b" \t")


def _parquet_rows(source: BinaryIO) -> Iterator[bytes]:
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(source).iter_batches():
        for row in batch.to_pylist():
            yield json.dumps(row, ensure_ascii=False, default=str).encode()
