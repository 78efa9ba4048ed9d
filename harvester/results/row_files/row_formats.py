"""The formats of tables: which one content has, and its rows."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO, Final, cast

from harvester.results.gzip_reader import ByteSource
from harvester.results.json_text import text_start
from harvester.results.record import ContentRefused, Shape
from harvester.results.row_batches import BrokenRows, RowBatch, RowCount
from harvester.results.row_files.csv_rows import csv_batches, csv_records
from harvester.results.row_files.json_lines import json_line_batches, line_batch
from harvester.results.row_files.parquet_rows import parquet_batches
from harvester.results.sniff import extension

_WHITE_SPACE: Final = b" \t\r\n"


def table_batches(
    shape: Shape,
    source: ByteSource,
    head: bytes,
    *,
    keep_text: bool,
    max_content_bytes: int,
    max_ratio: int,
    count: RowCount | None = None,
) -> Iterator[RowBatch]:
    """Yield the rows of JSON Lines, CSV or Parquet; landing and reading both take them from here.

    ``head`` is the first bytes, which ``source`` yields too; that of Parquet is seekable. Without ``keep_text`` the
    rows are to be counted only. ``count`` receives the number of values that are not finite. Raises ContentRefused.
    """
    if shape is Shape.PARQUET:
        return parquet_batches(cast("BinaryIO", source), max_content_bytes, max_ratio, count)
    _skip(source, text_start(head))
    if shape is Shape.JSONL:
        return json_line_batches(source, keep_text=keep_text)
    return csv_batches(source, keep_text=keep_text)


def _skip(source: ByteSource, size: int) -> None:
    while size:
        size -= len(source.read(size))


def shape_by_content(text: bytes, key: str) -> Shape | None:
    """Return the shape of a table by the start of its text; None if it is no table.

    JSON Lines start with two lines that are one JSON object each. CSV starts with a header of two or more
    names and a record of as many fields; what is called ``.json`` is never CSV, so that a sentence with
    commas is not.
    """
    if text.lstrip(_WHITE_SPACE)[:1] == b"{":
        return Shape.JSONL if _looks_like_json_lines(text) else None
    return Shape.CSV if extension(key) != "json" and _looks_like_csv(text) else None


def _looks_like_json_lines(text: bytes) -> bool:
    first, _, rest = text.lstrip(_WHITE_SPACE).partition(b"\n")
    second = rest.lstrip(_WHITE_SPACE).partition(b"\n")[0]
    return not any(isinstance(line_batch(line.strip(_WHITE_SPACE)), BrokenRows) for line in (first, second))


def _looks_like_csv(text: bytes) -> bool:
    if text[:1] in b"[<":
        return False
    try:
        records = csv_records(io.BytesIO(text))
        header = next(records)
        return len(header) > 1 and "" not in header and isinstance(next(records), list)
    except (ContentRefused, StopIteration):
        return False
