"""The rows of a destination as a source of exports and profiles."""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from harvester.destination import (
    CompiledFilter,
    EpochRow,
    LandedRow,
    Manifest,
    NoFollowTree,
    RowFilter,
    Tombstone,
    check_landed_path,
    destination_error,
    end_of,
    epoch_of,
    is_as_landed,
    newest_position,
    parse_position,
    read_destination,
    share_destination,
    shown_key,
)
from harvester.error_codes import ErrorCode
from harvester.errors import ConfigurationError, DestinationUnusable, IntegrityError
from harvester.location import parse_location
from harvester.results import BrokenRows, Shape, numbered_rows
from harvester.tables.row_source import SourceObject
from harvester.tables.table_columns import PURGED, SHAPES, ObjectFacts, TableName

TABLE_OF: Final = {shape.value: table for table, shapes in SHAPES.items() for shape in shapes}
"""The table of each shape that has rows."""
_ALTERED: Final = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


@contextmanager
def open_rows(destination: Path, state_dir: Path | None = None) -> Iterator[DestinationRows]:
    """Open a destination for reading, without its lock. Raises ConfigurationError when it was never synced."""
    with read_destination(destination, state_dir) as opened:
        yield DestinationRows(destination, state_dir, opened.root, opened.manifest)


class DestinationRows:
    """The objects of one open destination."""

    def __init__(self, destination: Path, state_dir: Path | None, root: Path, manifest: Manifest) -> None:
        """Take an open manifest. Raises ConfigurationError for a destination without an id."""
        identity = manifest.identity()
        if identity is None:
            raise ConfigurationError(
                f"{destination} has no id yet",
                cause="an older version made it; the next sync gives it one",
                code=ErrorCode.DESTINATION_ID_INVALID,
                subject=str(destination),
            )
        self._dest_id = identity.id
        self._destination = destination
        self._state_dir = state_dir
        self._manifest = manifest
        self._tree = NoFollowTree(root)
        self._epochs: list[EpochRow] = []

    @property
    def dest_id(self) -> str:
        """The id of the destination."""
        return self._dest_id

    @property
    def location(self) -> str:
        """The location that the destination mirrors; empty before the first run."""
        bound = self._manifest.binding()
        return "" if bound is None else bound.url

    def check(self, position: str, passed: Iterable[str] = ()) -> None:
        """Raise ForeignPosition for a position of another history, UsageError for none; ``passed`` came before it."""
        self._manifest.check_position(parse_position(position), self._destination, map(parse_position, passed))

    def newest(self) -> str:
        """Return the end of everything that has landed."""
        return str(newest_position(self._manifest.epochs()))

    def acknowledge(self, consumer: str, position: str) -> None:
        """Move a consumer forward, creating it at the beginning. Raises DestinationUnusable (read-only)."""
        with share_destination(self._destination, self._state_dir) as opened:
            table = opened.manifest.consumers(self._destination)
            # Another export may create it at the same time.
            table.create_if_absent(consumer, RowFilter().to_json(), parse_position("0"))
            table.acknowledge(consumer, parse_position(position))

    def objects(self, after: str, table: TableName | None = None) -> Iterator[SourceObject]:
        """Yield the objects of a table, or of all, and every tombstone, with rows after a position, oldest first."""
        start = parse_position(after)
        # The last object may have rows left.
        passed = start.seq if start.ends_object else start.seq - 1
        # In steps to what is recorded when a step begins: of what comes meanwhile, a tombstone must not be yielded
        # before an object with a lower number.
        while (last := self._last_seq()) > passed:
            tombstones = deque(self._manifest.tombstones(passed, last))
            for row in self._manifest.landed_by_seq(passed):
                if row.seq > last:
                    break
                while tombstones and tombstones[0].seq < row.seq:
                    yield self._tombstone(tombstones.popleft())
                if row.shape in TABLE_OF and (table is None or TABLE_OF[row.shape] is table):
                    yield self._object(row)
            yield from map(self._tombstone, tombstones)
            passed = last

    def position_of(self, consumer: str) -> str:
        """Return what a consumer has acknowledged. Raises UsageError when there is no such consumer."""
        return str(self._manifest.consumers(self._destination).get(consumer).position)

    def objects_of(self, consumer: str) -> Iterator[SourceObject]:
        """Yield the objects that a consumer has not acknowledged to their end, within its filter.

        Raises UsageError when there is no such consumer.
        """
        known = self._manifest.consumers(self._destination).get(consumer)
        bound = self._manifest.binding()
        prefix = "" if bound is None else parse_location(bound.url).prefix
        wanted = CompiledFilter(RowFilter.from_json(known.filter), prefix)
        position = known.position
        for row in self._manifest.landed_by_seq(position.seq if position.ends_object else position.seq - 1):
            if row.shape in TABLE_OF and wanted.selects(row):
                passed = position.row if row.seq == position.seq else -1
                found = self._object(row)
                yield found._replace(rows=partial(_selected, found, passed, wanted))

    def _object(self, row: LandedRow) -> SourceObject:
        facts = ObjectFacts(
            seq=row.seq,
            key=shown_key(row.key),
            version=row.version,
            task_id=row.task_id,
            source=row.origin,
            dest_id=self._dest_id,
            sync_run=row.run,
            landed_at=row.landed_at,
            delivered_at=row.last_modified,
            shape=row.shape,
        )
        return SourceObject(
            facts, self._end(row.seq), row.path, row.content_size, bool(row.evicted), lambda: self._rows(row)
        )

    def _rows(self, row: LandedRow) -> Iterator[tuple[int, bytes]]:
        """Yield the numbered rows of an object; none if a session has replaced it meanwhile.

        Raises IntegrityError for a file that is missing or altered, DestinationUnusable for one that was evicted
        meanwhile, or that the operating system refuses.
        """
        try:
            yield from self._read(row)
        except OSError as error:
            raise destination_error(self._destination, error) from error

    def _read(self, row: LandedRow) -> Iterator[tuple[int, bytes]]:
        check_landed_path(row.path)
        try:
            path = Path(self._tree.whole_path(row.path))
            intact = is_as_landed(path, row)
        except OSError as error:
            if error.errno not in _ALTERED:
                raise
            intact = False
        if not intact:
            now = self._manifest.landed_row(row.key)
            if now is None or now.seq != row.seq:
                return
            if now.evicted:
                raise DestinationUnusable(
                    f"{row.path} was evicted while it was read",
                    code=ErrorCode.EXPORT_BEHIND_EVICTED,
                    subject=str(self._destination),
                )
            raise IntegrityError(
                f"{row.path} is not what was landed", code=ErrorCode.FILES_DAMAGED, subject=str(self._destination)
            )
        for number, text in numbered_rows(path, None if row.shape is None else Shape(row.shape)):
            if not isinstance(text, BrokenRows):
                yield number, text

    def _last_seq(self) -> int:
        epochs = self._manifest.epochs()
        return epochs[-1].last_seq if epochs else 0

    def _tombstone(self, found: Tombstone) -> SourceObject:
        facts = ObjectFacts(
            seq=found.seq,
            key=shown_key(found.key),
            version=found.version,
            task_id=found.task_id,
            source=PURGED,
            dest_id=self._dest_id,
            sync_run=0,
            landed_at=found.purged_at,
            delivered_at=None,
            shape=None,
        )
        return SourceObject(facts, self._end(found.seq), "", 0, evicted=False, rows=lambda: iter(()))

    def _end(self, seq: int) -> str:
        if not self._epochs or seq > self._epochs[-1].last_seq:
            # Landed since: its epoch is recorded in the transaction of its row.
            self._epochs = self._manifest.epochs()
        return str(end_of(epoch_of(self._epochs, seq), seq))


def _selected(found: SourceObject, passed: int, wanted: CompiledFilter) -> Iterator[tuple[int, bytes]]:
    return ((number, text) for number, text in found.rows() if number > passed and wanted.selects_row(text))
