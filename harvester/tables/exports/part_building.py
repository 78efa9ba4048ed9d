"""Build the part that follows a position: from whole objects, up to a size or up to a claimed end."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple

from harvester.errors import IntegrityError
from harvester.tables.exports.layout import Layout
from harvester.tables.exports.part_names import BEGINNING
from harvester.tables.exports.part_writers import JsonLinesPart, ParquetPart, PartWriter
from harvester.tables.row_source import SourceObject
from harvester.tables.table_columns import PURGED, TableName
from harvester.tables.typed_columns import TypedValues

_NAMED: Final = 10


@dataclass(slots=True)
class PartCounts:
    """What went into a part, and what did not."""

    rows: int = 0
    """Rows written, tombstones included."""
    objects: int = 0
    """Objects with rows written."""
    oversized: int = 0
    """Rows longer than the limit, which are not written."""
    oversized_rows: list[str] = field(default_factory=list)
    """The first of them: key and row number."""
    misfits: dict[str, int] = field(default_factory=dict)
    """By typed column, values that did not fit and are NULL."""


class BuiltPart(NamedTuple):
    """A part in a local file, not published yet."""

    file: Path
    """The file."""
    day: str
    """The UTC day on which its rows landed."""
    last: str
    """The position of its end."""
    counts: PartCounts
    """What it holds."""


class UnreadableObject(Exception):
    """An object cannot be read back; nothing of the part that was being built counts."""

    def __init__(self, found: SourceObject) -> None:
        """Take the object."""
        super().__init__(found.path)
        self.object = found


class PartLimits(NamedTuple):
    """When a part ends, and which rows are left out."""

    part_bytes: int
    """A part is complete when its file has this many bytes; a larger object has a part to itself."""
    value_bytes: int
    """A row with more bytes is not written."""


def landed_day(moment: float) -> str:
    """Return the UTC day of a moment in seconds since the epoch."""
    return dt.datetime.fromtimestamp(moment, dt.UTC).date().isoformat()


def row_after(position: str, found: SourceObject) -> int:
    """Return the number of the last row of an object that a position has passed; -1 for none."""
    row = position.rpartition("-")[2]
    return int(row) if position != BEGINNING and position[: -len(row)] == found.end[:-3] and row != "end" else -1


class PartBuilder:
    """Builds the parts of one table."""

    def __init__(self, table: TableName, layout: Layout, limits: PartLimits) -> None:
        """Take what all parts have in common."""
        self._table = table
        self._layout = layout
        self._limits = limits

    def next_part(
        self, objects: Iterator[SourceObject], start: str, file: Path
    ) -> tuple[BuiltPart | None, SourceObject | None]:
        """Build a part of the next objects; return it, and an object that was taken but belongs to the next.

        None without further objects. Raises UnreadableObject.
        """
        first = next(objects, None)
        if first is None:
            return None, None
        day = landed_day(first.facts.landed_at)
        part, last, left = _OpenPart(self._table, self._layout, self._limits, file), first, None
        try:
            for found in chain((first,), objects):
                if found is not first and (
                    landed_day(found.facts.landed_at) != day or found.size >= self._limits.part_bytes
                ):
                    left = found
                    break
                part.add(found, start)
                last = found
                if found.size >= self._limits.part_bytes or part.written() >= self._limits.part_bytes:
                    break
            return BuiltPart(file, day, last.end, part.close()), left
        except BaseException:
            part.abandon()
            raise

    def claimed_part(self, objects: Iterator[SourceObject], start: str, last: str, day: str, file: Path) -> BuiltPart:
        """Build the part that ends at a claimed position, whatever its size; empty if its rows were replaced since.

        Raises UnreadableObject.
        """
        part = _OpenPart(self._table, self._layout, self._limits, file)
        try:
            for found in objects:
                if found.end > last:
                    break
                part.add(found, start)
            return BuiltPart(file, day, last, part.close())
        except BaseException:
            part.abandon()
            raise


class _OpenPart:
    """A part that is being written."""

    def __init__(self, table: TableName, layout: Layout, limits: PartLimits, file: Path) -> None:
        self._limits = limits
        self._file = file
        self._typed = TypedValues(layout.typed)
        self._counts = PartCounts()
        self._writer: PartWriter
        if layout.format in ("parquet", "delta"):
            self._writer = ParquetPart(file, table, layout.dropped, self._typed, plain=layout.format == "delta")
        else:
            compression = "zstd" if layout.format.endswith("zst") else "gzip"
            self._writer = JsonLinesPart(file, table, layout.dropped, self._typed, compression)

    def add(self, found: SourceObject, start: str) -> None:
        """Add the rows of an object that follow ``start``. Raises UnreadableObject."""
        counts, facts, writer = self._counts, found.facts, self._writer
        writer.begin(facts, found.end[:-3])
        if facts.source == PURGED:
            writer.add_mark()
            counts.rows += 1
            return
        passed, before, longest, add = row_after(start, found), counts.rows, self._limits.value_bytes, writer.add
        try:
            for number, text in found.rows():
                if number <= passed:
                    continue
                if len(text) > longest:
                    self._note_oversized(f"{facts.key} row {number}")
                    continue
                add(number, text)
                counts.rows += 1
        except IntegrityError as error:
            # What the file system or the manifest refuses for now ends the export: these rows would never come again.
            raise UnreadableObject(found) from error
        counts.objects += 1
        if counts.rows == before and passed < 0:
            # An object without rows takes the place of an older version all the same.
            writer.add_mark()

    def _note_oversized(self, row: str) -> None:
        self._counts.oversized += 1
        if len(self._counts.oversized_rows) < _NAMED:
            self._counts.oversized_rows.append(row)

    def written(self) -> int:
        return self._writer.written()

    def close(self) -> PartCounts:
        self._writer.close()
        self._counts.misfits = self._typed.misfits
        return self._counts

    def abandon(self) -> None:
        self._file.unlink(missing_ok=True)
