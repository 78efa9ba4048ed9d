"""Read some columns of a part where it lies: of Parquet the footer and those columns alone are fetched."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator, Sequence
from typing import IO, Any, Final, cast

import msgspec

from harvester.error_codes import ErrorCode
from harvester.errors import IntegrityError
from harvester.tables.exports import PartName
from harvester.tables.outputs import OutputStore

_BLOCK: Final = 4 * 1024**2
_BATCH_ROWS: Final = 16_384


class OutputFile(io.RawIOBase):
    """A file of an output, read in ranges."""

    def __init__(self, store: OutputStore, name: str) -> None:
        """Ask for its size."""
        super().__init__()
        self._store = store
        self._name = name
        self._size = store.size(name)
        self._position = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to an offset."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        """Return the offset."""
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Read at most as many bytes as the buffer has."""
        stop = min(self._position + len(buffer), self._size)
        if stop <= self._position:
            return 0
        content = self._store.read_range(self._name, self._position, stop)
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)


def read_columns_of(
    store: OutputStore, part: PartName, columns: Sequence[str], prefixes: Sequence[tuple[str, str | None]]
) -> Iterator[tuple[Any, ...]]:
    """Yield the values of some columns of the rows that may have a key in one of the ranges; ``key`` is the first.

    Parts of Parquet that hold no such key, by their statistics, are passed over. Times are microseconds since 1970 in
    Parquet, text as RFC 3339 has it in JSON Lines. Raises IntegrityError for a part that cannot be read.
    """
    name = str(part)
    try:
        if part.suffix == "parquet":
            yield from _parquet_rows(store, name, columns, prefixes)
        else:
            yield from _json_rows(store, name, part.suffix, columns)
    except (ValueError, EOFError, OSError) as error:
        # ArrowInvalid is a ValueError, zstd's error an OSError.
        path = f"{store.url}/{name}"
        raise IntegrityError(
            f"{path} is no part of an export", cause=str(error), code=ErrorCode.EXPORT_DAMAGED, subject=path
        ) from error


def _parquet_rows(
    store: OutputStore, name: str, columns: Sequence[str], prefixes: Sequence[tuple[str, str | None]]
) -> Iterator[tuple[Any, ...]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with io.BufferedReader(OutputFile(store, name), _BLOCK) as stream:
        parquet = pq.ParquetFile(stream, pre_buffer=False)
        key = parquet.schema_arrow.get_field_index("key")
        groups = [
            number
            for number in range(parquet.metadata.num_row_groups)
            if _may_hold(parquet.metadata.row_group(number).column(key).statistics, prefixes)
        ]
        if not groups:
            return
        for batch in parquet.iter_batches(_BATCH_ROWS, row_groups=groups, columns=list(columns), use_threads=False):
            values = []
            for column in columns:
                array = batch.column(column)
                values.append((array.cast(pa.int64()) if pa.types.is_timestamp(array.type) else array).to_pylist())
            yield from zip(*values, strict=True)


def _may_hold(statistics: Any, prefixes: Sequence[tuple[str, str | None]]) -> bool:
    if statistics is None or not statistics.has_min_max:
        return True
    least, greatest = statistics.min, statistics.max
    return any(greatest >= start and (end is None or least < end) for start, end in prefixes)


def _json_rows(store: OutputStore, name: str, suffix: str, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    row_type = msgspec.defstruct("Row", [(column, Any, None) for column in columns])
    decode = msgspec.json.Decoder(row_type).decode
    with (
        io.BufferedReader(OutputFile(store, name), _BLOCK) as stored,
        _inflated(cast("IO[bytes]", stored), suffix) as stream,
    ):
        for line in stream:
            row = decode(line)
            yield tuple(getattr(row, column) for column in columns)


def _inflated(stored: IO[bytes], suffix: str) -> IO[bytes]:
    if suffix.endswith("gz"):
        return cast("IO[bytes]", gzip.open(stored))
    import pyarrow as pa

    return io.BufferedReader(cast("io.RawIOBase", pa.CompressedInputStream(pa.PythonFile(stored), "zstd")), _BLOCK)
