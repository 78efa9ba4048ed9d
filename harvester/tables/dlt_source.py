"""A source of dlt: the rows of a destination, merged by (key, version, row_index).

dlt commits the position reached together with the rows it loads. Where that state is lost, or a load was not followed
by its state, rows come again and are merged: appended they would be there twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from harvester.errors import ForeignPosition
from harvester.extras import DLT, PARQUET, require_extra
from harvester.tables.destination_rows import open_rows
from harvester.tables.exports import TIME_COLUMNS, ExportBehind, part_schema, plain_schema, row_after, timestamp
from harvester.tables.row_source import SourceObject
from harvester.tables.table_columns import PURGED, RowFields, TableName, split_row

SOURCE_NAME: Final = "nimble_results"
_KEY: Final = ("key", "version", "row_index")
_STATE: Final = "position"
_PASSED: Final = "passed"
_KEPT_POSITIONS: Final = 200
_BATCH_ROWS: Final = 10_000


def nimble_results(dest: Path | str, consumer: str | None = None, *, state_dir: Path | None = None) -> Any:
    """Return a dlt source with the tables of an export; nested normalisation is off.

    Each table goes on from the position in the pipeline's state, else from where ``consumer`` is, else from the
    beginning. Acknowledge the consumer yourself when the load has succeeded. Raises ConfigurationError without the
    extras; while it is extracted, ExportBehind for rows that were evicted before they were loaded.
    """
    require_extra(DLT)  # it contains the packages of [parquet]
    require_extra(PARQUET, feature=DLT.feature)
    import dlt

    def rows_of(table: TableName) -> Iterator[Any]:
        state = dlt.current.resource_state()
        with open_rows(Path(dest), state_dir) as source:
            start = state.get(_STATE) or (source.position_of(consumer) if consumer else "0")
            passed = state.get(_PASSED, [])
            try:
                source.check(start, passed)
            except ForeignPosition as error:
                # Rows that come again are merged.
                start = error.shared
            newest = source.newest()
            yield from _batches(source.objects(start, table), start, table)
        state[_STATE] = newest
        # By them the position that is shared after a restore is known.
        state[_PASSED] = [*(each for each in passed if each < start), start][-_KEPT_POSITIONS:]

    def tables() -> list[Any]:
        return [
            dlt.resource(rows_of, name=str(table), write_disposition="merge", primary_key=_KEY, max_table_nesting=0)(
                table
            )
            for table in TableName
        ]

    return dlt.source(tables, name=SOURCE_NAME, max_table_nesting=0)()


def _batches(objects: Iterator[SourceObject], start: str, table: TableName) -> Iterator[Any]:
    """Yield Arrow tables of rows."""
    rows: list[dict[str, Any]] = []
    for found in objects:
        if found.evicted:
            key = found.facts.key
            raise ExportBehind(f"{key} was evicted before it was loaded", subject=key, parameters={"key": key})
        passed = row_after(start, found)
        if found.facts.source == PURGED:
            # A key has no NULL.
            rows.append(_row(found, found.end, -1, RowFields()))
        for number, text in found.rows():
            if number > passed:
                rows.append(_row(found, f"{found.end[:-3]}{number:09d}", number, split_row(text, table)))
            if len(rows) >= _BATCH_ROWS:
                yield _arrow(rows)
                rows = []
    if rows:
        yield _arrow(rows)


def _row(found: SourceObject, position: str, number: int, fields: RowFields) -> dict[str, Any]:
    texts = {name: value.decode() if isinstance(value, bytes) else value for name, value in fields._asdict().items()}
    row = {"position": position, "row_index": number, **found.facts._asdict(), **texts}
    return {**row, **{name: timestamp(row[name]) for name in TIME_COLUMNS}}


def _arrow(rows: list[dict[str, Any]]) -> Any:
    import pyarrow as pa

    return pa.Table.from_pylist(rows, plain_schema(part_schema((), ())))
