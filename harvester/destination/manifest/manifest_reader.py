"""Queries of a manifest: objects, problems, versions, runs, epochs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from harvester.destination.manifest.acceptances import AcceptanceTable
from harvester.destination.manifest.database import ManifestDatabase, UnreadableRow
from harvester.destination.manifest.epochs import check_position, read_epochs
from harvester.destination.manifest.row_checks import checked_number, checked_object, checked_row, checked_rows
from harvester.destination.manifest.row_types import (
    RESCUED_KEY,
    DeliveryTimes,
    EpochRow,
    Heartbeat,
    KnownRow,
    LandedRow,
    LandingFacts,
    ProblemRow,
    RunRow,
    Tombstone,
    VersionRow,
)
from harvester.destination.manifest.source_binding import SourceBinding, StateIdentity, binding_to
from harvester.destination.positions import Position

if TYPE_CHECKING:
    from harvester.destination.manifest.consumer_table import ConsumerTable
    from harvester.destination.manifest.page_table import PageTable

_Row = TypeVar("_Row", LandedRow, KnownRow, ProblemRow)
_Facts = TypeVar("_Facts", DeliveryTimes, LandingFacts)
_OBJECT_COLUMNS = ", ".join(LandedRow._fields)
_PROBLEM_COLUMNS = ", ".join(ProblemRow._fields)
_CHUNK_ROWS = 2_000
_ALL_SEQS = 10**12
# Above every character a key can hold: an exclusive upper bound for "all keys".
_AFTER_ALL_KEYS = "\U0010ffff" * 1025  # longer than any key: of S3 and GCS 1,024 bytes, a path 4,096
_AFTER_RESCUED = RESCUED_KEY[:-1] + chr(ord(RESCUED_KEY[-1]) + 1)


class ManifestReader(ManifestDatabase):
    """The queries of a manifest. `Manifest` adds what changes it."""

    def start_after(self) -> float | None:
        """Return the time until which objects belong to a backfill, seconds since the epoch; None without one."""
        known = self._setting("start_after")
        try:
            return None if known is None else float(known)
        except ValueError as error:
            raise UnreadableRow("start_after is no number") from error

    def checked_schema(self) -> str:
        """Return the fingerprint under which everything here was last checked; empty before the first run."""
        return self._setting("checked_schema") or ""

    def identity(self) -> StateIdentity | None:
        """Return the id of the destination this state belongs to and where it was last opened; None before that."""
        known = self._setting("destination_id")
        return None if known is None else StateIdentity(known, self._setting("destination_root") or "")

    def binding(self) -> SourceBinding | None:
        """Return what this destination is a copy of, None before the first run."""
        stored = self._setting("source")
        if stored is None:
            return None
        fields = checked_object(stored, "source")
        url, endpoint = fields.get("url"), fields.get("endpoint")
        if not isinstance(url, str) or not isinstance(endpoint, str):
            raise UnreadableRow("source names no location")
        return binding_to(url, endpoint, keep_compressed=fields.get("keep_compressed") is True)

    def barrier(self) -> int:
        """Return the sequence number up to which landed files are known to be on the disk."""
        return checked_number(self._setting("barrier"), "barrier")

    def runs(self, limit: int = 10) -> list[RunRow]:
        """Return the newest runs, newest first."""
        found = self._database.execute(
            "SELECT run, started_at, ended_at, exit_code, report FROM runs ORDER BY run DESC LIMIT ?", (limit,)
        )
        runs = list(checked_rows(RunRow, found.fetchall()))
        for run in runs:
            if run.report is not None:
                checked_object(run.report, f"the report of run {run.run}")
        return runs

    def unfinished_runs(self) -> frozenset[int]:
        """Return the runs that have not ended: killed ones, and the one that works."""
        return frozenset(run for (run,) in self._database.execute("SELECT run FROM runs WHERE ended_at IS NULL"))

    def last_seq(self) -> int:
        """Return the highest sequence number in use, 0 when nothing has landed."""
        # Of an epoch, not of an object: the newest object may have been purged.
        return max((each.last_seq for each in self.epochs()), default=0)

    def epochs(self) -> list[EpochRow]:
        """Return all epochs, oldest first."""
        return read_epochs(self._database)

    def check_position(self, position: Position, destination: Path, passed: Iterable[Position] = ()) -> None:
        """Raise ForeignPosition unless this destination gave out ``position``; ``passed`` came before it."""
        check_position(self.epochs(), position, str(destination), passed)

    def consumers(self, destination: Path) -> ConsumerTable:
        """Return the consumers; ``destination`` is named in errors."""
        # Loaded by what reads or erases: a sync needs none of it.
        from harvester.destination.manifest.consumer_table import ConsumerTable

        return ConsumerTable(self._database, self.durable_transaction, str(destination))

    def pages(self) -> PageTable:
        """Return the known pages of the last listing."""
        # Loaded by the runs that list everything.
        from harvester.destination.manifest.page_table import PageTable

        return PageTable(self._database, self._transaction)

    def acceptances(self) -> AcceptanceTable:
        """Return the accepted problems."""
        return AcceptanceTable(self._database, self.durable_transaction)

    def heartbeats(self) -> tuple[Heartbeat, ...]:
        """Return the last end and success of every verb, by name."""
        found = self._database.execute("SELECT verb, succeeded_at, ended_at, exit_code FROM heartbeats ORDER BY verb")
        return tuple(checked_rows(Heartbeat, found.fetchall()))

    def newest_deliveries(self) -> Iterator[DeliveryTimes]:
        """Yield key, agent, time of delivery and time of landing of every landed object, in no order."""
        return self._all(DeliveryTimes, "WHERE origin = 'delivered'")

    def landings(self) -> Iterator[LandingFacts]:
        """Yield time of landing, time of delivery, size as landed and status of every landed object, in no order."""
        return self._all(LandingFacts)

    def _all(self, row_type: type[_Facts], condition: str = "") -> Iterator[_Facts]:
        found = self._database.execute(f"SELECT {', '.join(row_type._fields)} FROM objects {condition}")
        while chunk := found.fetchmany(_CHUNK_ROWS):
            yield from checked_rows(row_type, chunk)

    def is_empty(self) -> bool:
        """Return whether nothing has ever landed here."""
        return self._database.execute("SELECT 1 FROM objects LIMIT 1").fetchone() is None

    def count_rows(self) -> int:
        """Return how many objects have a row, or had one that was dropped."""
        (found,) = self._database.execute("SELECT count(*) FROM objects").fetchone()
        return int(found) + self.dropped_rows()

    def count_landed_since(self, seq: int) -> int:
        """Return how many objects have a row with ``seq`` or a higher sequence number, or had one that was dropped."""
        (found,) = self._database.execute("SELECT count(*) FROM objects WHERE seq >= ?", (seq,)).fetchone()
        return int(found) + self.dropped_rows()

    def dropped_rows(self) -> int:
        """Return how many rows `Manifest.drop_freed` has dropped."""
        return int(self._setting("dropped_rows") or 0)

    def totals(self) -> dict[str, int]:
        """Return how many objects are landed, evicted and gone at the source, the bytes here, and non-finite values."""
        row = self._database.execute(
            "SELECT count(*), coalesce(sum(evicted), 0), coalesce(sum(gone), 0),"
            " coalesce(sum(CASE WHEN evicted THEN 0 ELSE content_size END), 0), coalesce(sum(non_finite), 0)"
            " FROM objects"
        ).fetchone()
        return dict(zip(("landed", "evicted", "source_gone", "bytes", "non_finite"), row, strict=True))

    def count_known_objects(self) -> int:
        """Return how many keys have a row or a problem."""
        (found,) = self._database.execute(
            "SELECT (SELECT count(*) FROM objects) + (SELECT count(*) FROM problems"
            " WHERE NOT EXISTS (SELECT 1 FROM objects WHERE objects.key = problems.key))"
        ).fetchone()
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
            yield from checked_rows(row_type, chunk)
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
            yield from checked_rows(LandedRow, chunk)
            if len(chunk) < _CHUNK_ROWS:
                return
            after = LandedRow._make(chunk[-1]).seq

    def landed_after(self, seq: int) -> list[LandedRow]:
        """Return the rows with a higher sequence number that are not evicted, in order."""
        found = self._database.execute(
            f"SELECT {_OBJECT_COLUMNS} FROM objects WHERE seq > ? AND evicted = 0 ORDER BY seq", (seq,)
        )
        return list(checked_rows(LandedRow, found.fetchall()))

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
        found = self._database.execute(f"SELECT {columns} FROM {table} WHERE key = ?", (key,)).fetchone()
        return checked_row(row_type, found)

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
        return list(checked_rows(Tombstone, found.fetchall()))

    def rescued(self) -> dict[str, LandedRow]:
        """Return the rescued results by task id."""
        rows = self.landed(RESCUED_KEY, _AFTER_RESCUED)
        return {row.task_id: row for row in rows if row.task_id is not None and row.origin == "rescued"}

    def rescue_problems(self) -> dict[str, ProblemRow]:
        """Return the rescued results that turned out invalid, by task id."""
        rows = self.problems(RESCUED_KEY, _AFTER_RESCUED)
        return {row.key.removeprefix(RESCUED_KEY): row for row in rows}

    def quarantined_by_unfinished_run(self) -> list[ProblemRow]:
        """Return the quarantined objects of the newest run, when that was killed or is not known to have ended."""
        newest = self.runs(1)
        if not newest or newest[0].ended_at is not None:
            return []
        found = self._database.execute(
            f"SELECT {_PROBLEM_COLUMNS} FROM problems WHERE run = ? AND outcome = 'quarantined'", (newest[0].run,)
        )
        return list(checked_rows(ProblemRow, found.fetchall()))

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
        found = self._database.execute("SELECT key, seq, etag, path, digest FROM versions ORDER BY key, seq")
        yield from checked_rows(VersionRow, found.fetchall())
