"""What an output holds, learned from its parts: the newest version of each object, and rows that repeat."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, Self
from urllib.parse import quote, unquote

from harvester.error_codes import ErrorCode
from harvester.errors import UsageError
from harvester.storage import ObjectRef
from harvester.tables.direct.part_reader import read_columns_of
from harvester.tables.exports import PartName, parse_part
from harvester.tables.outputs import OutputStore

FILES_FOLDER: Final = "files/direct/"
"""Where landed objects without rows lie: ``files/direct/VERSION/PATH``."""
_CACHE_KIB: Final = 65_536
_COLUMNS: Final = ("key", "version", "source", "delivered_at", "landed_at", "position")


class RowsInOutput(NamedTuple):
    """The rows of an output."""

    parts: int
    """Committed parts."""
    series: int
    """Series that have parts."""
    rows: int
    """Rows in them; rows that stand for an object without any count."""
    repeated: int
    """Rows that repeat the (key, version, row) of another: after a kill or an expired lease. Views show one."""


class ExportedVersions:
    """The newest exported version of each object below some prefixes, in a temporary database; for one thread."""

    def __init__(self) -> None:
        """Start empty."""
        # An empty name is a temporary database, which SQLite removes on close.
        self._database = _temporary()
        self._database.execute("CREATE TABLE newest(key BLOB PRIMARY KEY, version, rank) WITHOUT ROWID")
        self._database.execute("CREATE TABLE files(version, path BLOB, PRIMARY KEY(version, path)) WITHOUT ROWID")

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Delete what was stored."""
        self._database.close()

    def learn(self, store: OutputStore, prefixes: Sequence[tuple[str, str | None]]) -> None:
        """Read the parts that may hold keys ``start <= key < end`` of one of the ranges. Raises IntegrityError."""
        database = self._database
        database.execute("BEGIN")
        for part in parts_of(store):
            rows = read_columns_of(store, part, _COLUMNS, prefixes)
            database.executemany(
                "INSERT INTO newest VALUES (?, ?, ?) ON CONFLICT(key) DO UPDATE"
                " SET version = excluded.version, rank = excluded.rank WHERE excluded.rank > rank",
                ((key.encode(), version, _rank(*order)) for key, version, *order in _distinct(rows)),
            )
        for name in store.names(FILES_FOLDER):
            version, _, path = name.removeprefix(FILES_FOLDER).partition("/")
            database.execute("INSERT OR IGNORE INTO files VALUES (?, ?)", (unquote(version), path.encode()))
        database.execute("COMMIT")

    def holds(self, ref: ObjectRef, path: str) -> bool:
        """Return whether the newest exported version of an object is this one."""
        if not ref.etag:
            return False
        found = self._database.execute("SELECT version FROM newest WHERE key = ?", (ref.key.encode(),)).fetchone()
        if found is not None:
            return bool(found[0] == ref.etag)
        query = "SELECT 1 FROM files WHERE version = ? AND path = ?"
        return self._database.execute(query, (ref.etag, path.encode())).fetchone() is not None


def file_name(version: str, path: str) -> str:
    """Return the name of a landed object without rows in an output."""
    return f"{FILES_FOLDER}{quote(version, safe='')}/{path}"


def parts_of(store: OutputStore) -> Iterator[PartName]:
    """Yield the parts of an output. Raises UsageError for tables of Delta, whose rows are not in parts."""
    for name in store.names("data/"):
        if "/_delta_log/" in name:
            raise UsageError(
                f"{store.url} holds tables of Delta",
                cause="what an output holds is learned from parts of Parquet or JSON Lines",
                code=ErrorCode.EXPORT_OUTPUT_UNSUPPORTED,
                subject=store.url,
            )
        part = parse_part(name)
        if part is not None:
            yield part


def count_rows(store: OutputStore) -> RowsInOutput:
    """Count the rows of an output, and those that repeat another. Raises IntegrityError."""
    database = _temporary()
    try:
        columns = "key BLOB, version, number, PRIMARY KEY(key, version, number)"
        database.execute(f"CREATE TABLE rows({columns}) WITHOUT ROWID")
        parts = rows = 0
        series = set()
        for part in parts_of(store):
            parts += 1
            series.add(part.series)
            for key, version, number in read_columns_of(store, part, ("key", "version", "row_index"), [("", None)]):
                rows += 1
                values = (key.encode(), version, -1 if number is None else number)
                database.execute("INSERT OR IGNORE INTO rows VALUES (?, ?, ?)", values)
        (distinct,) = database.execute("SELECT count(*) FROM rows").fetchone()
        return RowsInOutput(parts, len(series), rows, rows - int(distinct))
    finally:
        database.close()


def _temporary() -> sqlite3.Connection:
    database = sqlite3.connect("", isolation_level=None)
    database.execute("PRAGMA synchronous = OFF")
    database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    return database


def _distinct(rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Leave out all but the first of the rows of one object that follow one another."""
    last: tuple[Any, ...] = ()
    for row in rows:
        if row[:2] != last[:2]:
            last = row
            yield row


def _rank(source: str, delivered_at: Any, landed_at: Any, position: str) -> str:
    """Return what the newest version of an object is chosen by, as the views of current rows choose it."""
    moments = (f"{each:020d}" if isinstance(each, int) else each or "" for each in (delivered_at, landed_at))
    return "\n".join(("1" if source == "delivered" else "0", *moments, position))
