"""The consumers of a destination: a name, a fixed filter, and the acknowledged position."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from harvester.destination.manifest.database import UnreadableRow
from harvester.destination.manifest.epochs import check_position, read_epochs
from harvester.destination.manifest.row_checks import checked_rows
from harvester.destination.manifest.row_types import ConsumerRow, StoredConsumer
from harvester.destination.positions import Position, parse_position
from harvester.error_codes import ErrorCode
from harvester.errors import UsageError

_COLUMNS = "name, filter, epoch, seq, row, created_at, acknowledged_at"


class ConsumerTable:
    """Reads and writes consumers; every change is one short durable transaction, also while a session works."""

    def __init__(
        self,
        database: sqlite3.Connection,
        transaction: Callable[[], AbstractContextManager[sqlite3.Connection]],
        destination: str,
    ) -> None:
        """Use an open manifest; ``destination`` is named in errors."""
        self._database = database
        self._transaction = transaction
        self._destination = destination

    def all(self) -> list[ConsumerRow]:
        """Return the consumers by name."""
        found = self._database.execute(f"SELECT {_COLUMNS} FROM consumers ORDER BY name")
        return [_consumer(row) for row in checked_rows(StoredConsumer, found.fetchall())]

    def get(self, name: str) -> ConsumerRow:
        """Return a consumer. Raises UsageError when there is none of that name."""
        found = self._database.execute(f"SELECT {_COLUMNS} FROM consumers WHERE name = ?", (name,)).fetchone()
        if found is None:
            known = ", ".join(each.name for each in self.all()) or "none"
            raise UsageError(
                f"{self._destination} has no consumer {name!r}",
                cause=f"its consumers: {known}",
                code=ErrorCode.NO_SUCH_CONSUMER,
                subject=self._destination,
            )
        return _consumer(next(checked_rows(StoredConsumer, (found,))))

    def create(self, name: str, filter_text: str, position: Position) -> ConsumerRow:
        """Create a consumer at a position. Raises UsageError when there is one, or the position is not valid here."""
        if not self.create_if_absent(name, filter_text, position):
            raise UsageError(
                f"{self._destination} has a consumer {name!r} already",
                cause="the filter of a consumer is fixed when it is created",
                code=ErrorCode.CONSUMER_EXISTS,
                subject=self._destination,
                parameters={"name": name},
            )
        return self.get(name)

    def create_if_absent(self, name: str, filter_text: str, position: Position) -> bool:
        """Create a consumer at a position; return False if there is one, which stays as it is.

        Raises UsageError when the position is not valid here.
        """
        with self._transaction() as database:
            check_position(read_epochs(database), position, self._destination)
            created = database.execute(
                f"INSERT INTO consumers({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, NULL) ON CONFLICT(name) DO NOTHING",
                (name, filter_text, *position, time.time()),
            )
            return created.rowcount == 1

    def acknowledge(self, name: str, position: Position) -> ConsumerRow:
        """Move a consumer forward to ``position``; an equal or older one is already acknowledged and changes nothing.

        Raises UsageError (no such consumer), ForeignPosition, or DestinationUnusable (read-only).
        """
        return self._move(name, position, forward_only=True)

    def rewind(self, name: str, position: Position) -> ConsumerRow:
        """Move a consumer to ``position``, backwards or forwards. Raises like ``acknowledge``."""
        return self._move(name, position, forward_only=False)

    def forget(self, name: str) -> None:
        """Remove a consumer. Raises UsageError when there is none of that name."""
        self.get(name)
        with self._transaction() as database:
            database.execute("DELETE FROM consumers WHERE name = ?", (name,))

    def _move(self, name: str, position: Position, *, forward_only: bool) -> ConsumerRow:
        with self._transaction() as database:
            known = self.get(name)
            check_position(read_epochs(database), position, self._destination)
            if not forward_only or position >= known.position:
                database.execute(
                    "UPDATE consumers SET epoch = ?, seq = ?, row = ?, acknowledged_at = ? WHERE name = ?",
                    (*position, time.time(), name),
                )
        return self.get(name)


def _consumer(stored: StoredConsumer) -> ConsumerRow:
    position = Position(stored.epoch, stored.seq, stored.row)
    if parse_position(str(position)) != position:
        raise UnreadableRow(f"the position of consumer {stored.name!r:.100} is none")
    return ConsumerRow(stored.name, stored.filter, position, stored.created_at, stored.acknowledged_at)
