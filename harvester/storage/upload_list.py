"""The uploads of several parts that are in progress below a prefix, as values."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    # Loaded where a listing fails.
    from harvester.storage.bucket_settings import Unread


class Upload(NamedTuple):
    """A multipart upload that is neither completed nor aborted."""

    key: str
    """The key of the object it becomes."""
    initiated: float
    """When it began, seconds since the epoch: on S3 the time of modification of that object."""


class UploadList(NamedTuple):
    """What a store answers when it is asked for uploads in progress."""

    uploads: list[Upload]
    """The uploads, in the store's order."""
    is_complete: bool = True
    """Whether there are no others; False where there are more than were asked for."""
    unread: Unread | None = None
    """Why they are not known; None where they are."""
