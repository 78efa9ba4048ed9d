"""Options of a watch on a queue, and whether they fit a location. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harvester.error_codes import ErrorCode
from harvester.errors import UsageError
from harvester.events.full_listing import check_interval
from harvester.location import Location
from harvester.queues import is_subscription

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-points-naming.html, and Object Lambda, Outposts, MRAP.
_ALIAS_SUFFIXES = ("-s3alias", "--ol-s3", "--op-s3", ".mrap")
_SHORTEST_LEASE = 10.0
_LONGEST_LEASE = 12 * 3600.0


@dataclass(frozen=True, slots=True)
class QueueWatchOptions:
    """How a queue is watched. Raises UsageError for an invalid lease."""

    address: str
    """The queue: an SQS URL or ARN, or ``projects/PROJECT/subscriptions/NAME`` of Pub/Sub."""
    lease: float = 120.0
    """Visibility timeout in seconds, 10 to 43,200; extended while a message is processed."""
    foreign: Literal["leave", "delete"] = "leave"
    """Whether a message about another bucket or prefix is left for other consumers or deleted."""
    beside: tuple[Path, ...] = ()
    """Destinations of other workers on the same queue: a version that has landed there is not landed here.

    A queue may deliver a message again after it was deleted, and to any worker.
    """
    once: bool = False
    """End when the queue is empty."""
    idle_exit: float | None = None
    """End after this many seconds without a settled message; None for never."""
    event_bucket: str = ""
    """The bucket's own name as events carry it, if the location names an access-point alias."""
    full_listing_every: float | None = None
    """List the whole location at the start and then after this many seconds, 60 or more; None for never.

    A listing finds what lost events have announced.
    """

    def __post_init__(self) -> None:
        """Validate the lease and the interval."""
        check_interval(self.full_listing_every)
        if not _SHORTEST_LEASE <= self.lease <= _LONGEST_LEASE:
            raise UsageError(
                f"invalid lease: {self.lease:g} s",
                cause="it is 10 seconds to 12 hours",
                code=ErrorCode.LEASE_OUT_OF_RANGE,
            )


def check_queue(location: Location, watching: QueueWatchOptions) -> None:
    """Raise UsageError for a queue of another cloud, and for an access-point alias without ``event_bucket``."""
    if location.scheme != ("gs" if is_subscription(watching.address) else "s3"):
        raise UsageError(
            f"the queue {watching.address} cannot announce what arrives in {location.url}",
            cause="an SQS queue belongs to s3://, a Pub/Sub subscription to gs://",
            code=ErrorCode.QUEUE_OF_ANOTHER_CLOUD,
            subject=watching.address,
            parameters={"scheme": location.scheme},
        )
    if location.bucket.endswith(_ALIAS_SUFFIXES) and not watching.event_bucket:
        raise UsageError(
            f"{location.bucket} is the alias of an access point, and events carry the bucket's own name",
            cause="no message of the queue would be about this location",
            code=ErrorCode.EVENTS_OF_AN_ALIAS,
            subject=location.url,
        )
