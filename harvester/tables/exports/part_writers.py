"""Writers of parts: Parquet, and compressed JSON Lines. Memory is bounded by one row group."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Sequence
from itertools import chain, repeat
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from harvester.tables.table_columns import (
    DROPPABLE,
    JSON_COLUMNS,
    OBJECT_COLUMNS,
    ROW_COLUMNS,
    ObjectFacts,
    RowFields,
    TableName,
    split_columns,
    split_row,
)
from harvester.tables.typed_columns import TypedColumn, TypedValues, arrow_type
from harvester.text import rfc3339

_GROUP_ROWS: Final = 16 * 1024
_GROUP_BYTES: Final = 16 * 1024**2
# What a row takes beside its long fields.
_ROW_BYTES: Final = 200
_ENCODE: Final = msgspec.json.Encoder(decimal_format="number").encode
TIME_COLUMNS: Final = ("landed_at", "delivered_at")
"""Columns that are timestamps."""
_LONG: Final = frozenset({"position", "url", *DROPPABLE})
# Readers of Arrow take JSON of Parquet for the types stated here. With Arrow's own type of JSON, Polars computes
# nothing; without a statement, it takes JSON for bytes.
_ARROW_SCHEMA: Final = "ARROW:schema"
_BUFFER_BYTES: Final = 1024**2
_FIRST_SECOND: Final = -62_135_596_800.0
_LAST_SECOND: Final = 253_402_300_799.0


class PartWriter(Protocol):
    """Writes the rows of one part to a file."""

    def begin(self, facts: ObjectFacts, prefix: str) -> None:
        """Begin an object; the rows that follow are its rows, and their positions begin with ``prefix``."""

    def add(self, number: int, text: bytes) -> None:
        """Add a row of the object that was begun last."""

    def add_mark(self) -> None:
        """Add a row without number and content for the object that was begun last."""

    def written(self) -> int:
        """Return about how many bytes the file has."""

    def close(self) -> None:
        """Complete the file, durably."""


class ParquetPart:
    """A Parquet file compressed with zstd. Rows are gathered, and split into columns a row group at a time."""

    def __init__(
        self, path: Path, table: TableName, dropped: Sequence[str], typed: TypedValues, *, plain: bool = False
    ) -> None:
        """Create the file; JSON columns are plain strings where ``plain``."""
        import pyarrow.parquet as pq

        self._path = path
        self._table = table
        self._typed = typed
        schema = part_schema(dropped, typed.columns)
        self._schema = plain_schema(schema) if plain else schema
        # Long texts do not repeat, and are not looked up by their bounds.
        short = [name for name in self._schema.names if name not in _LONG]
        self._writer = pq.ParquetWriter(
            path,
            self._schema,
            compression="zstd",
            use_dictionary=short,
            write_statistics=short,
            store_schema=False,
        )
        self._writer.add_key_value_metadata({_ARROW_SCHEMA: b64encode(plain_schema(schema).serialize()).decode()})
        self._objects: list[tuple[ObjectFacts, str, int]] = []
        """Objects of the row group: what their rows share, how their positions begin, and their first row in it."""
        self._numbers: list[int | None] = []
        self._texts: list[bytes | None] = []
        self._bytes = 0
        self._ratio = 1.0
        self._added = 0
        self._size = 0

    def begin(self, facts: ObjectFacts, prefix: str) -> None:
        """Begin an object."""
        self._objects.append((facts, prefix, len(self._numbers)))

    def add(self, number: int, text: bytes) -> None:
        """Add a row; a full row group is written."""
        self._numbers.append(number)
        self._texts.append(text)
        self._bytes += len(text) + _ROW_BYTES
        if self._bytes >= _GROUP_BYTES or len(self._numbers) >= _GROUP_ROWS:
            self._flush()

    def add_mark(self) -> None:
        """Add a row without number and content."""
        self._numbers.append(None)
        self._texts.append(None)
        self._bytes += _ROW_BYTES

    def written(self) -> int:
        """Return the bytes in the file, and an estimate of what is not written yet."""
        return self._size + int(self._bytes * self._ratio)

    def close(self) -> None:
        """Write the last row group and the footer."""
        self._flush()
        self._writer.close()
        sync_file(self._path)

    def _flush(self) -> None:
        import pyarrow as pa

        if not self._numbers:
            return
        numbers, texts = pa.array(self._numbers, pa.int64()), self._texts
        last, self._numbers, self._texts = self._objects[-1], [], []
        columns = {**self._shared(numbers), **split_columns(texts, self._table)}
        columns.update(self._typed.columns_of(texts))
        arrays = [_array(field, columns.get(field.name), len(texts)) for field in self._schema]
        self._writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        self._size = self._path.stat().st_size
        self._added += self._bytes
        self._ratio = min(1.0, self._size / self._added)
        # The last object goes on in the next row group.
        self._objects, self._bytes = [(last[0], last[1], 0)], 0

    def _shared(self, numbers: Any) -> dict[str, Any]:
        """Return the columns that are known without the content of the rows."""
        import pyarrow as pa
        import pyarrow.compute as pc

        facts, prefixes, begins = zip(*self._objects, strict=True)
        counts = [end - begin for begin, end in zip(begins, [*begins[1:], len(numbers)], strict=True)]
        # For each row the index of its object.
        owners = pa.array(list(chain.from_iterable(map(repeat, range(len(counts)), counts))), pa.int32())
        columns = {}
        for name, values in zip(OBJECT_COLUMNS, zip(*facts, strict=True), strict=True):
            found = map(timestamp, values) if name in TIME_COLUMNS else values
            columns[name] = pa.array(list(found), self._schema.field(name).type).take(owners)
        ends = pc.coalesce(pc.utf8_lpad(numbers.cast(pa.string()), 9, "0"), pa.scalar("end"))
        positions = pc.binary_join_element_wise(pa.array(prefixes, pa.string()).take(owners), ends, "")
        return {**columns, "position": positions, "row_index": numbers}


def timestamp(seconds: float | None) -> int | None:
    """Return microseconds since the epoch, within the years 1 to 9999."""
    # A store may state any number as its time; warehouses take the years 1 to 9999.
    return None if seconds is None else round(max(_FIRST_SECOND, min(_LAST_SECOND, seconds)) * 1e6)


def _array(field: Any, values: Any, rows: int) -> Any:
    import pyarrow as pa

    plain = pa.string() if isinstance(field.type, pa.JsonType) else field.type
    if values is None:
        array = pa.nulls(rows, plain)
    elif isinstance(values, pa.Array):
        array = values
    elif field.name in JSON_COLUMNS:
        # Bytes are checked to be UTF-8, without becoming texts first.
        array = pa.array(values, pa.binary()).cast(plain)
    else:
        array = pa.array(values, plain)
    return array if plain is field.type else pa.ExtensionArray.from_storage(field.type, array)


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

    def __init__(
        self, path: Path, table: TableName, dropped: Sequence[str], typed: TypedValues, compression: str
    ) -> None:
        """Create the file; ``compression`` is ``zstd`` or ``gzip``."""
        import pyarrow as pa

        self._path = path
        self._table = table
        self._typed = typed
        self._names = ("position", "row_index", *RowFields._fields, *(column.name for column in typed.columns))
        kept = [number for number, name in enumerate(self._names) if name not in dropped]
        json = {*JSON_COLUMNS, *(column.name for column in typed.columns if column.type == "json")}
        # Made and encoded several times as fast as a dict.
        fields = [f"column_{number}" for number in kept]
        self._make = msgspec.defstruct(
            "Line", fields, rename={name: self._names[number] for name, number in zip(fields, kept, strict=True)}
        )
        self._columns = [(number, self._names[number] in json) for number in kept]
        self._shared = b""
        self._prefix = ""
        self._buffer = bytearray()
        self._file = pa.CompressedOutputStream(str(path), compression)

    def begin(self, facts: ObjectFacts, prefix: str) -> None:
        """Begin an object: what its rows share is encoded once."""
        shared = facts._asdict()
        for name in TIME_COLUMNS:
            shared[name] = None if shared[name] is None else rfc3339(shared[name])
        self._shared = b"," + _ENCODE(shared)[1:] + b"\n"
        self._prefix = prefix

    def add(self, number: int, text: bytes) -> None:
        """Add a row."""
        fields = split_row(text, self._table)
        self._add((f"{self._prefix}{number:09d}", number, *fields, *self._typed.of(text)))

    def add_mark(self) -> None:
        """Add a row without number and content."""
        self._add((f"{self._prefix}end", None, *RowFields(), *self._typed.missing))

    def _add(self, values: Sequence[Any]) -> None:
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
