"""Parse bucket notifications: S3's own, through SNS or EventBridge, and those of GCS."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

_DEEPEST = 4
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html
# An object restored from its archive class can be fetched from now on, so it counts as an arrival.
_S3_ARRIVALS = ("ObjectCreated:", "ObjectRestore:Completed")
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
_EVENTBRIDGE_ARRIVALS = frozenset({"Object Created", "Object Restore Completed"})
# https://cloud.google.com/storage/docs/pubsub-notifications
_GCS_ARRIVAL = "OBJECT_FINALIZE"


class AnnouncedObject(NamedTuple):
    """One object that a message announces."""

    bucket: str
    """The bucket."""
    key: str
    """The exact key."""
    etag: str
    """Identity of the version announced (S3: ETag, GCS: generation); empty if not in the message."""
    size: int | None
    """Length in bytes; None if not in the message."""
    at: float
    """When it was created, seconds since the epoch; 0 if not in the message."""


@dataclass(frozen=True, slots=True)
class BucketNotification:
    """Content of a readable message."""

    announced: tuple[AnnouncedObject, ...] = ()
    """The objects it announces."""
    others: tuple[str, ...] = ()
    """Names of its events that announce no object: removals, S3's test event, a topic's confirmation."""


@dataclass(frozen=True, slots=True)
class UnreadableMessage:
    """A message that is not a bucket notification."""

    reason: str
    """Why; contains no text of the message."""


class _NotANotificationError(Exception):
    pass


def parse_s3_message(body: str) -> BucketNotification | UnreadableMessage:
    """Parse an SQS message about an S3 bucket: direct, through SNS or through EventBridge."""
    try:
        return _read(_json_object(body), 0)
    except _NotANotificationError as error:
        return UnreadableMessage(str(error))


def parse_gcs_message(attributes: Mapping[str, str], body: str) -> BucketNotification | UnreadableMessage:
    """Parse a Pub/Sub message about a GCS bucket; its payload may be empty (``payloadFormat`` NONE)."""
    event, bucket, key = (attributes.get(name) for name in ("eventType", "bucketId", "objectId"))
    if not event or not bucket or not key:
        return UnreadableMessage(
            "it lacks the attributes eventType, bucketId and objectId of a Cloud Storage notification"
        )
    if event != _GCS_ARRIVAL:
        return BucketNotification(others=(event,))
    size: int | None = None
    if attributes.get("payloadFormat") == "JSON_API_V1":
        try:
            size = _integer(_json_object(body).get("size"))
        except _NotANotificationError:
            # The attributes identify the object; its size can be looked up.
            size = None
    generation = attributes.get("objectGeneration", "")
    return BucketNotification((AnnouncedObject(bucket, key, generation, size, _moment(attributes.get("eventTime"))),))


def _read(value: Mapping[str, Any], depth: int) -> BucketNotification:
    if depth > _DEEPEST:
        raise _NotANotificationError("its envelopes are nested too deeply")
    if value.get("Event") == "s3:TestEvent":
        return BucketNotification(others=("s3:TestEvent",))
    if isinstance(value.get("Records"), list):
        return _records(value["Records"])
    if value.get("source") == "aws.s3" and "detail-type" in value:
        return _eventbridge(value)
    if "TopicArn" in value and isinstance(value.get("Type"), str):
        if value["Type"] != "Notification":
            return BucketNotification(others=(value["Type"],))
        return _read(_json_object(value.get("Message")), depth + 1)
    raise _NotANotificationError("it is JSON, but neither an S3 event nor one forwarded by SNS or EventBridge")


def _records(records: list[Any]) -> BucketNotification:
    announced, others = [], []
    for record in records:
        if not isinstance(record, dict) or not str(record.get("eventSource", "")).endswith(":s3"):
            raise _NotANotificationError("it contains a record that does not come from S3")
        name = str(record.get("eventName", "")).removeprefix("s3:")
        if not name.startswith(_S3_ARRIVALS):
            others.append(name or "an event without a name")
            continue
        place = _mapping(record, "s3")
        described = _mapping(place, "object")
        try:
            # S3 form-encodes keys: a space as +, every other special byte as %XX.
            key = unquote_plus(_text(described, "key"), errors="strict")
        except UnicodeDecodeError:
            raise _NotANotificationError("its key is not UTF-8") from None
        announced.append(_announced(place, key, described.get("eTag"), described, record.get("eventTime")))
    return BucketNotification(tuple(announced), tuple(others))


def _eventbridge(event: Mapping[str, Any]) -> BucketNotification:
    name = str(event["detail-type"])
    if name not in _EVENTBRIDGE_ARRIVALS:
        return BucketNotification(others=(name,))
    detail = _mapping(event, "detail")
    described = _mapping(detail, "object")
    # Unlike S3's own notifications, EventBridge does not encode the key.
    return BucketNotification(
        (_announced(detail, _text(described, "key"), described.get("etag"), described, event.get("time")),)
    )


def _announced(
    place: Mapping[str, Any], key: str, etag: object, described: Mapping[str, Any], time: object
) -> AnnouncedObject:
    identity = etag.strip('"') if isinstance(etag, str) else ""
    return AnnouncedObject(
        _text(_mapping(place, "bucket"), "name"), key, identity, _integer(described.get("size")), _moment(time)
    )


def _json_object(text: object) -> Mapping[str, Any]:
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        raise _NotANotificationError("it is not JSON") from None
    if not isinstance(value, dict):
        raise _NotANotificationError("it is not a JSON object")
    return value


def _mapping(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    if not isinstance(found, dict):
        raise _NotANotificationError(f"an event in it has no {name!r}")
    return found


def _text(value: Mapping[str, Any], name: str) -> str:
    found = value.get(name)
    if not isinstance(found, str) or not found:
        raise _NotANotificationError(f"an event in it has no {name!r}")
    return found


def _integer(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    try:
        number = int(value)
    except ValueError:
        return None
    return number if number >= 0 else None


def _moment(value: object) -> float:
    try:
        return datetime.fromisoformat(value).timestamp() if isinstance(value, str) else 0.0
    except (ValueError, OverflowError):
        return 0.0
