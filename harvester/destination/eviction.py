"""Free the disk of results that were consumed, without fetching them again later."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harvester.destination.manifest import DestinationLock, LandedRow, Manifest
from harvester.destination.opened import LOCK_NAME, OpenDestination, open_destination, read_destination, state_folder
from harvester.destination.tree import NoFollowTree
from harvester.destination.writer import DestinationWriter
from harvester.error_codes import ErrorCode
from harvester.errors import DestinationUnusable

EVICT_REPORT_SCHEMA = "urn:nimble-harvester:evict-report:v1"
_BATCH = 1_000
_ROOM_BYTES = 1024 * 1024
_ROOM_INODES = 8
# What the system says of a link, or of a file, in a folder's place.
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
    """Files left alone: a symbolic link, or what is no folder, lies above them."""
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
            "dry_run": self.dry_run,
        }


def evict(
    destination: Path,
    *,
    through: int | None = None,
    older_than: float | None = None,
    state_dir: Path | None = None,
    dry_run: bool = False,
) -> EvictReport:
    """Remove landed files up to the sequence number ``through``, or landed more than ``older_than`` seconds ago.

    With both, files that meet both. They stay in the manifest, so that no sync fetches them again unless the source
    changes; so do those that lie behind a symbolic link, which are left alone. Raises DestinationLocked,
    DestinationUnusable or ConfigurationError (never synced).
    """
    before = None if older_than is None else time.time() - older_than
    with read_destination(destination, state_dir) as opened:
        if dry_run:
            inside = NoFollowTree(opened.root)
            rows = [row for row in _evictable(opened.manifest, through, before) if not row.evicted]
            held = [row for row in rows if _lies_inside(inside, row)]
            size = sum(row.content_size for row in held)
            return EvictReport(str(destination), len(held), size, len(rows) - len(held), dry_run=True)
        if _is_full(opened.root):
            _make_room(opened, through, before)
    eviction = _Eviction()
    with open_destination(destination, state_dir) as opened:
        tree = DestinationWriter(str(opened.root), "evict")
        batch: list[LandedRow] = []
        for row in _evictable(opened.manifest, through, before):
            # One that is evicted already is removed again: a run killed in between may have left its file.
            batch.append(row)
            if len(batch) == _BATCH:
                eviction.remove(tree, opened.manifest, batch)
                batch = []
        eviction.remove(tree, opened.manifest, batch)
    return EvictReport(str(destination), eviction.objects, eviction.bytes, eviction.outside, dry_run=False)


def _is_full(root: Path) -> bool:
    """Return whether the disk has no room for the manifest to be opened for writing."""
    found = os.statvfs(root)
    no_inodes = bool(found.f_files) and found.f_favail < _ROOM_INODES
    return no_inodes or found.f_bavail * found.f_frsize < _ROOM_BYTES


def _make_room(opened: OpenDestination, through: int | None, before: float | None) -> None:
    """Remove the first files of an eviction ahead of their mark, which a full disk has no room for.

    Should the eviction not come to mark them, the next run fetches them again.
    """
    with DestinationLock(state_folder(opened.root) / LOCK_NAME):
        tree = DestinationWriter(str(opened.root), "evict")
        for row in _evictable(opened.manifest, through, before):
            if not _is_full(opened.root):
                return
            _unlink(tree, row)


def _evictable(manifest: Manifest, through: int | None, before: float | None) -> Iterator[LandedRow]:
    for row in manifest.landed_by_seq():
        if through is not None and row.seq > through:
            return
        if before is None or row.landed_at < before:
            yield row


def _lies_inside(inside: NoFollowTree, row: LandedRow) -> bool:
    try:
        inside.lstat(row.path)
    except NotADirectoryError:
        return False
    except OSError:
        # Not there, or unreadable: nothing leads elsewhere.
        return True
    return True


class _Eviction:
    """What one eviction has removed so far."""

    def __init__(self) -> None:
        self.objects = 0
        self.bytes = 0
        self.outside = 0

    def remove(self, tree: DestinationWriter, manifest: Manifest, rows: list[LandedRow]) -> None:
        # Marked first: a file that outlives its mark is removed by the next eviction, one that is gone without a mark
        # would be fetched again.
        try:
            manifest.evict(row.key for row in rows)
        except DestinationUnusable:
            # A disk that is full to the last byte takes no mark before something is removed.
            self._unlink(tree, rows)
            manifest.evict(row.key for row in rows)
        else:
            self._unlink(tree, rows)

    def _unlink(self, tree: DestinationWriter, rows: list[LandedRow]) -> None:
        for row in rows:
            lay_inside = _unlink(tree, row)
            if row.evicted:
                continue
            if lay_inside:
                self.objects += 1
                self.bytes += row.content_size
            else:
                self.outside += 1


def _unlink(tree: DestinationWriter, row: LandedRow) -> bool:
    """Remove a landed file; return False, and leave it alone, when a link leads elsewhere."""
    try:
        tree.remove(row.path)
    except OSError as error:
        if error.errno in _LEADS_ELSEWHERE:
            return False
        raise DestinationUnusable(
            f"cannot remove {row.path}",
            cause=error.strerror or str(error),
            code=ErrorCode.FILE_NOT_REMOVED,
            subject=f"{tree.root}/{row.path}",
        ) from error
    return True
