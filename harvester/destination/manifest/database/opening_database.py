"""Open the manifest's database."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from harvester.destination.manifest.database.journal import (
    NO_SHARED_MEMORY,
    connect_journaled,
    has_shared_log,
    kept_open,
    read_unshared,
)
from harvester.destination.manifest.database.migrations import MIGRATIONS, migrate, too_new


def _connect(path: Path, parameters: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{_quote(path)}?{parameters}", uri=True, isolation_level=None, timeout=30)


def open_database(path: Path) -> sqlite3.Connection:
    """Open, create or migrate the manifest at ``path``; raises as ``Manifest`` does, and sqlite3.DatabaseError."""
    database = connect_journaled(lambda: _connect(path, "mode=rwc"))
    with kept_open(database):
        database.execute(f"PRAGMA synchronous = {'NORMAL' if has_shared_log(database) else 'FULL'}")
        database.execute("PRAGMA wal_autocheckpoint = 4000")
        # A row that replaces another fires the triggers of both.
        database.execute("PRAGMA recursive_triggers = ON")
        migrate(database, str(path))
    return database


def open_readonly(path: Path) -> sqlite3.Connection:
    """Open the manifest at ``path``, which must be there; raises as ``Manifest`` does, and sqlite3.DatabaseError."""
    database = _connect(path, "mode=ro")
    try:
        with kept_open(database):
            version = _version(database)
    except sqlite3.OperationalError as error:
        database = _open_alone(path, error)
        with kept_open(database):
            version = _version(database)
    if version > len(MIGRATIONS):
        database.close()
        raise too_new(str(path), version)
    if 0 < version < len(MIGRATIONS):
        database.close()
        return _migrated(path)
    return database


def _open_alone(path: Path, error: sqlite3.OperationalError) -> sqlite3.Connection:
    """Open for reading what no writer shares: a log cannot be shared, or nothing may be written."""
    if error.sqlite_errorcode in NO_SHARED_MEMORY:
        with contextlib.suppress(sqlite3.OperationalError):
            return read_unshared(lambda: _connect(path, "mode=rw"))
    return _connect(path, "immutable=1")


def _migrated(path: Path) -> sqlite3.Connection:
    """Migrate the manifest and open it for reading; where nothing may be written, return a migrated copy in memory."""
    try:
        open_database(path).close()
    except sqlite3.OperationalError:
        copy = sqlite3.connect(":memory:", isolation_level=None)
        with kept_open(copy):
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
