"""Timestamps of Parquet's INT96: a Julian day and the nanosecond of the day, as Spark, Hive and Impala write them.

They cover years that 64 bits of nanoseconds do not (1677 to 2262), and pyarrow wraps the others round: 9999-12-31 is
read as 1816-03-29. A row group that holds such a time is read in microseconds instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

MICROSECONDS: Final = "us"
"""The unit of pyarrow in which every INT96 that is a time has a value."""
_NANOSECONDS_END: Final = (2**63 - 1) // 1000


def int96_columns(parquet: Any) -> list[str]:
    """Return the paths of the columns of INT96."""
    leaves = [parquet.schema.column(number) for number in range(len(parquet.schema))]
    return [leaf.path for leaf in leaves if leaf.physical_type == "INT96"]


def exceeds_nanoseconds(parquet: Any, group: int, columns: list[str]) -> bool:
    """Return whether a row group holds a time that nanoseconds cannot; False if it cannot be read.

    ``parquet`` is the file opened in `MICROSECONDS`, ``columns`` are those of INT96.
    """
    try:
        return any(
            _is_outside(times)
            for batch in parquet.iter_batches(row_groups=[group], columns=columns)
            for column in batch.columns
            for times in _timestamps(column)
        )
    except (pa.ArrowException, OSError):
        return False


def _timestamps(array: Any) -> Iterator[Any]:
    """Yield the timestamps within an array."""
    pending = [array]
    while pending:
        array = pending.pop()
        kind = array.type
        if pa.types.is_timestamp(kind):
            yield array
        elif pa.types.is_struct(kind):
            pending.extend(array.field(number) for number in range(kind.num_fields))
        elif pa.types.is_map(kind):
            pending.extend((array.keys, array.items))
        elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
            pending.append(array.values)


def _is_outside(times: Any) -> bool:
    found = pc.min_max(times.view(pa.int64())).as_py()
    return (found["min"] or 0) < -_NANOSECONDS_END or (found["max"] or 0) > _NANOSECONDS_END
