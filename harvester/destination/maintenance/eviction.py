"""Free the disk of results that were consumed, without fetching them again later."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harvester.destination.consumer_store import passed_by_all, progress_of_all
from harvester.destination.manifest import LandedRow, Manifest
from harvester.destination.opened import OpenDestination, read_destination, share_destination
from harvester.destination.paths import check_landed_path
from harvester.destination.positions import Position, parse_position
from harvester.destination.tree import NoFollowTree
from harvester.destination.writer import DestinationWriter
from harvester.error_codes import ErrorCode
from harvester.errors import DestinationUnusable, UsageError

EVICT_REPORT_SCHEMA = "urn:nimble-harvester:evict-report:v2"
_BATCH = 1_000
_LEAST_FREE_BYTES = 1024 * 1024
_LEAST_FREE_INODES = 8
# Errors for a link, or a file, in place of a folder.
_LEADS_ELSEWHERE = frozenset({errno.ELOOP, errno.ENOTDIR})


@dataclass(frozen=True, slots=True)
class EvictReport:
    """What was freed."""

    destination: str
    """The destination's path."""
    objects: int
    """Files removed."""
    bytes: int
    """Bytes they held."""
    outside: int
    """Files left alone: changed since they landed, or behind a symbolic link."""
    unacknowledged: int
    """Objects left alone because some consumer has not acknowledged them."""
    dry_run: bool
    """Whether nothing was removed."""

    def as_document(self) -> dict[str, Any]:
        """Return the report as the JSON document that is published."""
        return {
            "schema": EVICT_REPORT_SCHEMA,
            "destination": self.destination,
            "objects": self.objects,
            "bytes": self.bytes,
            "outside": self.outside,
            "unacknowledged": self.unacknowledged,
            "dry_run": self.dry_run,
        }


def evict(
    destination: Path | str,
    *,
    consumed: bool = False,
    through: str | None = None,
    older_than: float | None = None,
    unacknowledged: bool = False,
    state_dir: Path | None = None,
    dry_run: bool = False,
) -> EvictReport:
    """Remove landed files that every consumer has acknowledged.

    ``consumed`` chooses all of these, ``through`` those up to a position, ``older_than`` those landed more than so
    many seconds ago; with several, files that meet all. What some consumer has not acknowledged is left and counted,
    unless ``unacknowledged``. Objects stay in the manifest, so that no sync fetches them again unless the source
    changes; so do those behind a symbolic link, which are left alone. Takes no lock: it works while a session holds
    the destination. Raises UsageError (nothing chosen, an invalid position, ``consumed`` without any consumer),
    ForeignPosition, DestinationUnusable or ConfigurationError (never synced).
    """
    destination = Path(destination)
    if not consumed and through is None and older_than is None:
        raise UsageError("nothing chosen to evict", code=ErrorCode.NOTHING_TO_EVICT, subject=str(destination))
    if consumed and unacknowledged:
        raise UsageError("consumed and unacknowledged exclude each other")
    position = None if through is None else parse_position(through)
    before = None if older_than is None else time.time() - older_than
    with read_destination(destination, state_dir) as opened:
        choice = _Choice(opened.manifest, destination, position, before, consumed=consumed, all_=unacknowledged)
        if dry_run:
            return _rehearse(opened, destination, choice)
        if _is_full(opened.root):
            _free_ahead(opened, choice)
    eviction = _Eviction()
    choice.unacknowledged = 0
    with share_destination(destination, state_dir) as opened:
        tree = DestinationWriter(str(opened.root), f"evict-{os.getpid()}")
        batch: list[LandedRow] = []
        for row in choice.rows(opened.manifest):
            # One that is evicted already is removed again: a run killed in between may have left its file.
            batch.append(row)
            if len(batch) == _BATCH:
                eviction.remove(tree, opened.manifest, batch)
                batch = []
        eviction.remove(tree, opened.manifest, batch)
    return EvictReport(
        str(destination), eviction.objects, eviction.bytes, eviction.outside, choice.unacknowledged, dry_run=False
    )


def evict_quarantine(
    destination: Path | str, *, older_than: float, state_dir: Path | None = None, dry_run: bool = False
) -> EvictReport:
    """Remove the quarantined bytes of problems first met more than ``older_than`` seconds ago; the problems stay known.

    Raises like ``evict``.
    """

    def chosen(manifest: Manifest, before: float) -> Iterator[tuple[str, str]]:
        ended = {run.run: run.ended_at or run.started_at for run in manifest.runs(_ALL_RUNS)}
        for problem in manifest.problems():
            if problem.path is not None and ended.get(problem.first_run, 0.0) < before:
                yield problem.key, problem.path

    return _evict_files(
        Path(destination), chosen, Manifest.forget_quarantined, older_than, state_dir=state_dir, dry_run=dry_run
    )


def evict_versions(
    destination: Path | str, *, older_than: float, state_dir: Path | None = None, dry_run: bool = False
) -> EvictReport:
    """Remove older versions that were kept, where their successor landed more than ``older_than`` seconds ago.

    Raises like ``evict``.
    """

    def chosen(manifest: Manifest, before: float) -> Iterator[tuple[tuple[str, int], str]]:
        for version in manifest.versions():
            current = manifest.landed_row(version.key)
            if current is None or current.landed_at < before:
                yield (version.key, version.seq), version.path

    return _evict_files(
        Path(destination), chosen, Manifest.forget_versions, older_than, state_dir=state_dir, dry_run=dry_run
    )


_ALL_RUNS = 1 << 31


def _evict_files(
    destination: Path,
    chosen: Callable[[Manifest, float], Iterator[tuple[Any, str]]],
    forget: Callable[[Manifest, list[Any]], None],
    older_than: float,
    *,
    state_dir: Path | None,
    dry_run: bool,
) -> EvictReport:
    before = time.time() - older_than
    objects = size = 0
    with (read_destination if dry_run else share_destination)(destination, state_dir) as opened:
        tree = NoFollowTree(opened.root)
        writer = None if dry_run else DestinationWriter(str(opened.root), f"evict-{os.getpid()}")
        found = list(chosen(opened.manifest, before))
        for _, path in found:
            try:
                size += tree.lstat(path).st_size
                objects += 1
            except (FileNotFoundError, NotADirectoryError):
                continue
        if writer is not None:
            # The rows first: a file without a row is harmless.
            forget(opened.manifest, [identity for identity, _ in found])
            for _, path in found:
                _remove(writer, path)
    return EvictReport(str(destination), objects, size, 0, 0, dry_run)


class _Choice:
    """Which objects an eviction takes."""

    def __init__(
        self,
        manifest: Manifest,
        destination: Path,
        through: Position | None,
        before: float | None,
        *,
        consumed: bool,
        all_: bool,
    ) -> None:
        """Read the consumers. Raises UsageError where ``consumed`` has none to ask, ForeignPosition."""
        if through is not None:
            manifest.check_position(through, destination)
        self._through = None if through is None else through.seq if through.ends_object else through.seq - 1
        self._before = before
        self._consumers = [] if all_ else progress_of_all(manifest, destination)
        self.unacknowledged = 0
        if consumed and not self._consumers:
            raise UsageError(
                f"{destination} has no consumer",
                cause="without any, nothing can have been acknowledged by all",
                code=ErrorCode.NO_SUCH_CONSUMER,
                subject=str(destination),
            )

    def rows(self, manifest: Manifest) -> Iterator[LandedRow]:
        """Yield what is to be freed; count what is left for consumers."""
        for row in manifest.landed_by_seq():
            if self._through is not None and row.seq > self._through:
                return
            if self._before is not None and row.landed_at >= self._before:
                continue
            if not row.evicted and not passed_by_all(row, self._consumers):
                self.unacknowledged += 1
                continue
            check_landed_path(row.path)
            yield row


def _rehearse(opened: OpenDestination, destination: Path, choice: _Choice) -> EvictReport:
    tree = NoFollowTree(opened.root)
    rows = [row for row in choice.rows(opened.manifest) if not row.evicted]
    held = [row for row in rows if _is_inside(tree, row)]
    size = sum(row.content_size for row in held)
    return EvictReport(str(destination), len(held), size, len(rows) - len(held), choice.unacknowledged, dry_run=True)


def _is_full(root: Path) -> bool:
    """Return whether the disk has no space for the manifest to be opened for writing."""
    found = os.statvfs(root)
    no_inodes = bool(found.f_files) and found.f_favail < _LEAST_FREE_INODES
    return no_inodes or found.f_bavail * found.f_frsize < _LEAST_FREE_BYTES


def _free_ahead(opened: OpenDestination, choice: _Choice) -> None:
    """Remove the first files of an eviction before they are marked, which a full disk has no space for.

    If the eviction is killed before it marks them, the next run fetches them again.
    """
    tree = DestinationWriter(str(opened.root), f"evict-{os.getpid()}")
    for row in choice.rows(opened.manifest):
        if not _is_full(opened.root):
            return
        _unlink(tree, row)


def _is_inside(tree: NoFollowTree, row: LandedRow) -> bool:
    try:
        tree.lstat(row.path)
    except NotADirectoryError:
        return False
    except OSError:
        # Missing, or unreadable: no link leads elsewhere.
        return True
    return True


class _Eviction:
    """Counts of what one eviction has removed so far."""

    def __init__(self) -> None:
        self.objects = 0
        self.bytes = 0
        self.outside = 0

    def remove(self, tree: DestinationWriter, manifest: Manifest, rows: list[LandedRow]) -> None:
        # Marked first: a file that outlives its mark is removed by the next eviction, one that is gone without a mark
        # would be fetched again.
        try:
            manifest.evict(rows)
        except DestinationUnusable:
            # A disk that is full to the last byte takes no mark before something is removed.
            self._unlink(tree, rows)
            manifest.evict(rows)
        else:
            self._unlink(tree, rows)

    def _unlink(self, tree: DestinationWriter, rows: list[LandedRow]) -> None:
        for row in rows:
            was_inside = _unlink(tree, row)
            if row.evicted:
                continue
            if was_inside:
                self.objects += 1
                self.bytes += row.content_size
            else:
                self.outside += 1


def _unlink(tree: DestinationWriter, row: LandedRow) -> bool:
    """Remove a landed file; return False for one that is left: changed since, or behind a link."""
    return _remove(tree, row.path, (row.content_size, row.mtime_ns))


def _remove(tree: DestinationWriter, path: str, unless_changed: tuple[int, int] | None = None) -> bool:
    try:
        return tree.remove(path, unless_changed)
    except OSError as error:
        if error.errno in _LEADS_ELSEWHERE:
            return False
        raise DestinationUnusable(
            f"cannot remove {path}",
            cause=error.strerror or str(error),
            code=ErrorCode.FILE_NOT_REMOVED,
            subject=f"{tree.root}/{path}",
        ) from error
