"""Row formats (JSON Lines, CSV, Parquet): count rows and name the broken ones.

Rows count from 1; the header of a CSV file is not a row.

Everything is read forward, a block or a row at a time.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, BinaryIO, Final, NamedTuple, cast

from harvester.results import fast_path
from harvester.results.gzip_reader import CHUNK_BYTES, ByteSource
from harvester.results.json_scanner import Scanner, scan
from harvester.results.record import ContentReason, ContentRefused, Shape
from harvester.results.row_count import RowCount
from harvester.results.shapes import json_type
from harvester.results.sniff import extension

MAX_CSV_FIELD: Final = 16 * 1024**2
"""The longest field of a CSV file, in characters: all that an unclosed quote may swallow."""
_WHITE_SPACE = b" \t\r\n"
_LONG_LINE: Final = 4 * CHUNK_BYTES
_PARQUET_BATCH_ROWS: Final = 1024


def shape_by_content(head: bytes, key: str) -> Shape | None:
    """Return the shape of a table by its content; None if it is no table.

    JSON Lines start with two lines that are one JSON object each. CSV starts with a header of two or more
    names and a record of as many fields; what is called ``.json`` is never CSV, so that a sentence with
    commas is not.
    """
    if head.lstrip(_WHITE_SPACE)[:1] == b"{":
        return Shape.JSONL if _looks_like_json_lines(head) else None
    return Shape.CSV if extension(key) != "json" and _looks_like_csv(head) else None


def _looks_like_json_lines(head: bytes) -> bool:
    first, _, rest = head.lstrip(_WHITE_SPACE).partition(b"\n")
    second = rest.lstrip(_WHITE_SPACE).partition(b"\n")[0]
    return _row_fault(first) is None and _row_fault(second) is None


def _looks_like_csv(head: bytes) -> bool:
    if head[:1] in b"[<":
        return False
    try:
        records = csv_records(io.BytesIO(head))
        header = next(records)
        return len(header) > 1 and "" not in header and isinstance(next(records), list)
    except (ContentRefused, StopIteration):
        return False


def count_json_lines(source: ByteSource) -> RowCount:
    """Count the rows of JSON Lines; what is no strict JSON object is broken, a blank line is no row."""
    count = RowCount()
    for block in _whole_lines(source):
        if isinstance(block, bytes):
            _count_block(block, count)
        else:
            _count_long_line(block, count)
    return count


def good_json_lines(source: ByteSource) -> Iterator[bytes]:
    """Yield the rows of JSON Lines that are not broken."""
    for block in _whole_lines(source):
        text = block if isinstance(block, bytes) else b"".join(block)
        for line in text.split(b"\n"):
            row = line.strip(_WHITE_SPACE)
            if row and _row_fault(row) is None:
                yield row


def _whole_lines(source: ByteSource) -> Iterator[bytes | Iterator[bytes]]:
    """Yield blocks of whole lines; a line too long for a block is yielded as its parts."""
    pending = b""
    while block := source.read(CHUNK_BYTES):
        end = block.rfind(b"\n") + 1
        if end:
            yield b"".join((pending, memoryview(block)[:end]))
            pending = block[end:]
        else:
            pending += block
        if len(pending) > _LONG_LINE:
            line = _LongLine(pending, source)
            yield iter(line)
            pending = line.rest
    if pending:
        yield pending


class _LongLine:
    """One line, in parts; what was read past its end is the rest."""

    def __init__(self, start: bytes, source: ByteSource) -> None:
        self.start = start
        self.source = source
        self.rest = b""

    def __iter__(self) -> Iterator[bytes]:
        yield self.start
        while block := self.source.read(CHUNK_BYTES):
            line, end, rest = block.partition(b"\n")
            yield line
            if end:
                self.rest = rest
                return


def _count_block(block: bytes, count: RowCount) -> None:
    good = fast_path.count_good_lines(block)
    if good is not None:
        count.good(good)
        return
    for line in block.split(b"\n"):
        row = line.strip(_WHITE_SPACE)
        if not row:
            continue
        fault = _row_fault(row)
        if fault is None:
            count.good()
        else:
            count.bad(fault)


def _row_fault(row: bytes) -> str | None:
    """Return what is wrong with a row, or None."""
    with suppress(UnicodeDecodeError):
        if (row.isascii() or row.decode()) and fast_path.is_row(row):
            return None
    try:
        return _type_fault(scan(row).skeleton)
    except ContentRefused as refused:
        return f"{refused.problem.reason}, {refused.problem.detail}"


def _type_fault(value: Any) -> str | None:
    return None if isinstance(value, dict) else f"{json_type(value)}, expected an object"


def _count_long_line(parts: Iterator[bytes], count: RowCount) -> None:
    scanner = Scanner()
    fault: str | None = None
    try:
        for part in parts:
            scanner.feed(part)
        scanner.finish()
        fault = _type_fault(scanner.skeleton)
    except ContentRefused as refused:
        fault = f"{refused.problem.reason}, {refused.problem.detail}"
    for _ in parts:
        pass
    if fault is None:
        count.good()
    else:
        count.bad(fault)


def csv_records(source: ByteSource) -> Iterator[list[str] | str]:
    """Yield the header, then each record, or in place of a broken one what is wrong with it.

    Blank lines are no records. Raises ContentRefused if there is no header that can name the fields. The source is
    left open.
    """
    csv.field_size_limit(MAX_CSV_FIELD)
    # Bytes that are not UTF-8 come through as surrogates, which no UTF-8 text holds.
    text = io.TextIOWrapper(cast("BinaryIO", source), encoding="utf-8-sig", errors="surrogateescape", newline="")
    try:
        reader = csv.reader(text, strict=True)
        width = 0
        while True:
            try:
                record = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                if not width:
                    raise ContentRefused(ContentReason.UNREADABLE_CSV, f"the header is not CSV: {error}") from error
                yield str(error)
                continue
            if not record:
                continue
            fault = _not_utf8(record)
            if not width:
                width = _header_width(record, fault)
                yield record
            elif len(record) != width:
                yield f"{len(record)} fields, expected {width}"
            else:
                yield fault or record
    finally:
        text.detach()
    if not width:
        raise ContentRefused(ContentReason.UNREADABLE_CSV, "no header")


def _header_width(header: list[str], fault: str | None) -> int:
    if fault:
        raise ContentRefused(ContentReason.NOT_UTF8, "the header of the CSV file is not UTF-8")
    if len(set(header)) != len(header):
        raise ContentRefused(ContentReason.UNREADABLE_CSV, "the header names a field twice")
    return len(header)


def _not_utf8(record: list[str]) -> str | None:
    for value in record:
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                return "not UTF-8"
    return None


def count_csv(source: ByteSource) -> RowCount:
    """Count the records of a CSV file; one of another width than the header is broken. Raises ContentRefused."""
    records = csv_records(source)
    next(records)
    count = RowCount()
    for record in records:
        if isinstance(record, str):
            count.bad(record)
        else:
            count.good()
    return count


class UnreadableRows(NamedTuple):
    """Rows of a Parquet file that cannot be read."""

    rows: int
    """How many."""
    why: str
    """The type of the failure."""


def parquet_batches(source: BinaryIO) -> Iterator[Any | UnreadableRows]:
    """Yield the record batches of a Parquet file, and in place of unreadable ones how many rows they hold.

    Raises ContentRefused if the footer cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    unreadable = (pa.ArrowException, OSError, ValueError)
    try:
        parquet = pq.ParquetFile(source, page_checksum_verification=True)
        groups = [parquet.metadata.row_group(number).num_rows for number in range(parquet.metadata.num_row_groups)]
    except unreadable as error:
        raise ContentRefused(
            ContentReason.UNREADABLE_PARQUET, f"the footer cannot be read ({type(error).__name__})"
        ) from error
    for number, rows in enumerate(groups):
        read = 0
        try:
            for batch in parquet.iter_batches(batch_size=_PARQUET_BATCH_ROWS, row_groups=[number]):
                read += batch.num_rows
                yield batch
        except unreadable as error:
            yield UnreadableRows(rows - read, f"unreadable ({type(error).__name__})")


def count_parquet(source: BinaryIO) -> RowCount:
    """Count the rows, reading each once; those that cannot be read are broken. Raises ContentRefused."""
    count = RowCount()
    for batch in parquet_batches(source):
        if isinstance(batch, UnreadableRows):
            count.bad_range(*batch)
        else:
            count.good(batch.num_rows)
    return count
