"""The journal of a SQLite database: a shared log, or a rollback journal where memory cannot be shared."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from typing import Final

NO_SHARED_MEMORY: Final = frozenset(
    {
        sqlite3.SQLITE_IOERR_SHMOPEN,
        sqlite3.SQLITE_IOERR_SHMSIZE,
        sqlite3.SQLITE_IOERR_SHMLOCK,
        sqlite3.SQLITE_IOERR_SHMMAP,
    }
)
"""SQLite's extended codes for a file system that maps no shared memory, as network and bucket file systems."""


@contextlib.contextmanager
def kept_open(database: sqlite3.Connection) -> Iterator[None]:
    """Close the database again when what is done first fails."""
    try:
        yield
    except BaseException:
        database.close()
        raise


def connect_journaled(connect: Callable[[], sqlite3.Connection]) -> sqlite3.Connection:
    """Connect for writing with a shared log, and where that needs memory that cannot be shared, a rollback journal.

    A database that was given a rollback journal keeps it: readers may be at work. Raises sqlite3.DatabaseError.
    """
    database = connect()
    try:
        with kept_open(database):
            if not _has_rollback_journal(database):
                database.execute("PRAGMA journal_mode = WAL")
                # The first access maps the memory.
                database.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode not in NO_SHARED_MEMORY:
            raise
        _abandon_log(connect)
        return connect()
    return database


def has_shared_log(database: sqlite3.Connection) -> bool:
    """Return whether a database has a shared log, with which every state that a power cut leaves is consistent."""
    (mode,) = database.execute("PRAGMA journal_mode").fetchone()
    return str(mode) == "wal"


def read_unshared(connect: Callable[[], sqlite3.Connection]) -> sqlite3.Connection:
    """Return a copy, in memory, of a database whose log cannot be shared. Raises sqlite3.DatabaseError."""
    copy = sqlite3.connect(":memory:", isolation_level=None)
    with kept_open(copy), contextlib.closing(connect()) as database:
        # Alone, SQLite keeps the index of the log in its own memory.
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.backup(copy)
    return copy


def _has_rollback_journal(database: sqlite3.Connection) -> bool:
    # SQLite is asked: to open the file beside it and close it again would drop every lock that this process has on it
    # (https://www.sqlite.org/howtocorrupt.html, 2.2), and another process would then delete the log in use.
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    (mode,) = database.execute("PRAGMA journal_mode").fetchone()
    return bool(pages) and mode == "delete"


def _abandon_log(connect: Callable[[], sqlite3.Connection]) -> None:
    with contextlib.closing(connect()) as database:
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute("PRAGMA journal_mode = DELETE")
