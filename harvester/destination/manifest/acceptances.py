"""The accepted problems of a destination."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

from harvester.destination.manifest.row_checks import checked_rows
from harvester.destination.manifest.row_types import Acceptance, ProblemRow

_COLUMNS = ", ".join(Acceptance._fields)


class AcceptanceTable:
    """Reads and writes acceptances; every change is one short durable transaction, also while a session works."""

    def __init__(
        self, database: sqlite3.Connection, transaction: Callable[[], AbstractContextManager[sqlite3.Connection]]
    ) -> None:
        """Use an open manifest."""
        self._database = database
        self._transaction = transaction

    def all(self) -> dict[str, Acceptance]:
        """Return the acceptances by key."""
        found = self._database.execute(f"SELECT {_COLUMNS} FROM acceptances ORDER BY key")
        return {row.key: row for row in checked_rows(Acceptance, found.fetchall())}

    def accept(self, problems: Iterable[ProblemRow], note: str, until: float | None) -> None:
        """Accept problems as they are now, until a time in seconds since 1970, or without an end."""
        now = time.time()
        with self._transaction() as database:
            database.executemany(
                f"INSERT OR REPLACE INTO acceptances({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                ((row.key, row.etag, row.size, row.outcome, row.reason, note, until, now) for row in problems),
            )

    def reopen(self, keys: Iterable[str]) -> None:
        """Drop the acceptances of keys."""
        with self._transaction() as database:
            database.executemany("DELETE FROM acceptances WHERE key = ?", ((key,) for key in keys))
