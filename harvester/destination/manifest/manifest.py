"""The manifest: what has landed, what is wrong, which runs there were.

Durability: a row is written after its file was renamed into place, so no row outlives its file when the process
dies. Against a power cut, ``barrier`` names the sequence number up to which files are known to be on the disk; what
landed later is read again before it is trusted. Sequence numbers are reserved durably ahead of use, so that none
is ever given twice, even when the newest rows were lost.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from harvester.destination.manifest.epochs import record_epoch
from harvester.destination.manifest.manifest_reader import ManifestReader
from harvester.destination.manifest.row_checks import checked_number
from harvester.destination.manifest.row_types import (
    RESCUED_KEY,
    Heartbeat,
    LandedRow,
    ProblemRow,
    VersionRow,
)
from harvester.destination.manifest.source_binding import SourceBinding, StateIdentity
from harvester.error_codes import ErrorCode
from harvester.errors import UsageError

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


class Manifest(ManifestReader):
    """The open manifest of one destination. One writer at a time (see DestinationLock), readers at any time."""

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        """See ManifestDatabase."""
        super().__init__(path, readonly=readonly)
        self._next_seq = 0
        self._reserved = 0
        self._epoch = ""

    def set_checked_schema(self, fingerprint: str) -> None:
        """Record the fingerprint under which everything here was checked."""
        self._set("checked_schema", fingerprint)

    def set_start_after(self, moment: float) -> None:
        """Record the time, seconds since the epoch, until which objects belong to a backfill. Durable."""
        self._durably("start_after", repr(moment))

    def set_identity(self, identity: StateIdentity) -> None:
        """Record the destination that this state belongs to."""
        with self.durable_transaction():
            self._set("destination_id", identity.id)
            self._set("destination_root", identity.root)

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

    def begin_run(self) -> int:
        """Start a run and return its number. Raises DestinationUnusable when the disk is full."""
        with self._transaction() as database:
            (run,) = database.execute("SELECT coalesce(max(run), 0) + 1 FROM runs").fetchone()
            database.execute("INSERT INTO runs(run, started_at) VALUES (?, ?)", (run, time.time()))
            self.begin_numbering()
        return int(run)

    def begin_numbering(self) -> None:
        """Go on after the highest sequence number in use or reserved; for the holder of the destination."""
        self._next_seq = max(self.last_seq(), checked_number(self._setting("reserved"), "reserved")) + 1
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
        with self._transaction() as database:
            database.execute(
                "UPDATE runs SET ended_at = ?, exit_code = ?, report = ? WHERE run = ?",
                (time.time(), exit_code, report, run),
            )
            self.release_numbers()

    def record_heartbeat(self, heartbeat: Heartbeat) -> None:
        """Record the end of a verb; its last success stays where this end was none. Raises DestinationUnusable."""
        with self._transaction() as database:
            database.execute(
                "INSERT INTO heartbeats(verb, succeeded_at, ended_at, exit_code) VALUES (?, ?, ?, ?)"
                " ON CONFLICT(verb) DO UPDATE SET ended_at = excluded.ended_at, exit_code = excluded.exit_code,"
                " succeeded_at = coalesce(excluded.succeeded_at, succeeded_at)",
                heartbeat,
            )

    def reserve_seqs(self) -> None:
        """Reserve numbers for what lands next: afterwards the disk may be too full to reserve any.

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

    def set_barrier(self, seq: int) -> None:
        """Record, durably, that every file landed up to ``seq`` is on the disk."""
        self._durably("barrier", str(seq))

    def distrust(self, keys: Iterable[str]) -> None:
        """Make the next plan fetch these keys again, because their files are not what was landed."""
        self._database.executemany("UPDATE objects SET mtime_ns = -1 WHERE key = ?", ((key,) for key in keys))

    def distrust_quarantined(self, keys: Iterable[str]) -> None:
        """Make the next plan consider these quarantined objects again, and fetch those whose bytes are not there."""
        self._database.executemany("UPDATE problems SET fingerprint = '' WHERE key = ?", ((key,) for key in keys))

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
        with self._undone_in_memory(), self._transaction() as database:
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
        self._epoch = epoch

    @contextlib.contextmanager
    def _undone_in_memory(self) -> Iterator[None]:
        """Let SQLite copy in memory what it could have to undo of one statement, for statements of one row each.

        It copies every page that a statement changes, of a table with triggers and unique columns: into a file else,
        three pages a row. What must outlive this process is in the log of the transaction.
        """
        self._database.execute("PRAGMA temp_store = MEMORY")
        try:
            yield
        finally:
            self._database.execute("PRAGMA temp_store = DEFAULT")

    def evict(self, rows: Iterable[LandedRow]) -> None:
        """Mark these versions as freed here on purpose. Raises DestinationUnusable when the disk is full."""
        with self._transaction() as database:
            database.executemany(
                "UPDATE objects SET evicted = 1 WHERE key = ? AND seq = ?", ((row.key, row.seq) for row in rows)
            )

    def drop_freed(self, through: int) -> None:
        """Drop the rows of freed objects up to a sequence number, of a destination that does not last; count them.

        Raises DestinationUnusable when the disk is full.
        """
        with self._transaction() as database:
            count = database.execute("DELETE FROM objects WHERE evicted = 1 AND seq <= ?", (through,)).rowcount
            self._set("dropped_rows", str(self.dropped_rows() + count))

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
