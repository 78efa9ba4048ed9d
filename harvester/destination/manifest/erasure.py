"""Remove rows of a manifest for good: purged objects, and rows that nothing needs any more."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from harvester.destination.manifest.row_types import LandedRow, Tombstone


def write_tombstones(database: sqlite3.Connection, tombstones: Sequence[Tombstone]) -> None:
    """Replace everything that is known of some objects by a tombstone each; call it in a transaction."""
    keys = [(each.key,) for each in tombstones]
    for table in ("objects", "problems", "versions"):
        database.executemany(f"DELETE FROM {table} WHERE key = ?", keys)
    database.executemany(
        "INSERT OR REPLACE INTO tombstones(key, task_id, version, seq, purged_at) VALUES (?, ?, ?, ?, ?)", tombstones
    )


def drop_rows(database: sqlite3.Connection, rows: Iterable[LandedRow], passed_by_all: int) -> int:
    """Drop rows, adding them to the counts of the day they landed; call it in a transaction. Return how many.

    Replaced versions up to the sequence number ``passed_by_all`` are dropped too.
    """
    dropped = 0
    for row in rows:
        day = datetime.fromtimestamp(row.landed_at, UTC).date().isoformat()
        database.execute(
            "INSERT INTO compacted(day, objects, rows, bytes) VALUES (?, 1, ?, ?) ON CONFLICT(day) DO UPDATE SET"
            " objects = objects + 1, rows = rows + excluded.rows, bytes = bytes + excluded.bytes",
            (day, 1 if row.rows is None else row.rows, row.content_size),
        )
        database.execute("DELETE FROM objects WHERE key = ? AND seq = ?", (row.key, row.seq))
        dropped += 1
    database.execute("DELETE FROM superseded WHERE seq <= ?", (passed_by_all,))
    return dropped


def tombstone_of(key: str, row: LandedRow | None, version: str, task_id: str | None, seq: int) -> Tombstone:
    """Return the tombstone of an object that is purged now."""
    if row is not None:
        version, task_id = row.version, row.task_id or task_id
    return Tombstone(key, task_id, version or "unknown", seq, time.time())
