"""Writers of parts: Parquet, and compressed JSON Lines. Memory is bounded by one row group."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from harvester.tables.table_columns import JSON_COLUMNS, ROW_COLUMNS
from harvester.tables.typed_columns import TypedColumn, arrow_type

_GROUP_ROWS: Final = 16 * 1024
_GROUP_BYTES: Final = 16 * 1024**2
# What a row takes beside its long fields.
_ROW_BYTES: Final = 200
_ENCODE: Final = msgspec.json.Encoder(decimal_format="number").encode
_MICROSECONDS: Final = 10**6
_TIMES: Final = ("landed_at", "delivered_at")


class PartWriter(Protocol):
    """Writes the rows of one part to a file."""

    def add(self, row: dict[str, Any], size: int) -> None:
        """Add a row by column; ``size`` is about its bytes."""

    def written(self) -> int:
        """Return about how many bytes the file has."""

    def close(self) -> None:
        """Complete the file, durably."""


class ParquetPart:
    """A Parquet file compressed with zstd."""

    def __init__(self, path: Path, dropped: Sequence[str], typed: Sequence[TypedColumn]) -> None:
        """Create the file."""
        import pyarrow.parquet as pq

        self._path = path
        self._schema = part_schema(dropped, typed)
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []
        self._bytes = 0
        self._ratio = 1.0
        self._added = 0

    def add(self, row: dict[str, Any], size: int) -> None:
        """Add a row; a full row group is written."""
        self._rows.append(row)
        self._bytes += size + _ROW_BYTES
        if len(self._rows) >= _GROUP_ROWS or self._bytes >= _GROUP_BYTES:
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

        if not self._rows:
            return
        arrays = [_array(field, [row[field.name] for row in self._rows]) for field in self._schema]
        self._writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        self._added += self._bytes
        self._rows, self._bytes = [], 0
        self._ratio = min(1.0, self._path.stat().st_size / self._added)


def _array(field: Any, values: list[Any]) -> Any:
    import pyarrow as pa

    if isinstance(field.type, pa.JsonType):
        return pa.ExtensionArray.from_storage(field.type, pa.array(values, pa.binary()).cast(pa.string()))
    return pa.array(values, field.type)


def part_schema(dropped: Sequence[str], typed: Sequence[TypedColumn]) -> Any:
    """Return the Arrow schema of a table."""
    import pyarrow as pa

    types = {
        **dict.fromkeys(("seq", "row_index", "sync_run"), pa.int64()),
        **dict.fromkeys(_TIMES, pa.timestamp("us", "UTC")),
        **dict.fromkeys(JSON_COLUMNS, pa.json_(pa.string())),
    }
    fields = [(name, types.get(name, pa.string())) for name in ROW_COLUMNS if name not in dropped]
    return pa.schema(fields + [(column.name, arrow_type(column)) for column in typed])


class JsonLinesPart:
    """JSON Lines compressed with zstd or gzip; JSON columns are JSON, times RFC 3339 text."""

    def __init__(self, path: Path, dropped: Sequence[str], typed: Sequence[TypedColumn], compression: str) -> None:
        """Create the file; ``compression`` is ``zstd`` or ``gzip``."""
        import pyarrow as pa

        self._path = path
        self._columns = [name for name in ROW_COLUMNS if name not in dropped] + [column.name for column in typed]
        self._json = {*JSON_COLUMNS, *(column.name for column in typed if column.type == "json")}
        self._file = pa.CompressedOutputStream(str(path), compression)

    def add(self, row: dict[str, Any], size: int) -> None:  # noqa: ARG002 - the size is for formats with row groups
        """Add a row."""
        line = {name: self._value(name, row[name]) for name in self._columns}
        self._file.write(_ENCODE(line) + b"\n")

    def _value(self, name: str, value: Any) -> Any:
        if value is None:
            return None
        if name in self._json:
            return msgspec.Raw(value if isinstance(value, bytes) else value.encode())
        return _time(value) if name in _TIMES else value

    def written(self) -> int:
        """Return the bytes in the file so far."""
        return self._path.stat().st_size

    def close(self) -> None:
        """Complete the file."""
        self._file.close()
        sync_file(self._path)


def _time(microseconds: int) -> str:
    import datetime as dt

    moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=microseconds)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def sync_file(path: Path) -> None:
    """Write a file's bytes to the disk."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
