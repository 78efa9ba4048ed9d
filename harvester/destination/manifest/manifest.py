"""The manifest: what has landed, what is wrong, which runs there were.

Durability: a row is written after its file was renamed into place, so no row outlives its file when the process
dies. Against a power cut, ``barrier`` names the sequence number up to which files are known to be on the disk; what
landed later is read again before it is trusted. Sequence numbers are reserved durably ahead of use, so that none
is ever given twice, even when the newest rows were lost.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

from harvester.destination.manifest.acceptances import AcceptanceTable
from harvester.destination.manifest.epochs import check_position, read_epochs, record_epoch
from harvester.destination.manifest.opening_database import open_database, open_readonly
from harvester.destination.manifest.row_types import (
    RESCUED_KEY,
    EpochRow,
    Heartbeat,
    KnownRow,
    LandedRow,
    ProblemRow,
    RunRow,
    Tombstone,
    VersionRow,
)
from harvester.destination.positions import Position
from harvester.error_codes import ErrorCode
from harvester.errors import ConfigurationError, DestinationUnusable, HarvesterError, IntegrityError, UsageError

if TYPE_CHECKING:
    from harvester.destination.manifest.consumer_table import ConsumerTable

_Row = TypeVar("_Row", LandedRow, KnownRow, ProblemRow)

_OBJECT_COLUMNS = ", ".join(LandedRow._fields)
_PROBLEM_COLUMNS = ", ".join(ProblemRow._fields)
_UPSERT_OBJECT = f"INSERT OR REPLACE INTO objects({_OBJECT_COLUMNS}) VALUES ({', '.join('?' * len(LandedRow._fields))})"
_UPSERT_PROBLEM = (
    f"INSERT OR REPLACE INTO problems({_PROBLEM_COLUMNS}) VALUES ({', '.join('?' * len(ProblemRow._fields))})"
)
_NOTE_SUPERSEDED = (
    "INSERT OR IGNORE INTO superseded(seq, rows) SELECT seq, coalesce(rows, 1) FROM objects"
    " WHERE key = ? AND (etag <> ? OR size <> ?)"
)
_MARK_GONE = "UPDATE objects SET gone = 1, gone_at = coalesce(gone_at, ?) WHERE key = ?"

# Numbers reserved at a time: after an unclean end the rest of a block is skipped, never reused.
_SEQUENCE_BLOCK = 1_000_000
_CHUNK_ROWS = 2_000
_NO_SHARED_MEMORY = frozenset(
    {
        sqlite3.SQLITE_IOERR_SHMOPEN,
        sqlite3.SQLITE_IOERR_SHMSIZE,
        sqlite3.SQLITE_IOERR_SHMLOCK,
        sqlite3.SQLITE_IOERR_SHMMAP,
    }
)
_ALL_SEQS = 10**12
# Above every character a key can hold: an exclusive upper bound for "all keys".
_AFTER_ALL_KEYS = "\U0010ffff" * 1025  # longer than any key: of S3 and GCS 1,024 bytes, a path 4,096
_AFTER_RESCUED = RESCUED_KEY[:-1] + chr(ord(RESCUED_KEY[-1]) + 1)


class SourceBinding(NamedTuple):
    """What a destination is a copy of; another source in the same destination would mix two truths."""

    url: str
    """The location's URL."""
    endpoint: str
    """The endpoint, empty for the cloud's own."""
    keep_compressed: bool
    """Whether gzip content is landed as delivered."""


class StateIdentity(NamedTuple):
    """The destination that a manifest belongs to."""

    id: str
    """Random id, also in the destination's own ``destination.json``."""
    root: str
    """Where the destination was when it was last opened."""


class Manifest:
    """The open manifest of one destination. One writer at a time (see DestinationLock), readers at any time."""

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
        self._next_seq = 0
        self._reserved = 0
        self._epoch = ""

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

    # Settings

    def _setting(self, name: str) -> str | None:
        found = self._database.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return None if found is None else str(found[0])

    def _set(self, name: str, value: str) -> None:
        with self._explained():
            self._database.execute("INSERT OR REPLACE INTO settings(name, value) VALUES (?, ?)", (name, value))

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Raise this program's errors for those of SQLite."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise manifest_error(error, self.path) from error

    def checked_schema(self) -> str:
        """Return the fingerprint under which everything here was last checked; empty before the first run."""
        return self._setting("checked_schema") or ""

    def set_checked_schema(self, fingerprint: str) -> None:
        """Record the fingerprint under which everything here was checked."""
        self._set("checked_schema", fingerprint)

    def identity(self) -> StateIdentity | None:
        """Return the id of the destination this state belongs to and where it was last opened; None before that."""
        known = self._setting("destination_id")
        return None if known is None else StateIdentity(known, self._setting("destination_root") or "")

    def set_identity(self, identity: StateIdentity) -> None:
        """Record the destination that this state belongs to."""
        with self.durable_transaction():
            self._set("destination_id", identity.id)
            self._set("destination_root", identity.root)

    def binding(self) -> SourceBinding | None:
        """Return what this destination is a copy of, None before the first run."""
        stored = self._setting("source")
        if stored is None:
            return None
        fields = json.loads(stored)
        return SourceBinding(fields["url"], fields["endpoint"], fields["keep_compressed"])

    def bind(self, binding: SourceBinding, destination: Path) -> None:
        """Bind the destination to its source. Raises UsageError when it is bound to another, see ``check_binding``."""
        self.check_binding(binding, destination)
        self._write_binding(binding)

    def _write_binding(self, binding: SourceBinding) -> None:
        fields = {"url": binding.url, "endpoint": binding.endpoint, "keep_compressed": binding.keep_compressed}
        self._set("source", json.dumps(fields))

    def check_binding(self, binding: SourceBinding, destination: Path) -> None:
        """Raise UsageError when the destination is bound to another source, or names its files differently.

        A destination in which nothing was ever landed or found wrong can be bound again: a bucket's name may
        have been mistyped.
        """
        bound = self.binding()
        if bound is None or (self.is_empty() and next(self.problems(), None) is None):
            return
        if bound.url != binding.url:
            raise UsageError(
                f"{destination} already is the copy of {bound.url}",
                cause=f"{binding.url} would be mixed into it",
                code=ErrorCode.DESTINATION_OF_ANOTHER_LOCATION,
                subject=str(destination),
                parameters={"location": bound.url},
            )
        if bound.keep_compressed != binding.keep_compressed:
            raise UsageError(
                f"{destination} holds files {'as delivered' if bound.keep_compressed else 'decompressed'}",
                cause="landed files would change their names",
                code=ErrorCode.COMPRESSION_DIFFERS,
                subject=str(destination),
                parameters={"keep_compressed": bound.keep_compressed},
            )

    # Runs and sequence numbers

    def begin_run(self) -> int:
        """Start a run and return its number. Raises DestinationUnusable when the disk is full."""
        with self._explained():
            self._database.execute("BEGIN IMMEDIATE")
            (run,) = self._database.execute("SELECT coalesce(max(run), 0) + 1 FROM runs").fetchone()
            self._database.execute("INSERT INTO runs(run, started_at) VALUES (?, ?)", (run, time.time()))
            self.begin_numbering()
            self._database.execute("COMMIT")
        return int(run)

    def begin_numbering(self) -> None:
        """Go on after the highest sequence number in use or reserved; for the holder of the destination."""
        self._next_seq = max(self.last_seq(), int(self._setting("reserved") or 0)) + 1
        self._reserved = self._next_seq - 1

    def release_numbers(self) -> None:
        """Give back the sequence numbers that were reserved and not used."""
        if self._reserved >= self._next_seq:
            self._set("reserved", str(self._next_seq - 1))

    def forget_run(self, run: int) -> None:
        """Drop the record of a run that landed nothing; the next run takes its number."""
        with self._explained():
            self._database.execute("DELETE FROM runs WHERE run = ?", (run,))

    def end_run(self, run: int, exit_code: int, report: str) -> None:
        """Record how a run ended, and give back the sequence numbers it did not use."""
        with self._explained():
            self._database.execute("BEGIN IMMEDIATE")
            self._database.execute(
                "UPDATE runs SET ended_at = ?, exit_code = ?, report = ? WHERE run = ?",
                (time.time(), exit_code, report, run),
            )
            self.release_numbers()
            self._database.execute("COMMIT")

    def runs(self, limit: int = 10) -> list[RunRow]:
        """Return the newest runs, newest first."""
        found = self._database.execute(
            "SELECT run, started_at, ended_at, exit_code, report FROM runs ORDER BY run DESC LIMIT ?", (limit,)
        )
        return [RunRow(*row) for row in found]

    def last_seq(self) -> int:
        """Return the highest sequence number in use, 0 when nothing has landed."""
        # Of an epoch, not of an object: the newest object may have been purged.
        (found,) = self._database.execute("SELECT coalesce(max(last_seq), 0) FROM epochs").fetchone()
        return int(found)

    def epochs(self) -> list[EpochRow]:
        """Return all epochs, oldest first."""
        return read_epochs(self._database)

    def check_position(self, position: Position, destination: Path) -> None:
        """Raise ForeignPosition unless this destination gave out ``position``."""
        check_position(self.epochs(), position, str(destination))

    def consumers(self, destination: Path) -> ConsumerTable:
        """Return the consumers; ``destination`` is named in errors."""
        # Loaded by what reads or erases: a sync needs none of it.
        from harvester.destination.manifest.consumer_table import ConsumerTable

        return ConsumerTable(self._database, self.durable_transaction, str(destination))

    def acceptances(self) -> AcceptanceTable:
        """Return the accepted problems."""
        return AcceptanceTable(self._database, self.durable_transaction)

    def unfinished_runs(self) -> frozenset[int]:
        """Return the runs that have not ended: killed ones, and the one that works."""
        return frozenset(run for (run,) in self._database.execute("SELECT run FROM runs WHERE ended_at IS NULL"))

    def record_heartbeat(self, heartbeat: Heartbeat) -> None:
        """Record the end of a verb; its last success stays where this end was none. Raises DestinationUnusable."""
        with self._transaction() as database:
            database.execute(
                "INSERT INTO heartbeats(verb, succeeded_at, ended_at, exit_code) VALUES (?, ?, ?, ?)"
                " ON CONFLICT(verb) DO UPDATE SET ended_at = excluded.ended_at, exit_code = excluded.exit_code,"
                " succeeded_at = coalesce(excluded.succeeded_at, succeeded_at)",
                heartbeat,
            )

    def heartbeats(self) -> tuple[Heartbeat, ...]:
        """Return the last end and success of every verb, by name."""
        found = self._database.execute("SELECT verb, succeeded_at, ended_at, exit_code FROM heartbeats ORDER BY verb")
        return tuple(Heartbeat(*row) for row in found)

    def newest_deliveries(self) -> Iterator[tuple[str, float, float]]:
        """Yield key, time of delivery and time of landing of every landed object, in no order."""
        yield from self._database.execute(
            "SELECT key, last_modified, landed_at FROM objects WHERE origin = 'delivered'"
        )

    @contextlib.contextmanager
    def durable_transaction(self) -> Iterator[sqlite3.Connection]:
        """Yield the database in a transaction that is on the disk when it ends. Raises DestinationUnusable."""
        with self._synchronously(), self._transaction() as database:
            yield database

    @contextlib.contextmanager
    def _synchronously(self) -> Iterator[None]:
        self._database.execute("PRAGMA synchronous = FULL")
        try:
            yield
        finally:
            self._database.execute("PRAGMA synchronous = NORMAL")

    def reserve_seqs(self) -> None:
        """See to it that there are numbers for what lands next: once it has, the disk may be too full to reserve any.

        Raises DestinationUnusable when it is already.
        """
        if self._reserved - self._next_seq < _SEQUENCE_BLOCK // 2:
            # FULL: the reservation must be on the disk before any of its numbers is visible.
            self._durably("reserved", str(self._next_seq + _SEQUENCE_BLOCK))
            self._reserved = self._next_seq + _SEQUENCE_BLOCK

    def take_seq(self) -> int:
        """Return the next sequence number. Raises like ``reserve_seqs`` where none is reserved."""
        if self._next_seq > self._reserved:
            self.reserve_seqs()
        seq = self._next_seq
        self._next_seq += 1
        return seq

    def _durably(self, name: str, value: str) -> None:
        with self._synchronously():
            self._set(name, value)

    # Durable barriers

    def barrier(self) -> int:
        """Return the sequence number up to which landed files are known to be on the disk."""
        return int(self._setting("barrier") or 0)

    def set_barrier(self, seq: int) -> None:
        """Record, durably, that every file landed up to ``seq`` is on the disk."""
        self._durably("barrier", str(seq))

    def landed_after(self, seq: int) -> list[LandedRow]:
        """Return the rows with a higher sequence number that are not evicted, in order."""
        found = self._database.execute(
            f"SELECT {_OBJECT_COLUMNS} FROM objects WHERE seq > ? AND evicted = 0 ORDER BY seq", (seq,)
        )
        return [LandedRow(*row) for row in found]

    def distrust(self, keys: Iterable[str]) -> None:
        """Make the next plan fetch these keys again, because their files are not what was landed."""
        self._database.executemany("UPDATE objects SET mtime_ns = -1 WHERE key = ?", ((key,) for key in keys))

    def quarantined_by_unfinished_run(self) -> list[ProblemRow]:
        """Return the quarantined objects of the newest run, when that was killed or is not known to have ended."""
        newest = self.runs(1)
        if not newest or newest[0].ended_at is not None:
            return []
        found = self._database.execute(
            f"SELECT {_PROBLEM_COLUMNS} FROM problems WHERE run = ? AND outcome = 'quarantined'", (newest[0].run,)
        )
        return [ProblemRow(*row) for row in found]

    def distrust_quarantined(self, keys: Iterable[str]) -> None:
        """Make the next plan look at these quarantined objects again, and fetch those whose bytes are not there."""
        self._database.executemany("UPDATE problems SET fingerprint = '' WHERE key = ?", ((key,) for key in keys))

    # Recording

    def record(
        self,
        landed: Sequence[LandedRow],
        problems: Sequence[ProblemRow],
        *,
        solved: Iterable[str] = (),
        versions: Sequence[VersionRow] = (),
        gone: Iterable[str] = (),
        returned: Iterable[str] = (),
        removed: Iterable[str] = (),
    ) -> None:
        """Write a batch in one transaction.

        ``solved`` are keys whose problem is over, ``gone`` those a complete listing lacks, ``returned`` those that
        came back, ``removed`` those whose row is over. Raises DestinationUnusable when the disk is full.
        """
        database = self._database
        with self._explained():
            database.execute("BEGIN IMMEDIATE")
            try:
                database.executemany("DELETE FROM problems WHERE key = ?", ((key,) for key in solved))
                gone_rescued = [(key, "", -1) for key in removed]
                database.executemany(_NOTE_SUPERSEDED, gone_rescued)
                database.executemany("DELETE FROM objects WHERE key = ?", (each[:1] for each in gone_rescued))
                database.executemany(
                    "INSERT OR REPLACE INTO versions(key, seq, etag, path, digest) VALUES (?, ?, ?, ?, ?)", versions
                )
                database.executemany(_NOTE_SUPERSEDED, ((row.key, row.etag, row.size) for row in landed))
                database.executemany(_UPSERT_OBJECT, landed)
                database.executemany(_UPSERT_PROBLEM, problems)
                now = time.time()
                database.executemany(_MARK_GONE, ((now, key) for key in gone))
                database.executemany(
                    "UPDATE objects SET gone = 0, gone_at = NULL WHERE key = ?", ((key,) for key in returned)
                )
                epoch = self._epoch
                if landed:
                    seqs = [row.seq for row in landed]
                    epoch = record_epoch(database, epoch, min(seqs), max(seqs))
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")
        self._epoch = epoch

    def evict(self, rows: Iterable[LandedRow]) -> None:
        """Mark these versions as freed here on purpose. Raises DestinationUnusable when the disk is full."""
        with self._transaction() as database:
            database.executemany(
                "UPDATE objects SET evicted = 1 WHERE key = ? AND seq = ?", ((row.key, row.seq) for row in rows)
            )

    def purge(self, chosen: Sequence[tuple[str, str | None]]) -> None:
        """Replace everything known of these keys, each with its task, by tombstones. Raises DestinationUnusable.

        What is deleted is overwritten, in the database and in its log.
        """
        from harvester.destination.manifest.erasure import tombstone_of, write_tombstones

        self.begin_numbering()
        self.reserve_seqs()
        with self._explained():
            self._database.execute("PRAGMA secure_delete = ON")
        with self.durable_transaction() as database:
            tombstones = []
            for key, task_id in chosen:
                row, problem = self.landed_row(key), self.problem(key)
                version = "" if problem is None else problem.etag
                tombstones.append(tombstone_of(key, row, version, task_id, self.take_seq()))
            write_tombstones(database, tombstones)
            epoch = record_epoch(database, self._epoch, tombstones[0].seq, tombstones[-1].seq)
        self._epoch = epoch
        self.release_numbers()
        with self._explained():
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def compact(self, rows: Sequence[LandedRow], passed_by_all: int) -> int:
        """Drop rows, keeping counts per day, and replaced versions up to ``passed_by_all``; return how many rows."""
        from harvester.destination.manifest.erasure import drop_rows

        with self._transaction() as database:
            dropped = drop_rows(database, rows, passed_by_all)
        with self._explained():
            self._database.execute("VACUUM")
        return dropped

    def rebind(self, binding: SourceBinding, old_prefix: str, new_prefix: str) -> None:
        """Bind to another location, whose keys have another prefix. Raises DestinationUnusable."""
        with self.durable_transaction() as database:
            if old_prefix != new_prefix:
                for table in ("objects", "problems", "versions", "tombstones"):
                    # In two steps: a new key may still be the old one of another row.
                    database.execute(
                        f"UPDATE {table} SET key = char(1) || ? || substr(key, ?)"
                        " WHERE substr(key, 1, ?) = ? AND substr(key, 1, ?) <> ?",
                        (new_prefix, len(old_prefix) + 1, len(old_prefix), old_prefix, len(RESCUED_KEY), RESCUED_KEY),
                    )
                    database.execute(f"UPDATE {table} SET key = substr(key, 2) WHERE substr(key, 1, 1) = char(1)")
            self._write_binding(binding)

    def forget_quarantined(self, keys: Iterable[str]) -> None:
        """Record that the quarantined bytes of these keys are gone. Raises DestinationUnusable."""
        with self._transaction() as database:
            database.executemany("UPDATE problems SET path = NULL, digest = NULL WHERE key = ?", ((k,) for k in keys))

    def forget_versions(self, versions: Iterable[tuple[str, int]]) -> None:
        """Record that these kept versions, by key and sequence number, are gone. Raises DestinationUnusable."""
        with self._transaction() as database:
            database.executemany("DELETE FROM versions WHERE key = ? AND seq = ?", versions)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Yield the database in a transaction; raises what ``_explained`` makes of its errors."""
        with self._explained():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    # Reading

    def is_empty(self) -> bool:
        """Return whether nothing has ever landed here."""
        return self._database.execute("SELECT 1 FROM objects LIMIT 1").fetchone() is None

    def count_rows(self) -> int:
        """Return how many objects have a row."""
        (found,) = self._database.execute("SELECT count(*) FROM objects").fetchone()
        return int(found)

    def landed(self, start: str = "", end: str | None = None) -> Iterator[LandedRow]:
        """Yield landed rows with ``start`` <= key < ``end`` in byte order of the key, reading a chunk at a time.

        Rows written for keys already passed do not disturb the iteration.
        """
        return self._chunks("objects", LandedRow, start, end)

    def known(self, start: str = "", end: str | None = None) -> Iterator[KnownRow]:
        """Yield what a plan needs of the rows that ``landed`` yields."""
        return self._chunks("objects", KnownRow, start, end)

    def problems(self, start: str = "", end: str | None = None) -> Iterator[ProblemRow]:
        """Yield problems with ``start`` <= key < ``end`` in byte order of the key, reading a chunk at a time."""
        return self._chunks("problems", ProblemRow, start, end)

    def _chunks(self, table: str, row_type: type[_Row], start: str, end: str | None) -> Iterator[_Row]:
        columns = ", ".join(row_type._fields)
        comparison = ">="
        while True:
            query = (
                f"SELECT {columns} FROM {table} WHERE key {comparison} ? AND key < ? ORDER BY key LIMIT {_CHUNK_ROWS}"
            )
            chunk = self._database.execute(query, (start, end if end is not None else _AFTER_ALL_KEYS)).fetchall()
            yield from map(row_type._make, chunk)
            if len(chunk) < _CHUNK_ROWS:
                return
            start, comparison = chunk[-1][0], ">"

    def landed_by_seq(self, after: int = 0, *, run: int | None = None) -> Iterator[LandedRow]:
        """Yield landed rows with a higher sequence number, in order; only those of ``run`` when given."""
        while True:
            chunk = self._database.execute(
                f"SELECT {_OBJECT_COLUMNS} FROM objects WHERE seq > ? AND (? IS NULL OR run = ?)"
                f" ORDER BY seq LIMIT {_CHUNK_ROWS}",
                (after, run, run),
            ).fetchall()
            yield from map(LandedRow._make, chunk)
            if len(chunk) < _CHUNK_ROWS:
                return
            after = LandedRow._make(chunk[-1]).seq

    def superseded_between(self, after: int, through: int) -> int:
        """Return how many versions with ``after`` < sequence number <= ``through`` were replaced by newer ones."""
        (found,) = self._database.execute(
            "SELECT count(*) FROM superseded WHERE seq > ? AND seq <= ?", (after, through)
        ).fetchone()
        return int(found)

    def tombstones(self, after: int = 0, through: int = _ALL_SEQS) -> list[Tombstone]:
        """Return the tombstones with ``after`` < sequence number <= ``through``, in order."""
        found = self._database.execute(
            "SELECT key, task_id, version, seq, purged_at FROM tombstones WHERE seq > ? AND seq <= ? ORDER BY seq",
            (after, through),
        )
        return [Tombstone(*row) for row in found]

    def landed_row(self, key: str) -> LandedRow | None:
        """Return the row of ``key``, or None."""
        return self._one("objects", LandedRow, key)

    def known_row(self, key: str) -> KnownRow | None:
        """Return what a plan needs of the row of ``key``, or None."""
        return self._one("objects", KnownRow, key)

    def problem(self, key: str) -> ProblemRow | None:
        """Return the problem of ``key``, or None."""
        return self._one("problems", ProblemRow, key)

    def _one(self, table: str, row_type: type[_Row], key: str) -> _Row | None:
        columns = ", ".join(row_type._fields)
        found: Any = self._database.execute(f"SELECT {columns} FROM {table} WHERE key = ?", (key,)).fetchone()
        return None if found is None else row_type._make(found)

    def rescued(self) -> dict[str, LandedRow]:
        """Return the rescued results by task id."""
        rows = self.landed(RESCUED_KEY, _AFTER_RESCUED)
        return {row.task_id: row for row in rows if row.task_id is not None and row.origin == "rescued"}

    def rescue_problems(self) -> dict[str, ProblemRow]:
        """Return the rescued results that turned out invalid, by task id."""
        rows = self.problems(RESCUED_KEY, _AFTER_RESCUED)
        return {row.key.removeprefix(RESCUED_KEY): row for row in rows}

    def owner_of(self, path: str) -> str | None:
        """Return the key whose object lies at ``path``, or None."""
        found = self._database.execute("SELECT key FROM objects WHERE path = ?", (path,)).fetchone()
        return None if found is None else str(found[0])

    def owns_below(self, path: str) -> bool:
        """Return whether any object lies below ``path`` taken as a directory."""
        found = self._database.execute(
            "SELECT 1 FROM objects WHERE path >= ? AND path < ? LIMIT 1", (path + "/", path + "0")
        )
        return found.fetchone() is not None

    def versions(self) -> Iterator[VersionRow]:
        """Yield the older versions that were moved aside."""
        for row in self._database.execute("SELECT key, seq, etag, path, digest FROM versions ORDER BY key, seq"):
            yield VersionRow(*row)

    def totals(self) -> dict[str, int]:
        """Return how many objects are landed, evicted and gone at the source, and how many bytes lie here."""
        row = self._database.execute(
            "SELECT count(*), coalesce(sum(evicted), 0), coalesce(sum(gone), 0),"
            " coalesce(sum(CASE WHEN evicted THEN 0 ELSE content_size END), 0) FROM objects"
        ).fetchone()
        return dict(zip(("landed", "evicted", "source_gone", "bytes"), row, strict=True))


def manifest_error(error: sqlite3.DatabaseError, path: Path) -> HarvesterError:
    """Return this program's error for one of SQLite about the manifest at ``path``."""
    extended = getattr(error, "sqlite_errorcode", 0)
    code = extended & 0xFF
    if extended in _NO_SHARED_MEMORY:
        return DestinationUnusable(
            f"the manifest {path} is on a file system without shared memory",
            cause=f"{error}; network and bucket file systems often have none",
            code=ErrorCode.STATE_NEEDS_LOCAL_DISK,
            subject=str(path),
        )
    if code == sqlite3.SQLITE_FULL:
        found = os.statvfs(path.parent)
        return DestinationUnusable(
            f"the disk that holds {path} is full",
            cause=f"{found.f_bavail * found.f_frsize:,} bytes and {found.f_favail:,} inodes are free",
            code=ErrorCode.DISK_FULL,
            subject=str(path),
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM):
        return DestinationUnusable(
            f"cannot write the manifest {path}",
            cause=str(error),
            code=ErrorCode.MANIFEST_NOT_WRITTEN,
            subject=str(path),
        )
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return IntegrityError(
            f"{path} is not a readable manifest",
            cause=str(error),
            code=ErrorCode.MANIFEST_UNREADABLE,
            subject=str(path),
        )
    return ConfigurationError(f"the manifest {path} could not be used", cause=str(error))
