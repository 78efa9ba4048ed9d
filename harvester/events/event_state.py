"""SQLite state of ``watch`` and ``listen``: pending tasks of webhooks, and messages in flight.

A file beside the manifest: the manifest has one writer, while a receiver writes during landing.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Self

from harvester.destination import connect_journaled, has_shared_log, immediate_transaction
from harvester.error_codes import ErrorCode
from harvester.errors import ConfigurationError, DestinationUnusable, HarvesterError, IntegrityError
from harvester.nimble_api import is_id
from harvester.queues import QueueMessage, received_message

STATE_NAME = "events.sqlite"
_VERSION = 1
_TABLES = (
    """CREATE TABLE tasks(
         task_id TEXT PRIMARY KEY, received_at REAL NOT NULL, due_at REAL NOT NULL, tries INTEGER NOT NULL DEFAULT 0
       ) WITHOUT ROWID""",
    "CREATE INDEX tasks_by_due ON tasks(due_at)",
    "CREATE TABLE settled(task_id TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID",
    "CREATE INDEX settled_by_time ON settled(at)",
    """CREATE TABLE messages(
         id TEXT PRIMARY KEY, receipt TEXT NOT NULL, body TEXT NOT NULL, attributes TEXT NOT NULL,
         deliveries INTEGER NOT NULL, held_until REAL NOT NULL
       ) WITHOUT ROWID""",
    "CREATE INDEX messages_by_receipt ON messages(receipt)",
)
_KEPT_SETTLED = 100_000


class EnqueueOutcome(StrEnum):
    """Result of enqueuing a task that a webhook names."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    """It is pending already, or its result has landed."""
    FULL = "full"
    """The queue is full; the sender should retry."""


class PendingTask(NamedTuple):
    """A task named by a webhook and not settled yet."""

    task_id: str
    """The task."""
    received_at: float
    """When it was first named, seconds since the epoch."""
    tries: int
    """Number of unsuccessful look-ups."""


class EventState:
    """The open database; each writing thread opens its own."""

    def __init__(self, folder: Path, *, durable: bool) -> None:
        """Open or create it. ``durable``: a change is synced to disk when its call returns.

        Raises DestinationUnusable, IntegrityError, or ConfigurationError for a newer format.
        """
        self.path = folder / STATE_NAME
        try:
            # The caller ensures that one thread at a time uses it.
            self._database = connect_journaled(
                lambda: sqlite3.connect(self.path, isolation_level=None, timeout=30, check_same_thread=False),
            )
            try:
                is_full = durable or not has_shared_log(self._database)
                self._database.execute(f"PRAGMA synchronous = {'FULL' if is_full else 'NORMAL'}")
                self._migrate()
            except BaseException:
                self._database.close()
                raise
        except sqlite3.DatabaseError as error:
            raise self._translated(error) from error

    def _migrate(self) -> None:
        with self._changing() as database:
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version > _VERSION:
                raise ConfigurationError(
                    f"{self.path} was written by a newer nimble-harvester",
                    cause=f"its state has version {version}, this program knows up to {_VERSION}",
                    code=ErrorCode.STATE_FROM_NEWER_VERSION,
                    subject=str(self.path),
                )
            if version == 0:
                for statement in _TABLES:
                    database.execute(statement)
                database.execute(f"PRAGMA user_version = {_VERSION}")

    @contextlib.contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """Run one transaction. Raises DestinationUnusable if the disk refuses it."""
        try:
            with immediate_transaction(self._database) as database:
                yield database
        except sqlite3.DatabaseError as error:
            raise self._translated(error) from error

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the database."""
        self.close()

    # Tasks named by webhooks

    def enqueue(self, task_ids: Sequence[str], *, most: int) -> list[EnqueueOutcome]:
        """Enqueue tasks in one transaction, while fewer than ``most`` are pending."""
        now = time.time()
        outcomes = []
        with self._changing():
            waiting = self.waiting()
            for task_id in task_ids:
                outcome = self._enqueue(task_id, now, full=waiting >= most)
                waiting += outcome is EnqueueOutcome.ACCEPTED
                outcomes.append(outcome)
        return outcomes

    def _enqueue(self, task_id: str, now: float, *, full: bool) -> EnqueueOutcome:
        # A task that was postponed because it was running may have ended by now.
        waits = self._database.execute("UPDATE tasks SET due_at = min(due_at, ?) WHERE task_id = ?", (now, task_id))
        if waits.rowcount:
            return EnqueueOutcome.DUPLICATE
        if self._database.execute("SELECT 1 FROM settled WHERE task_id = ?", (task_id,)).fetchone():
            return EnqueueOutcome.DUPLICATE
        if full:
            return EnqueueOutcome.FULL
        self._database.execute("INSERT INTO tasks(task_id, received_at, due_at) VALUES (?, ?, ?)", (task_id, now, now))
        return EnqueueOutcome.ACCEPTED

    def waiting(self) -> int:
        """Return the number of pending tasks."""
        (number,) = self._database.execute("SELECT count(*) FROM tasks").fetchone()
        return int(number)

    def due(self, limit: int) -> list[PendingTask]:
        """Return tasks that are due, the longest due first."""
        found = self._database.execute(
            "SELECT task_id, received_at, tries FROM tasks WHERE due_at <= ? ORDER BY due_at LIMIT ?",
            (time.time(), limit),
        )
        # The file is no more trusted than its folder: what is no id is never looked up.
        return [PendingTask(*row) for row in found if is_id(row[0])]

    def settle(
        self, *, landed: Iterable[str] = (), dropped: Iterable[str] = (), later: Iterable[tuple[str, float]] = ()
    ) -> None:
        """Record the outcome of looking up tasks.

        ``landed`` are remembered, so that another webhook costs nothing; ``dropped`` are removed; ``later`` (task,
        seconds) become due again.
        """
        now = time.time()
        done = [(task_id,) for task_id in landed]
        with self._changing() as database:
            database.executemany(
                "INSERT OR REPLACE INTO settled(task_id, at) VALUES (?, ?)", ((each[0], now) for each in done)
            )
            database.executemany("DELETE FROM tasks WHERE task_id = ?", [*done, *((task_id,) for task_id in dropped)])
            database.executemany(
                "UPDATE tasks SET tries = tries + 1, due_at = ? WHERE task_id = ?",
                ((now + seconds, task_id) for task_id, seconds in later),
            )
            database.execute(
                "DELETE FROM settled WHERE at < (SELECT at FROM settled ORDER BY at DESC LIMIT 1 OFFSET ?)",
                (_KEPT_SETTLED,),
            )

    # Messages in flight

    def record_messages(self, messages: Iterable[QueueMessage], until: float) -> None:
        """Record messages whose receipts are valid until ``until``, in seconds since the epoch."""
        with self._changing() as database:
            database.executemany(
                "INSERT OR REPLACE INTO messages(id, receipt, body, attributes, deliveries, held_until)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (
                    (each.id, each.receipt, each.body, json.dumps(dict(each.attributes)), each.deliveries, until)
                    for each in messages
                ),
            )

    def extend_messages(self, receipts: Iterable[str], until: float) -> None:
        """Record a later end of the receipts' validity."""
        with self._changing() as database:
            database.executemany(
                "UPDATE messages SET held_until = ? WHERE receipt = ?", ((until, receipt) for receipt in receipts)
            )

    def messages_in_flight(self) -> list[QueueMessage]:
        """Return recorded messages whose receipts are still valid."""
        found = self._database.execute(
            "SELECT id, receipt, body, attributes, deliveries FROM messages WHERE held_until > ? ORDER BY id",
            (time.time(),),
        )
        messages = (received_message(row[0], row[1], row[2], _attributes(row[3]), row[4]) for row in found)
        return [message for message in messages if message is not None]

    def clear_messages(self) -> None:
        """Remove every message."""
        with self._changing() as database:
            database.execute("DELETE FROM messages")

    def remove_messages(self, messages: Iterable[QueueMessage]) -> None:
        """Remove messages that are settled."""
        with self._changing() as database:
            database.executemany("DELETE FROM messages WHERE id = ?", ((each.id,) for each in messages))

    def _translated(self, error: sqlite3.DatabaseError) -> HarvesterError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            return IntegrityError(
                f"{self.path} is damaged",
                cause=str(error),
                code=ErrorCode.EVENT_STATE_UNREADABLE,
                subject=str(self.path),
            )
        return DestinationUnusable(
            f"cannot write {self.path}",
            cause=str(error),
            code=ErrorCode.EVENT_STATE_NOT_WRITTEN,
            subject=str(self.path),
        )


def _attributes(text: object) -> dict[str, str]:
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return {}
    if not isinstance(value, dict):
        return {}
    return {name: each for name, each in value.items() if isinstance(each, str)}
