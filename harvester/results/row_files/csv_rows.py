"""CSV: a header that names the fields, and records of as many fields; a blank line is no record."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final, cast

from harvester.results.gzip_reader import ByteSource
from harvester.results.record import ContentReason, ContentRefused
from harvester.results.row_batches import BrokenRows, RowBatch

MAX_CSV_FIELD: Final = 16 * 1024**2
"""The longest field of a CSV file, in characters: all that an unclosed quote may swallow."""
_BATCH_RECORDS: Final = 256
_ENCODE: Final = json.JSONEncoder(ensure_ascii=False).encode


def csv_batches(source: ByteSource, *, keep_text: bool) -> Iterator[RowBatch]:
    """Yield the records of a CSV file as objects by field name; one of another width is broken.

    Without ``keep_text`` the records are to be counted only: their texts are empty. Raises ContentRefused without a
    usable header.
    """
    records = csv_records(source)
    header = next(records)
    rows: list[bytes] = []
    for record in records:
        if isinstance(record, list):
            rows.append(_json_row(header, record) if keep_text else b"")
            if len(rows) < _BATCH_RECORDS:
                continue
        if rows:
            yield rows
            rows = []
        if isinstance(record, str):
            yield BrokenRows(1, record)
    if rows:
        yield rows


def _json_row(header: Iterable[str], record: list[str]) -> bytes:
    return _ENCODE(dict(zip(header, record, strict=True))).encode()


def csv_records(source: ByteSource) -> Iterator[list[str] | str]:
    """Yield the header, then each record, or in place of a broken one what is wrong with it.

    Blank lines are no records. Raises ContentRefused without a usable header. The source is left open.
    """
    csv.field_size_limit(MAX_CSV_FIELD)
    # Bytes that are not UTF-8 are decoded to surrogates, which UTF-8 text never holds.
    text = io.TextIOWrapper(cast("BinaryIO", source), encoding="utf-8", errors="surrogateescape", newline="")
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
