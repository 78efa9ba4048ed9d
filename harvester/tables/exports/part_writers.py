"""Writers of parts: Parquet, and compressed JSON Lines. Memory is bounded by one row group."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from harvester.tables.table_columns import JSON_COLUMNS, OBJECT_COLUMNS, ROW_COLUMNS, ObjectFacts, RowFields
from harvester.tables.typed_columns import TypedColumn, arrow_type
from harvester.text import rfc3339

_GROUP_ROWS: Final = 16 * 1024
_GROUP_BYTES: Final = 16 * 1024**2
# What a row takes beside its long fields.
_ROW_BYTES: Final = 200
_ENCODE: Final = msgspec.json.Encoder(decimal_format="number").encode
TIME_COLUMNS: Final = ("landed_at", "delivered_at")
"""Columns that are timestamps."""
_BUFFER_BYTES: Final = 1024**2
_FIRST_SECOND: Final = -62_135_596_800.0
_LAST_SECOND: Final = 253_402_300_799.0


class PartWriter(Protocol):
    """Writes the rows of one part to a file."""

    def begin(self, facts: ObjectFacts) -> None:
        """Begin an object; the rows that follow are its rows."""

    def add(self, position: str, number: int | None, fields: RowFields, typed: Sequence[Any]) -> None:
        """Add a row of the object that was begun last, with the values of the typed columns."""

    def written(self) -> int:
        """Return about how many bytes the file has."""

    def close(self) -> None:
        """Complete the file, durably."""


class ParquetPart:
    """A Parquet file compressed with zstd. Rows are gathered by column, what they share by object."""

    def __init__(self, path: Path, dropped: Sequence[str], typed: Sequence[TypedColumn]) -> None:
        """Create the file."""
        import pyarrow.parquet as pq

        self._path = path
        self._schema = part_schema(dropped, typed)
        self._typed_names = [column.name for column in typed]
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")
        self._objects: list[tuple[ObjectFacts, int]] = []
        """Objects of the row group, each with the number of the row that it begins at."""
        self._positions: list[str] = []
        self._numbers: list[int | None] = []
        self._fields: list[RowFields] = []
        self._typed: list[Sequence[Any]] = []
        self._bytes = 0
        self._ratio = 1.0
        self._added = 0

    def begin(self, facts: ObjectFacts) -> None:
        """Begin an object."""
        self._objects.append((facts, len(self._positions)))

    def add(self, position: str, number: int | None, fields: RowFields, typed: Sequence[Any]) -> None:
        """Add a row; a full row group is written."""
        self._positions.append(position)
        self._numbers.append(number)
        self._fields.append(fields)
        self._typed.append(typed)
        self._bytes += fields.size + _ROW_BYTES
        if len(self._positions) >= _GROUP_ROWS or self._bytes >= _GROUP_BYTES:
            self._flush()

    def written(self) -> int:
        """Return the bytes in the file, and an estimate of what is not written yet."""
        return self._path.stat().st_size + int(self._bytes * self._ratio)

    def close(self) -> None:
        """Write the last row group and the footer."""
        self._flush()
        self._writer.close()
        sync_file(self._path)

    def _flush(self) -> None:
        import pyarrow as pa

        rows = len(self._positions)
        if not rows:
            return
        columns: dict[str, Sequence[Any]] = {"position": self._positions, "row_index": self._numbers}
        columns.update(zip(OBJECT_COLUMNS, self._shared(rows), strict=True))
        columns.update(zip(RowFields._fields, zip(*self._fields, strict=True), strict=True))
        columns.update(zip(self._typed_names, zip(*self._typed, strict=True), strict=False))
        arrays = [_array(field, columns[field.name]) for field in self._schema]
        self._writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        self._added += self._bytes
        self._ratio = min(1.0, self._path.stat().st_size / self._added)
        # The last object goes on in the next row group.
        self._objects = [(self._objects[-1][0], 0)]
        self._positions, self._numbers, self._fields, self._typed, self._bytes = [], [], [], [], 0

    def _shared(self, rows: int) -> Iterator[list[Any]]:
        """Yield the columns that all rows of an object share."""
        begins = [begin for _, begin in self._objects]
        counts = [end - begin for begin, end in zip(begins, [*begins[1:], rows], strict=True)]
        for name, values in zip(OBJECT_COLUMNS, zip(*(facts for facts, _ in self._objects), strict=True), strict=True):
            shared = map(timestamp, values) if name in TIME_COLUMNS else values
            yield list(chain.from_iterable(map(repeat, shared, counts)))


def timestamp(seconds: float | None) -> int | None:
    """Return microseconds since the epoch, within the years 1 to 9999."""
    # A store may state any number as its time; warehouses take the years 1 to 9999.
    return None if seconds is None else round(max(_FIRST_SECOND, min(_LAST_SECOND, seconds)) * 1e6)


def _array(field: Any, values: Sequence[Any]) -> Any:
    import pyarrow as pa

    if isinstance(field.type, pa.JsonType):
        return pa.ExtensionArray.from_storage(field.type, pa.array(values, pa.binary()).cast(pa.string()))
    return pa.array(values, field.type)


def part_schema(dropped: Sequence[str], typed: Sequence[TypedColumn]) -> Any:
    """Return the Arrow schema of a table."""
    import pyarrow as pa

    types = {
        **dict.fromkeys(("seq", "row_index", "sync_run"), pa.int64()),
        **dict.fromkeys(TIME_COLUMNS, pa.timestamp("us", "UTC")),
        **dict.fromkeys(JSON_COLUMNS, pa.json_(pa.string())),
    }
    fields = [(name, types.get(name, pa.string())) for name in ROW_COLUMNS if name not in dropped]
    return pa.schema(fields + [(column.name, arrow_type(column)) for column in typed])


def plain_schema(schema: Any) -> Any:
    """Return the schema of a part with JSON as strings, for systems without the JSON type of Arrow."""
    import pyarrow as pa

    return pa.schema(
        [field.with_type(pa.string()) if isinstance(field.type, pa.JsonType) else field for field in schema]
    )


class JsonLinesPart:
    """JSON Lines compressed with zstd or gzip; JSON columns are JSON, times RFC 3339 text."""

    def __init__(self, path: Path, dropped: Sequence[str], typed: Sequence[TypedColumn], compression: str) -> None:
        """Create the file; ``compression`` is ``zstd`` or ``gzip``."""
        import pyarrow as pa

        self._path = path
        self._names = ("position", "row_index", *RowFields._fields, *(column.name for column in typed))
        kept = [number for number, name in enumerate(self._names) if name not in dropped]
        json = {*JSON_COLUMNS, *(column.name for column in typed if column.type == "json")}
        # Made and encoded several times as fast as a dict.
        fields = [f"column_{number}" for number in kept]
        self._make = msgspec.defstruct(
            "Line", fields, rename={name: self._names[number] for name, number in zip(fields, kept, strict=True)}
        )
        self._columns = [(number, self._names[number] in json) for number in kept]
        self._shared = b""
        self._buffer = bytearray()
        self._file = pa.CompressedOutputStream(str(path), compression)

    def begin(self, facts: ObjectFacts) -> None:
        """Begin an object: what its rows share is encoded once."""
        shared = facts._asdict()
        for name in TIME_COLUMNS:
            shared[name] = None if shared[name] is None else rfc3339(shared[name])
        self._shared = b"," + _ENCODE(shared)[1:] + b"\n"

    def add(self, position: str, number: int | None, fields: RowFields, typed: Sequence[Any]) -> None:
        """Add a row."""
        values = (position, number, *fields, *typed)
        line = self._make(*(_raw(values[number]) if is_json else values[number] for number, is_json in self._columns))
        self._buffer += _ENCODE(line)[:-1]
        self._buffer += self._shared
        if len(self._buffer) >= _BUFFER_BYTES:
            self._flush()

    def written(self) -> int:
        """Return the bytes in the file so far."""
        return self._path.stat().st_size

    def close(self) -> None:
        """Complete the file."""
        self._flush()
        self._file.close()
        sync_file(self._path)

    def _flush(self) -> None:
        self._file.write(self._buffer)
        self._buffer = bytearray()


def _raw(value: bytes | str | None) -> msgspec.Raw | None:
    return None if value is None else msgspec.Raw(value if isinstance(value, bytes) else value.encode())


def sync_file(path: Path) -> None:
    """Write a file's bytes to the disk."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
