"""Open the manifest's database."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from harvester.destination.manifest.migrations import MIGRATIONS, migrate, too_new


def _connect(path: Path, parameters: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{_quote(path)}?{parameters}", uri=True, isolation_level=None, timeout=30)


@contextlib.contextmanager
def _kept_open(database: sqlite3.Connection) -> Iterator[None]:
    """Close the database again when what is done first fails."""
    try:
        yield
    except BaseException:
        database.close()
        raise


def open_database(path: Path) -> sqlite3.Connection:
    """Open, create or migrate the manifest at ``path``; raises as ``Manifest`` does, and sqlite3.DatabaseError."""
    database = _connect(path, "mode=rwc")
    with _kept_open(database):
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute("PRAGMA wal_autocheckpoint = 4000")
        migrate(database, str(path))
    return database


def open_readonly(path: Path) -> sqlite3.Connection:
    """Open the manifest at ``path``, which must be there; raises as ``Manifest`` does, and sqlite3.DatabaseError."""
    database = _connect(path, "mode=ro")
    try:
        with _kept_open(database):
            version = _version(database)
    except sqlite3.OperationalError:
        # Where nothing may be written, SQLite cannot share the log with a writer; nobody else writes there either.
        database = _connect(path, "immutable=1")
        with _kept_open(database):
            version = _version(database)
    if version > len(MIGRATIONS):
        database.close()
        raise too_new(str(path), version)
    return database


def _version(database: sqlite3.Connection) -> int:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    return int(version)


def _quote(path: Path) -> str:
    # SQLite's URI form: only these three have a meaning in its path part.
    return str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
