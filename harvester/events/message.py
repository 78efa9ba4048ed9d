"""Classify the messages of a queue for one location. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from harvester.events.bucket_events import AnnouncedObject, UnreadableMessage, parse_gcs_message, parse_s3_message
from harvester.location import Location
from harvester.queues import QueueMessage
from harvester.storage import ObjectRef


class ParsedMessage(NamedTuple):
    """A message with its parsed content."""

    message: QueueMessage
    """The message."""
    announced: tuple[AnnouncedObject, ...] = ()
    """The objects it announces in the location."""
    foreign: AnnouncedObject | None = None
    """The first announced object outside the location."""
    others: tuple[str, ...] = ()
    """Names of its events that announce no object."""
    unreadable: str = ""
    """Why it cannot be read; empty if it can. Contains no text of the message."""


def parse_message(message: QueueMessage, location: Location) -> ParsedMessage:
    """Parse a message and select the objects in ``location``."""
    if location.scheme == "gs":
        notice = parse_gcs_message(message.attributes, message.body)
    else:
        notice = parse_s3_message(message.body)
    if isinstance(notice, UnreadableMessage):
        return ParsedMessage(message, unreadable=notice.reason)
    inside, foreign = [], None
    for each in notice.announced:
        if each.bucket == location.bucket and each.key.startswith(location.prefix):
            inside.append(each)
        else:
            foreign = foreign or each
    return ParsedMessage(message, tuple(inside), foreign, notice.others)


def newest_versions(
    announced: Iterable[AnnouncedObject], has_other_version: Callable[[ObjectRef], bool]
) -> tuple[dict[str, ObjectRef], list[str]]:
    """Return the certainly newest versions by key, and the sorted keys that need a look-up in the store.

    Messages arrive late, twice and in any order, and AWS's pages disagree on how ``sequencer`` values of different
    length compare. ``has_other_version`` returns whether another version of an object has landed.
    """
    refs: dict[str, ObjectRef] = {}
    unclear: set[str] = set()
    for each in announced:
        if not each.etag or each.size is None:
            unclear.add(each.key)
            continue
        ref = ObjectRef(each.key, each.size, each.etag, each.at)
        if refs.setdefault(each.key, ref)[:3] != ref[:3] or has_other_version(ref):
            unclear.add(each.key)
    for key in unclear:
        refs.pop(key, None)
    return refs, sorted(unclear)
