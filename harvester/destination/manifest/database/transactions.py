"""One transaction of SQLite, for the manifest and for the state of events."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator


@contextlib.contextmanager
def immediate_transaction(database: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Yield the database in a transaction that has the write lock; what raises within it undoes it.

    The connection is one without implicit transactions (``isolation_level=None``). Raises sqlite3.DatabaseError.
    """
    database.execute("BEGIN IMMEDIATE")
    try:
        yield database
    except BaseException:
        # SQLite ends the transaction where the disk is full.
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")
