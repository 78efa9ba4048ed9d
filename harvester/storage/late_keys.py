"""Objects of a listing without order, sorted on disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from harvester.storage.base import ObjectRef


class LateKeys:
    """Objects of a listing without order: stored on disk, read back in byte order.

    Clouds list in byte order; some S3-compatible servers walk a directory tree instead.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._database: sqlite3.Connection | None = None
        self._added = 0
        self._duplicates = 0

    @property
    def duplicates(self) -> int:
        """How many additions were of a key that had been added before; known also when it is closed."""
        if self._database is not None:
            (distinct,) = self._database.execute("SELECT count(*) FROM refs").fetchone()
            self._duplicates = self._added - int(distinct)
        return self._duplicates

    def add(self, ref: ObjectRef) -> None:
        """Store an object; a key that is added twice is one object."""
        if self._database is None:
            # An empty name is a temporary database, which SQLite removes on close.
            self._database = sqlite3.connect("", isolation_level=None)
            self._database.execute("PRAGMA synchronous = OFF")
            self._database.execute(
                "CREATE TABLE refs(key TEXT PRIMARY KEY, size, etag, last_modified, storage_class) WITHOUT ROWID"
            )
        self._added += 1
        self._database.execute("INSERT OR REPLACE INTO refs VALUES (?, ?, ?, ?, ?)", tuple(ref))

    def in_order(self) -> Iterator[ObjectRef]:
        """Yield the objects in byte order of the key."""
        if self._database is not None:
            for row in self._database.execute("SELECT * FROM refs ORDER BY key"):
                yield ObjectRef._make(row)

    def close(self) -> None:
        """Delete what was stored."""
        if self._database is not None:
            self._duplicates = self.duplicates
            self._database.close()
            self._database = None
