"""What the messages of a queue mean for one location. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from harvester.events.bucket_events import Announced, Unreadable, read_gcs_notice, read_s3_notice
from harvester.location import Location
from harvester.queues import QueueMessage
from harvester.storage import ObjectRef


class Reading(NamedTuple):
    """A message, read."""

    message: QueueMessage
    """The message."""
    announced: tuple[Announced, ...] = ()
    """The objects it announces in the location."""
    elsewhere: Announced | None = None
    """An object it announces in another place."""
    others: tuple[str, ...] = ()
    """Names of the events in it that announce no object."""
    unreadable: str = ""
    """Why it cannot be read, free of what it holds; empty when it can."""


def read_message(message: QueueMessage, location: Location) -> Reading:
    """Return what a message says."""
    if location.scheme == "gs":
        notice = read_gcs_notice(message.attributes, message.body)
    else:
        notice = read_s3_notice(message.body)
    if isinstance(notice, Unreadable):
        return Reading(message, unreadable=notice.reason)
    here, elsewhere = [], None
    for each in notice.announced:
        if each.bucket == location.bucket and each.key.startswith(location.prefix):
            here.append(each)
        else:
            elsewhere = elsewhere or each
    return Reading(message, tuple(here), elsewhere, notice.others)


def newest_versions(
    announced: Iterable[Announced], knows_another: Callable[[ObjectRef], bool]
) -> tuple[dict[str, ObjectRef], list[str]]:
    """Return by key what can only be the newest version, and the keys, in order, of which only the store can tell.

    Messages come late, twice and in any order. AWS's own pages disagree on how ``sequencer`` values of different
    length compare; the store does not. ``knows_another`` tells whether another version of an object is known here.
    """
    refs: dict[str, ObjectRef] = {}
    unclear: set[str] = set()
    for each in announced:
        if not each.etag or each.size is None:
            unclear.add(each.key)
            continue
        ref = ObjectRef(each.key, each.size, each.etag, each.at)
        if refs.setdefault(each.key, ref)[:3] != ref[:3] or knows_another(ref):
            unclear.add(each.key)
    for key in unclear:
        refs.pop(key, None)
    return refs, sorted(unclear)
