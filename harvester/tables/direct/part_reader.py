"""Read some columns of a part where it lies: of Parquet the footer and those columns alone are fetched."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any, Final, cast

import msgspec

from harvester.error_codes import ErrorCode
from harvester.errors import IntegrityError
from harvester.tables.exports import PartName
from harvester.tables.outputs import OutputStore

_BLOCK: Final = 4 * 1024**2
_BATCH_ROWS: Final = 16_384


@dataclass(slots=True)
class WantedKeys:
    """The keys that a reader wants; it may want fewer while it reads."""

    ranges: Sequence[tuple[str, str | None]]
    """A wanted key is in one of them, ``first <= key < last``; None for no bound."""
    start: str = ""
    """And not smaller than this."""
    end: str | None = None
    """And smaller than this; None for no bound."""

    def may_hold(self, least: str, greatest: str) -> bool:
        """Return whether a key between the two, or one of them, may be wanted."""
        return any(greatest >= start and (end is None or least < end) for start, end in self._limited())

    def mask(self, keys: Any) -> Any:
        """Return which keys of an Arrow array are wanted, as an array of booleans."""
        import pyarrow as pa
        import pyarrow.compute as pc

        wanted = pa.array([False] * len(keys))
        for start, end in self._limited():
            inside = pc.greater_equal(keys, start)
            wanted = pc.or_(wanted, inside if end is None else pc.and_(inside, pc.less(keys, end)))
        return wanted

    def __contains__(self, key: str) -> bool:
        """Return whether a key is wanted."""
        return self.may_hold(key, key)

    def _limited(self) -> list[tuple[str, str | None]]:
        limited = []
        for start, end in self.ranges:
            last = end if self.end is None else self.end if end is None else min(end, self.end)
            first = max(start, self.start)
            if last is None or first < last:
                limited.append((first, last))
        return limited


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
    store: OutputStore, part: PartName, columns: Sequence[str], wanted: WantedKeys, bounds: dict[str, tuple[str, str]]
) -> Iterator[tuple[Any, ...]]:
    """Yield the values of some columns of the rows with a wanted key; ``key`` is the first column.

    Parts of Parquet that hold no such key, by their statistics, are passed over; ``bounds`` takes the least and the
    greatest key of each part by name. Times are microseconds since 1970 in Parquet, text as RFC 3339 has it in JSON
    Lines. Raises IntegrityError for a part that cannot be read.
    """
    name = str(part)
    try:
        if part.suffix == "parquet":
            yield from _parquet_rows(store, name, columns, wanted, bounds)
        else:
            yield from (row for row in _json_rows(store, name, part.suffix, columns) if row[0] in wanted)
    except (ValueError, TypeError, EOFError, OSError) as error:
        # ArrowInvalid is a ValueError, zstd's error an OSError; a row without a key has None, which is no text.
        path = f"{store.url}/{name}"
        raise IntegrityError(
            f"{path} is no part of an export", cause=str(error), code=ErrorCode.EXPORT_DAMAGED, subject=path
        ) from error


def _parquet_rows(
    store: OutputStore, name: str, columns: Sequence[str], wanted: WantedKeys, bounds: dict[str, tuple[str, str]]
) -> Iterator[tuple[Any, ...]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with io.BufferedReader(OutputFile(store, name), _BLOCK) as stream:
        parquet = pq.ParquetFile(stream, pre_buffer=False)
        key = parquet.schema_arrow.get_field_index("key")
        known = [_bounds_of(parquet.metadata.row_group(number).column(key).statistics) for number in _groups(parquet)]
        stated = [each for each in known if each is not None]
        if stated and len(stated) == len(known):
            bounds[name] = (min(least for least, _ in stated), max(greatest for _, greatest in stated))
        groups = [number for number, each in enumerate(known) if each is None or wanted.may_hold(*each)]
        if not groups:
            return
        for batch in parquet.iter_batches(_BATCH_ROWS, row_groups=groups, columns=list(columns), use_threads=False):
            rows = batch.filter(wanted.mask(batch.column("key")))
            values = []
            for column in columns:
                array = rows.column(column)
                values.append((array.cast(pa.int64()) if pa.types.is_timestamp(array.type) else array).to_pylist())
            yield from zip(*values, strict=True)


def _groups(parquet: Any) -> range:
    return range(parquet.metadata.num_row_groups)


def _bounds_of(statistics: Any) -> tuple[str, str] | None:
    return None if statistics is None or not statistics.has_min_max else (statistics.min, statistics.max)


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
