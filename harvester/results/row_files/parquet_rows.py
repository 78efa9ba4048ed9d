"""Parquet: each row as an object by column name.

pyarrow is loaded when a Parquet file is read, by few processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import msgspec

from harvester.extras import PARQUET, require_extra
from harvester.results.gzip_reader import RATIO_FREE_BYTES
from harvester.results.record import ContentReason, ContentRefused
from harvester.results.row_batches import MAX_ROWS, BrokenRows, RowBatch, RowCount

if TYPE_CHECKING:
    from harvester.results.row_files.arrow_values import ArrowConverter

_BATCH_ROWS: Final = 1024
# Decimals as numbers to the digit, bytes as base64.
_ENCODE = msgspec.json.Encoder(decimal_format="number", enc_hook=str).encode


def parquet_batches(
    source: BinaryIO, max_content_bytes: int, max_ratio: int, count: RowCount | None = None
) -> Iterator[RowBatch]:
    """Yield the rows of a Parquet file; rows that cannot be decoded are broken.

    ``count`` receives the number of values that are not finite. Raises ContentRefused if the footer cannot be read,
    names a column or field twice, or states a size past ``max_content_bytes`` or ``max_ratio``;
    ConfigurationError without the extra [parquet].
    """
    require_extra(PARQUET)
    import pyarrow as pa
    import pyarrow.parquet as pq

    from harvester.results.row_files.arrow_values import ArrowConverter
    from harvester.results.row_files.int96_timestamps import MICROSECONDS, exceeds_nanoseconds, int96_columns

    try:
        parquet = pq.ParquetFile(source, page_checksum_verification=True)
        schema = parquet.schema_arrow
        names = list(schema.names)
        repeated = next(_repeated_names(schema), None)
        int96 = int96_columns(parquet)
        in_microseconds = (
            pq.ParquetFile(source, page_checksum_verification=True, coerce_int96_timestamp_unit=MICROSECONDS)
            if int96
            else parquet
        )
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ContentRefused(ContentReason.UNREADABLE_PARQUET, f"the footer {_fault(error)}") from error
    if repeated is not None:
        raise ContentRefused(ContentReason.UNREADABLE_PARQUET, f"{repeated} names a field twice")
    groups = _row_groups(parquet.metadata, _size(source), max_content_bytes, max_ratio)
    converter, make_row = ArrowConverter(), _row_maker(names)
    for number, rows in enumerate(groups):
        read = 0
        exact = in_microseconds if int96 and exceeds_nanoseconds(in_microseconds, number, int96) else parquet
        try:
            for batch in exact.iter_batches(batch_size=_BATCH_ROWS, row_groups=[number]):
                read += batch.num_rows
                yield from _rows(batch, make_row, converter)
                if count is not None:
                    count.non_finite = converter.non_finite
        except (pa.ArrowException, OSError, RecursionError) as error:
            yield BrokenRows(max(rows - read, 0), _fault(error))


def _rows(batch: Any, make_row: Callable[..., object], converter: ArrowConverter) -> Iterator[RowBatch]:
    """Yield the rows of a record batch; one with text that is not UTF-8 is broken."""
    counted = converter.non_finite
    try:
        columns = [converter.convert(column) for column in batch.columns]
        if not columns:
            yield [b"{}"] * batch.num_rows
            return
        yield list(map(_ENCODE, map(make_row, *columns)))
    except UnicodeDecodeError:
        converter.non_finite = counted
        if batch.num_rows == 1:
            yield BrokenRows(1, "not UTF-8")
            return
        half = batch.num_rows // 2
        yield from _rows(batch.slice(0, half), make_row, converter)
        yield from _rows(batch.slice(half), make_row, converter)


def _row_maker(names: list[str]) -> Callable[..., object]:
    """Return what makes an object of the values of a row, to be encoded."""
    fields = [f"column_{number}" for number in range(len(names))]
    try:
        # Made and encoded several times as fast as a dict.
        return msgspec.defstruct("Row", fields, rename=dict(zip(fields, names, strict=True)), gc=False)
    except ValueError:
        # A name with a quote, a backslash or a control character.
        return lambda *values: dict(zip(names, values, strict=True))


def _row_groups(metadata: Any, size: int, max_content_bytes: int, max_ratio: int) -> list[int]:
    """Return the number of rows of each row group. Raises ContentRefused for sizes past the limits."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    rows = [group.num_rows for group in groups]
    content = sum(max(group.total_byte_size, 0) for group in groups)
    if min(rows, default=0) < 0:
        raise ContentRefused(ContentReason.UNREADABLE_PARQUET, "the footer states a negative number of rows")
    if sum(rows) > MAX_ROWS:
        raise ContentRefused(ContentReason.TOO_LARGE, f"the footer states more than {MAX_ROWS:,} rows")
    if content > max_content_bytes:
        raise ContentRefused(ContentReason.TOO_LARGE, f"the footer states more than {max_content_bytes} bytes")
    if content > RATIO_FREE_BYTES and content > max_ratio * size:
        raise ContentRefused(
            ContentReason.PARQUET_BOMB, f"the footer states more than {max_ratio} times the {size} bytes delivered"
        )
    return rows


def _repeated_names(schema: Any) -> Iterator[str]:
    """Yield each place, the file itself or a struct, that names a field twice."""
    import pyarrow as pa

    fields = [schema.field(number) for number in range(len(schema.names))]
    pending = [("the file", [field.name for field in fields], fields)]
    while pending:
        place, names, inner = pending.pop()
        if len(set(names)) != len(names):
            yield place
        for field in inner:
            kind = field.type
            children = [kind.field(number) for number in range(kind.num_fields)]
            labels = [child.name for child in children] if pa.types.is_struct(kind) else []
            pending.append((f"the struct {field.name!r}", labels, children))


def _size(source: BinaryIO) -> int:
    end = source.seek(0, 2)
    source.seek(0)
    return end


def _fault(error: Exception) -> str:
    """Return what kept pyarrow from reading; an error of the disk itself is raised again."""
    import pyarrow as pa

    if isinstance(error, OSError) and error.errno is not None:
        raise error
    if isinstance(error, pa.ArrowNotImplementedError):
        return f"needs what pyarrow {pa.__version__} does not support"
    if isinstance(error, UnicodeDecodeError):
        return "names a column in bytes that are not UTF-8"
    return f"cannot be read ({type(error).__name__})"
