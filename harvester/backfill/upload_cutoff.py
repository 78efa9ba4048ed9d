"""Put the cutoff of a backfill before the uploads that are in progress. Pure.

On S3 an object that was uploaded in parts has the time when its upload was initiated. One that begins before the cutoff
and is completed after its shard was listed would be of neither side; behind the cutoff, daily runs take it.

Source: Amazon S3 User Guide, "Working with object metadata", Last-Modified.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any, Final, NamedTuple

from harvester.storage import Unread, UnreadReason, UploadList

UPLOAD_HOURS: Final = 24
"""Uploads that have been in progress for longer count as abandoned: they are named, and the cutoff is not before
them."""
_UPLOAD_SECONDS: Final = UPLOAD_HOURS * 3600.0
_NAMED_KEYS: Final = 10


class PlannedUploads(NamedTuple):
    """The uploads that were in progress when a backfill was planned."""

    in_progress: int = 0
    """Uploads that began in the last 24 hours; the cutoff is before them."""
    abandoned: int = 0
    """Uploads that began earlier."""
    abandoned_keys: tuple[str, ...] = ()
    """The keys of the first ten of those."""
    is_complete: bool = True
    """Whether there were no others. Where there were more than are listed, the cutoff is 24 hours earlier."""
    unread: Unread | None = None
    """Why they are not known; None where they are."""

    def as_document(self) -> dict[str, Any]:
        """Return the uploads as the plan stores them."""
        unread = None if self.unread is None else asdict(self.unread)
        return {**self._asdict(), "abandoned_keys": list(self.abandoned_keys), "unread": unread}


def planned_uploads(document: dict[str, Any]) -> PlannedUploads:
    """Return stored uploads. Raises LookupError, TypeError or ValueError for anything else."""
    stored = document["unread"]
    unread = None if stored is None else Unread(**{**stored, "reason": UnreadReason(stored["reason"])})
    return PlannedUploads(
        int(document["in_progress"]),
        int(document["abandoned"]),
        tuple(map(str, document["abandoned_keys"])),
        bool(document["is_complete"]),
        unread,
    )


def cutoff_before_listing(begun_at: float) -> float:
    """Return the latest cutoff for a listing that began earlier than the plan, as an inventory.

    Which uploads were in progress then is not known, and S3 Inventory may lack what was written shortly before.
    """
    return begun_at - _UPLOAD_SECONDS


def cutoff_before_uploads(listed: UploadList, now: float) -> tuple[float, PlannedUploads]:
    """Return the latest cutoff that is not after ``now`` and before each upload that is not abandoned.

    Times are seconds since the epoch. It is a second before the first of them at least, as stores round times.
    """
    if listed.unread is not None:
        return now, PlannedUploads(is_complete=False, unread=listed.unread)
    oldest = now - _UPLOAD_SECONDS
    begun = [upload.initiated for upload in listed.uploads if oldest <= upload.initiated <= now]
    abandoned = [upload.key for upload in listed.uploads if upload.initiated < oldest]
    limits = [math.floor(initiated) - 1.0 for initiated in begun]
    if not listed.is_complete:
        limits.append(oldest)
    return min([now, *limits]), PlannedUploads(
        len(begun), len(abandoned), tuple(abandoned[:_NAMED_KEYS]), listed.is_complete
    )
