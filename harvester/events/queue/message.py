"""Classify the messages of a queue for one location. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from harvester.events.queue.announced_object import AnnouncedObject
from harvester.events.queue.bucket_events import parse_gcs_message, parse_s3_message
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
    """Why an event in it cannot be read; empty if all can. Contains no text of the message."""


def parse_message(message: QueueMessage, location: Location, *, bucket: str = "") -> ParsedMessage:
    """Parse a message and select the objects in ``location``.

    ``bucket`` is the name that events carry, if ``location`` names the bucket by an alias.
    """
    if location.scheme == "gs":
        notification = parse_gcs_message(message.attributes, message.body)
    else:
        notification = parse_s3_message(message.body)
    inside, foreign = [], None
    for each in notification.announced:
        found = _within(each, location.prefix) if each.bucket == (bucket or location.bucket) else None
        if found is not None:
            inside.append(found)
        else:
            foreign = foreign or each
    return ParsedMessage(message, tuple(inside), foreign, notification.others, notification.unreadable)


def _within(announced: AnnouncedObject, prefix: str) -> AnnouncedObject | None:
    """Return the object with those of its possible keys that are under the prefix, None if none is."""
    if announced.key.startswith(prefix):
        return announced if announced.written_key.startswith(prefix) else announced._replace(written_key="")
    if announced.ambiguous and announced.written_key.startswith(prefix):
        return announced._replace(key=announced.written_key, written_key="")
    return None


def newest_versions(
    announced: Iterable[AnnouncedObject], needs_look_up: Callable[[ObjectRef], bool]
) -> tuple[dict[str, ObjectRef], list[str]]:
    """Return the certainly newest versions by key, and the sorted keys that need a look-up in the store.

    Messages arrive late, twice and in any order, and AWS's pages disagree on how ``sequencer`` values of different
    length compare. ``needs_look_up`` returns whether the store has to be asked for an object all the same.
    """
    refs: dict[str, ObjectRef] = {}
    unclear: set[str] = set()
    for each in announced:
        if each.ambiguous:
            unclear.update(filter(None, (each.key, each.written_key)))
            continue
        if not each.etag or each.size is None:
            unclear.add(each.key)
            continue
        ref = ObjectRef(each.key, each.size, each.etag, each.at)
        if refs.setdefault(each.key, ref)[:3] != ref[:3] or needs_look_up(ref):
            unclear.add(each.key)
    for key in unclear:
        refs.pop(key, None)
    return refs, sorted(unclear)


def second_look_ups(announced: Iterable[AnnouncedObject], outcomes: dict[str, str]) -> list[str]:
    """Return the keys as written of objects that are gone under their decoded key, sorted.

    S3 form-encodes keys in its events; other stores do not, and their objects exist under the key as written.
    """
    return sorted(
        {
            each.written_key
            for each in announced
            if each.written_key and each.written_key not in outcomes and outcomes.get(each.key) == "gone"
        }
    )


def object_outcome(announced: AnnouncedObject, outcomes: dict[str, str]) -> str | None:
    """Return the outcome of an announced object under both its keys: "gone" only if it is under neither."""
    found = list(_outcomes(announced, outcomes))
    if None in found or not found:
        return None
    existing = [outcome for outcome in found if outcome != "gone"]
    if "failed" in existing:
        return "failed"
    return existing[0] if existing else "gone"


def _outcomes(announced: AnnouncedObject, outcomes: dict[str, str]) -> Iterator[str | None]:
    first = outcomes.get(announced.key)
    yield first
    if announced.written_key and (announced.ambiguous or first == "gone"):
        yield outcomes.get(announced.written_key)
