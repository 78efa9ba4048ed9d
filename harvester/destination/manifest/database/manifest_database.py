"""The connection of a manifest: transactions, durable ones, and the table of settings."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from harvester.destination.manifest.database.manifest_errors import manifest_error
from harvester.destination.manifest.database.opening_database import open_database, open_readonly
from harvester.destination.manifest.database.transactions import immediate_transaction


class ManifestDatabase:
    """The open database of a manifest: its transactions and the table of settings."""

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        """Open, and unless ``readonly`` create or migrate, the manifest at ``path``.

        Raises ConfigurationError when a newer program wrote it, IntegrityError when it is not a manifest, and
        DestinationUnusable when it cannot be written.
        """
        self.path = path
        try:
            self._database = open_readonly(path) if readonly else open_database(path)
        except sqlite3.DatabaseError as error:
            raise manifest_error(error, path) from error

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def __enter__(self) -> Self:
        """Return the open manifest."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the database."""
        self.close()

    def has_tables(self) -> bool:
        """Return whether anything was ever set up here. Raises IntegrityError for a damaged manifest."""
        with self._explained():
            found = self._database.execute("SELECT 1 FROM sqlite_master WHERE name = 'objects'").fetchone()
        return found is not None

    def _setting(self, name: str) -> str | None:
        found = self._database.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return None if found is None else str(found[0])

    def _set(self, name: str, value: str) -> None:
        with self._explained():
            self._database.execute("INSERT OR REPLACE INTO settings(name, value) VALUES (?, ?)", (name, value))

    def _durably(self, name: str, value: str) -> None:
        with self._synchronously():
            self._set(name, value)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Raise this program's errors for those of SQLite."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise manifest_error(error, self.path) from error

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Yield the database in a transaction; raises what ``_explained`` makes of its errors."""
        with self._explained(), immediate_transaction(self._database) as database:
            yield database

    @contextlib.contextmanager
    def durable_transaction(self) -> Iterator[sqlite3.Connection]:
        """Yield the database in a transaction that is on the disk when it ends. Raises DestinationUnusable."""
        with self._synchronously(), self._transaction() as database:
            yield database

    @contextlib.contextmanager
    def _synchronously(self) -> Iterator[None]:
        (before,) = self._database.execute("PRAGMA synchronous").fetchone()
        self._database.execute("PRAGMA synchronous = FULL")
        try:
            yield
        finally:
            self._database.execute(f"PRAGMA synchronous = {int(before)}")
