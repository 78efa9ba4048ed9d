"""The view of current rows: of every result the newest version alone, as SQL of DuckDB.

An export appends: a replaced object, a rescued result and its late delivery, and rows repeated after a restore are all
in the tables. The view keeps, of each task (of envelopes) or key (of the others), the rows of one object.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from harvester.tables.exports.layout import Layout
from harvester.tables.table_columns import JSON_COLUMNS, ROW_COLUMNS, TableName

# EPOCH-SEQ, the part of a position that all rows of one landed object share.
_LANDING_LETTERS: Final = 26
_TYPES: Final = {
    **dict.fromkeys(("seq", "row_index", "sync_run"), "BIGINT"),
    **dict.fromkeys(("landed_at", "delivered_at"), "TIMESTAMPTZ"),
    **dict.fromkeys(JSON_COLUMNS, "JSON"),
}
_TYPED: Final = {
    "string": "VARCHAR",
    "int64": "BIGINT",
    "float64": "DOUBLE",
    "bool": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMPTZ",
    "json": "JSON",
}

_VIEW: Final = """\
CREATE OR REPLACE VIEW {table}_current AS
WITH exported AS (
  SELECT * FROM {source}
), tombstones AS (
  SELECT key, task_id, max(landed_at) AS purged_at FROM exported WHERE source = 'purged' GROUP BY key, task_id
), kept AS (
  SELECT *, {identity} AS identity, dest_id || ' ' || left(position, {letters}) AS landing
  FROM exported
  WHERE source <> 'purged' AND NOT EXISTS (
    SELECT 1 FROM tombstones
    WHERE purged_at >= exported.landed_at
      AND (tombstones.key = exported.key OR tombstones.task_id = exported.task_id)
  )
), ranked AS (
  SELECT *,
    first_value(landing) OVER (
      PARTITION BY identity
      ORDER BY source = 'delivered' DESC, delivered_at DESC NULLS LAST, landed_at DESC, position DESC
    ) AS winner,
    row_number() OVER (PARTITION BY landing, row_index ORDER BY position) AS repetition
  FROM kept
)
SELECT * EXCLUDE (identity, landing, winner, repetition)
FROM ranked
WHERE landing = winner AND repetition = 1 AND row_index IS NOT NULL;
"""


def current_view(table: TableName, outputs: Sequence[str], layout: Layout) -> str:
    """Return the SQL that creates the view of a table over the parts of one or more outputs of one layout.

    A row is current if its object wins among those of its task (envelopes with a task id), else of its key: a
    delivered one before a rescued one, then by delivery, landing and position. No row of another object is current,
    also where the winner has fewer. Rows that landed before their key or task was purged are not.
    """
    by_task = "coalesce('task ' || task_id, 'key ' || key)" if table is TableName.ENVELOPES else "'key ' || key"
    return _VIEW.format(table=table, source=_source(table, outputs, layout), identity=by_task, letters=_LANDING_LETTERS)


def _source(table: TableName, outputs: Sequence[str], layout: Layout) -> str:
    suffix = layout.format
    folders = [f"{output.rstrip('/')}/data/{table}" for output in outputs]
    if suffix == "delta":
        scans = " UNION ALL BY NAME ".join("FROM delta_scan(" + _quoted(folder) + ")" for folder in folders)
        return f"({scans})"
    files = ", ".join(_quoted(f"{folder}/*/*.{suffix}") for folder in folders)
    if suffix == "parquet":
        return f"read_parquet([{files}], union_by_name = true, hive_partitioning = false)"
    columns = {name: _TYPES.get(name, "VARCHAR") for name in ROW_COLUMNS if name not in layout.dropped}
    columns |= {column.name: _TYPED.get(column.type, column.type.upper()) for column in layout.typed}
    types = ", ".join(f"{_quoted(name)}: {_quoted(kind)}" for name, kind in columns.items())
    return (
        f"read_json([{files}], format = 'newline_delimited', hive_partitioning = false,"
        f" maximum_object_size = 134217728, columns = {{{types}}})"
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
