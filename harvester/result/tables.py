"""Files of many rows: which rows are broken, by number. Rows are counted from 1; a CSV's header is no row."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from harvester.result import strict
from harvester.result.record import Problem, Reason, Refused
from harvester.result.shapes import json_type

NAMED_ROWS = 10
"""How many broken rows a detail names."""
MAX_ROW_BYTES = 64 * 1024**2
"""The longest row; a longer one is broken."""
MAX_CSV_FIELD = 2**31 - 1


@dataclass(slots=True)
class RowCount:
    """Rows seen so far, and the broken ones among them."""

    rows: int = 0
    """Rows, broken ones included."""
    broken: int = 0
    """Broken rows."""
    first: list[str] = field(default_factory=list)
    """The first few broken rows, each with its reason."""

    def good(self, count: int = 1) -> None:
        """Count good rows."""
        self.rows += count

    def bad(self, why: str) -> None:
        """Count one broken row."""
        self.rows += 1
        self.broken += 1
        if len(self.first) < NAMED_ROWS:
            self.first.append(f"row {self.rows}: {why}")

    def problem(self) -> Problem | None:
        """Return what to report, if any row is broken."""
        if not self.broken:
            return None
        more = f"; and {self.broken - len(self.first)} more" if self.broken > len(self.first) else ""
        return Problem(
            Reason.BROKEN_ROWS,
            f"{self.broken} of {self.rows} rows broken: {'; '.join(self.first)}{more}",
            quarantine=False,
        )


def count_rows(values: Iterable[Any]) -> RowCount:
    """Count the elements of a parsed array; one that is no object is broken."""
    count = RowCount()
    for value in values:
        if isinstance(value, dict):
            count.good()
        else:
            count.bad(f"{json_type(value)}, expected an object")
    return count


def json_lines(source: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the rows of JSON Lines: lines without their ends, blank ones left out."""
    for line in source:
        if row := line.strip(b" \t\r\n"):
            yield row


def count_json_lines(source: Iterable[bytes]) -> RowCount:
    """Count the rows of JSON Lines; one that is not a strict JSON object is broken."""
    count = RowCount()
    for row in json_lines(source):
        try:
            value = strict.parse(row)
        except Refused as refused:
            count.bad(f"{refused.problem.reason}, {refused.problem.detail}")
            continue
        if isinstance(value, dict):
            count.good()
        else:
            count.bad(f"{json_type(value)}, expected an object")
    return count


def csv_records(source: BinaryIO) -> Iterator[list[str]]:
    """Yield the header and the records of a CSV file, blank lines left out. Raises Refused if it cannot be read."""
    csv.field_size_limit(MAX_CSV_FIELD)
    text = io.TextIOWrapper(source, encoding="utf-8-sig", newline="")
    try:
        for record in csv.reader(text, strict=True):
            if record:
                yield record
    except UnicodeDecodeError as error:
        raise Refused(Reason.NOT_UTF8, f"invalid UTF-8 near byte {error.start}") from error
    except csv.Error as error:
        raise Refused(Reason.UNREADABLE_CSV, f"not CSV: {error}") from error
    finally:
        text.detach()


def count_csv(source: BinaryIO) -> RowCount:
    """Count the records of a CSV file; one of another width than the header is broken. Raises Refused."""
    records = csv_records(source)
    header = next(records, None)
    if header is None:
        raise Refused(Reason.UNREADABLE_CSV, "no header")
    if len(set(header)) != len(header):
        raise Refused(Reason.UNREADABLE_CSV, "the header names a field twice")
    count = RowCount()
    for record in records:
        if len(record) == len(header):
            count.good()
        else:
            count.bad(f"{len(record)} fields, expected {len(header)}")
    return count


def count_parquet(source: BinaryIO) -> RowCount:
    """Count the rows by the footer. Raises Refused if it cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        footer = pq.ParquetFile(source).metadata
    except (pa.ArrowException, OSError, ValueError) as error:
        raise Refused(
            Reason.UNREADABLE_PARQUET, f"the footer cannot be read ({type(error).__name__})"
        ) from error
    return RowCount(rows=footer.num_rows)
