"""Open the manifest's database."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from harvester.destination.manifest.database.migrations import MIGRATIONS, migrate, too_new


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
        # Where nothing may be written, SQLite cannot share the log with a writer; there is none either.
        database = _connect(path, "immutable=1")
        with _kept_open(database):
            version = _version(database)
    if version > len(MIGRATIONS):
        database.close()
        raise too_new(str(path), version)
    if 0 < version < len(MIGRATIONS):
        database.close()
        return _migrated(path)
    return database


def _migrated(path: Path) -> sqlite3.Connection:
    """Migrate the manifest and open it for reading; where nothing may be written, return a migrated copy in memory."""
    try:
        open_database(path).close()
    except sqlite3.OperationalError:
        copy = sqlite3.connect(":memory:", isolation_level=None)
        with _kept_open(copy):
            source = _connect(path, "immutable=1")
            source.backup(copy)
            source.close()
            migrate(copy, str(path))
        return copy
    return open_readonly(path)


def _version(database: sqlite3.Connection) -> int:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    return int(version)


def _quote(path: Path) -> str:
    # SQLite's URI form: only these three have a meaning in its path part.
    # Two leading slashes would begin the name of a host.
    name = "/" + str(path.absolute()).lstrip("/")
    return name.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
