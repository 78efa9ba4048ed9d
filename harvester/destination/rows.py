"""Read landed rows in the order they landed, after a position."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from harvester.destination.crash_recovery import file_digest
from harvester.destination.manifest import (
    EpochRow,
    LandedRow,
    Manifest,
    ProblemRow,
    SourceBinding,
    epoch_of,
    newest_position,
    shown_key,
)
from harvester.destination.opened import read_destination
from harvester.destination.paths import check_landed_path
from harvester.destination.positions import BEGINNING, Position, end_of, parse_position
from harvester.destination.row_filter import CompiledFilter, RowFilter
from harvester.destination.tree import NoFollowTree
from harvester.error_codes import ErrorCode
from harvester.errors import HarvesterError, IntegrityError, UsageError
from harvester.extras import PARQUET, is_installed, require_extra
from harvester.location import parse_location
from harvester.results import BrokenRows, Shape, numbered_rows, select
from harvester.text import count, rfc3339


class ResultRow(NamedTuple):
    """One row: an envelope, or a row of a jobs file. (key, version, row) is the key to merge by."""

    text: bytes
    """Its JSON text on one line, numbers unchanged to the digit; empty for a tombstone."""
    epoch: str
    """Epoch of the writing session that landed it."""
    seq: int
    """Sequence number of the object."""
    row: int
    """Number of the row in its object, from 0; broken rows keep theirs, blank lines have none."""
    key: str
    """The whole key; ``nimble-task:ID`` for a result that was rescued through the API."""
    version: str
    """Version of the object: ETag or generation, else size and content digest; never empty."""
    run: int
    """The sync run that landed it; 0 for a tombstone."""
    task_id: str | None
    """The task it belongs to, when its content names one."""
    landed_at: float
    """When it landed, or was purged, seconds since the epoch."""
    replaces: str | None = None
    """Key of the rescued rows whose place this delivered row takes: remove them."""
    purged: bool = False
    """Whether this is a tombstone: remove all rows of the key."""

    @property
    def position(self) -> str:
        """Where to go on after this row."""
        return f"{self.epoch}-{self.seq:012d}-{'end' if self.purged else f'{self.row:09d}'}"

    def with_meta(self) -> bytes:
        """Return one line of JSON that holds where the row came from, and the row as ``result``."""
        meta = {
            "position": self.position,
            "seq": self.seq,
            "row": self.row,
            "key": self.key,
            "version": self.version,
            "run": self.run,
            "task_id": self.task_id,
            "landed_at": rfc3339(self.landed_at),
            "replaces": self.replaces,
            "purged": self.purged,
        }
        return json.dumps(meta).encode()[:-1] + b', "result": ' + (self.text or b"null") + b"}"


@dataclass(slots=True)
class ReadAccount:
    """What a reading passed over; filled while it is iterated."""

    position: str = ""
    """The end of the last object that was passed, also one without rows: where to go on."""
    evicted: int = 0
    """Objects freed here on purpose."""
    without_rows: int = 0
    """Objects that are no JSON: media, or landed without validation."""
    without_value: int = 0
    """Results that lack the value selected."""
    superseded: int = 0
    """Versions that were replaced by newer ones before they were read."""
    unreadable: list[str] = field(default_factory=list)
    """Paths that are not what was landed."""


def read(
    destination: Path | str,
    *,
    after: str | int | Sequence[str] = (),
    consumer: str | None = None,
    run: int | Literal["last"] | None = None,
    selected: str | None = None,
    wanted: RowFilter | None = None,
    tombstones: bool = False,
    state_dir: Path | None = None,
    account: ReadAccount | None = None,
) -> Iterator[ResultRow]:
    """Yield the rows of a destination that follow a position, in the order they landed.

    ``after`` is the ``position`` of the last row taken, or ``0`` as without one; or several, e.g. the last one of each
    epoch: the newest counts, and where it belongs to another history the others show what is shared. ``consumer``
    starts after what that consumer has acknowledged, and keeps to its filter. ``run`` keeps to one sync run, ``wanted``
    to some rows, ``selected`` (a path like ``data.markdown``) to one value of each; results that lack it are left out.
    ``tombstones`` yields purged objects too. Raises ConfigurationError when the destination was never synced, or has
    Parquet and the extra [parquet] is missing, UsageError for an invalid position, run or path, ForeignPosition, and,
    after all rows, IntegrityError for landed files that are missing or altered, unless an ``account`` notes them.
    """
    if selected is not None and not all(selected.split(".")):
        raise UsageError(
            f"not a path: {selected!r}",
            cause="between its dots it has keys, or positions in an array from 0",
            code=ErrorCode.FIELD_PATH_INVALID,
            subject=selected,
        )
    given = sorted(map(parse_position, _texts(after)), reverse=True)
    start, *passed = given or [BEGINNING]
    if consumer is not None and (given or wanted is not None):
        raise UsageError(
            f"consumer {consumer!r} has its own position and filter", cause="neither can be given beside it"
        )
    noted = account or ReadAccount()
    with read_destination(Path(destination), state_dir) as opened:
        manifest = opened.manifest
        if consumer is not None:
            known = manifest.consumers(Path(destination)).get(consumer)
            start, wanted = known.position, RowFilter.from_json(known.filter)
        else:
            manifest.check_position(start, Path(destination), passed)
        reading = _Reading(opened.root, manifest, wanted, selected, noted)
        yield from reading.rows(start, _run_number(manifest, run), tombstones=tombstones)
    if noted.unreadable and account is None:
        raise unreadable_error(destination, noted)


def _texts(after: str | int | Sequence[str]) -> Sequence[str]:
    return (str(after),) if isinstance(after, str | int) else after


def unreadable_error(destination: Path | str, account: ReadAccount) -> IntegrityError:
    """Return the error for landed files that could not be read back."""
    number = len(account.unreadable)
    return IntegrityError(
        f"{count(number, 'landed file')} {'is' if number == 1 else 'are'} missing or not what was landed,"
        f" e.g. {account.unreadable[0]}",
        code=ErrorCode.FILES_DAMAGED,
        subject=str(destination),
        parameters={"dest": str(destination)},
    )


def _run_number(manifest: Manifest, run: int | Literal["last"] | None) -> int | None:
    if run is None:
        return None
    newest = manifest.runs(1)
    last = newest[0].run if newest else 0
    if run == "last":
        return last
    if not 1 <= run <= last:
        raise UsageError(
            f"there is no run {run}", cause=f"runs 1 to {last} are known", code=ErrorCode.NO_SUCH_RUN, subject=str(run)
        )
    return run


class _Reading:
    """One pass over the objects after a position."""

    def __init__(
        self, root: Path, manifest: Manifest, wanted: RowFilter | None, selected: str | None, account: ReadAccount
    ) -> None:
        self._manifest = manifest
        self._tree = NoFollowTree(root)
        self._selected = selected
        self._account = account
        bound = manifest.binding()
        prefix = "" if bound is None else parse_location(bound.url).prefix
        self._filter = None if wanted is None or wanted == RowFilter() else CompiledFilter(wanted, prefix)
        self._epochs: list[EpochRow] = []

    def rows(self, start: Position, run: int | None, *, tombstones: bool) -> Iterator[ResultRow]:
        account, manifest = self._account, self._manifest
        # Taken first: everything up to here is in the tables that are read from now on.
        self._epochs = manifest.epochs()
        until = newest_position(self._epochs)
        account.position = str(start)
        # The last object may have rows left.
        passed = after = start.seq if start.ends_object else start.seq - 1
        if not is_installed(PARQUET) and any(
            row.shape == Shape.PARQUET and not row.evicted for row in manifest.landed_by_seq(after, run=run)
        ):
            require_extra(PARQUET)
        for landed in manifest.landed_by_seq(after, run=run):
            if tombstones:
                yield from self._tombstones(passed, landed.seq)
            epoch = self._epoch(landed.seq)
            yield from self._object(landed, epoch, start.row if landed.seq == start.seq else -1)
            account.position = str(end_of(epoch, landed.seq))
            passed = landed.seq
        if run is None and until.seq > passed:
            # What landed last was replaced, purged or compacted: it is passed too.
            if tombstones:
                yield from self._tombstones(passed, until.seq)
            account.position, passed = str(until), until.seq
        account.superseded += manifest.superseded_between(after, passed)

    def _epoch(self, seq: int) -> str:
        if not self._epochs or seq > self._epochs[-1].last_seq:
            # Landed since: the epoch is in the transaction of its first row.
            self._epochs = self._manifest.epochs()
        return epoch_of(self._epochs, seq)

    def _tombstones(self, after: int, through: int) -> Iterator[ResultRow]:
        for found in self._manifest.tombstones(after, through):
            epoch = self._epoch(found.seq)
            yield ResultRow(
                b"", epoch, found.seq, 0, shown_key(found.key), found.version, 0, found.task_id, found.purged_at,
                purged=True,
            )  # fmt: skip
            self._account.position = str(end_of(epoch, found.seq))

    def _object(self, row: LandedRow, epoch: str, after: int) -> Iterator[ResultRow]:
        account = self._account
        if self._filter is not None and not self._filter.selects(row):
            return
        if row.evicted:
            account.evicted += 1
            return
        if row.shape is None or row.shape == Shape.MEDIA:
            account.without_rows += 1
            return
        check_landed_path(row.path)
        try:
            path = Path(self._tree.whole_path(row.path))
            if not is_as_landed(path, row):
                self._note_mismatch(row)
                return
            wanted, selected = self._filter, self._selected
            key, version = shown_key(row.key), row.version
            for number, text in numbered_rows(path, Shape(row.shape)):
                if number <= after or isinstance(text, BrokenRows):
                    continue
                if wanted is not None and not wanted.selects_row(text):
                    continue
                value = text if selected is None else select(text, selected)
                if value is None:
                    account.without_value += 1
                else:
                    yield ResultRow(
                        value, epoch, row.seq, number, key, version, row.run, row.task_id, row.landed_at, row.replaces
                    )
        except (OSError, HarvesterError):
            self._note_mismatch(row)

    def _note_mismatch(self, row: LandedRow) -> None:
        """Count an object that is not what was landed, unless a session has replaced or evicted it meanwhile."""
        now = self._manifest.landed_row(row.key)
        if now is None or now.seq != row.seq:
            return
        if now.evicted:
            self._account.evicted += 1
        else:
            self._account.unreadable.append(row.path)


def is_as_landed(path: Path, row: LandedRow) -> bool:
    """Return whether a file is what was landed; where only its time differs, by its content."""
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode) or found.st_size != row.content_size:
        return False
    return found.st_mtime_ns == row.mtime_ns or file_digest(path) == row.digest


def newest(destination: Path, *, state_dir: Path | None = None) -> Position:
    """Return the end of everything that has landed. Raises ConfigurationError when it was never synced."""
    with read_destination(destination, state_dir) as opened:
        epochs = opened.manifest.epochs()
    return newest_position(epochs) if epochs else BEGINNING


def source_of(destination: Path, *, state_dir: Path | None = None) -> SourceBinding | None:
    """Return what a destination is a copy of. Raises ConfigurationError when it was never synced."""
    with read_destination(destination, state_dir) as opened:
        return opened.manifest.binding()


def landed_rows(destination: Path, *, state_dir: Path | None = None) -> Iterator[LandedRow]:
    """Yield the row of every landed object, in byte order of the key. Raises ConfigurationError (never synced)."""
    with read_destination(destination, state_dir) as opened:
        yield from opened.manifest.landed()


def problem_rows(destination: Path, *, state_dir: Path | None = None) -> Iterator[ProblemRow]:
    """Yield every known problem, in byte order of the key. Raises ConfigurationError (never synced)."""
    with read_destination(destination, state_dir) as opened:
        yield from opened.manifest.problems()
