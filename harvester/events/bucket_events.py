"""What a message of a queue announces: S3's event notifications, direct, through SNS or EventBridge, and GCS's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

_DEEPEST = 4
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html
# An object restored from its archive class can be fetched from now on, so it is announced too.
_S3_ARRIVALS = ("ObjectCreated:", "ObjectRestore:Completed")
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
_EVENTBRIDGE_ARRIVALS = frozenset({"Object Created", "Object Restore Completed"})
# https://cloud.google.com/storage/docs/pubsub-notifications
_GCS_ARRIVAL = "OBJECT_FINALIZE"


class Announced(NamedTuple):
    """One object that is said to be there."""

    bucket: str
    """The bucket."""
    key: str
    """The exact key."""
    etag: str
    """Identity of the version announced (S3: ETag, GCS: generation); empty when the message does not say."""
    size: int | None
    """Length in bytes; None when the message does not say."""
    at: float
    """When it arrived, seconds since the epoch; 0 when the message does not say."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What a readable message says."""

    announced: tuple[Announced, ...] = ()
    """The objects it announces."""
    others: tuple[str, ...] = ()
    """Names of the events in it that announce no object: removals, S3's test event, a topic's confirmation."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A message that is no notification of a bucket."""

    reason: str
    """Why, free of what the message holds."""


class _NotANoticeError(Exception):
    pass


def read_s3_notice(body: str) -> Notice | Unreadable:
    """Return what an SQS message says of a bucket of S3, whichever way it came."""
    try:
        return _read(_json_object(body), 0)
    except _NotANoticeError as error:
        return Unreadable(str(error))


def read_gcs_notice(attributes: Mapping[str, str], body: str) -> Notice | Unreadable:
    """Return what a Pub/Sub message says of a bucket of GCS; its payload may be left out (``payloadFormat`` NONE)."""
    event, bucket, key = (attributes.get(name) for name in ("eventType", "bucketId", "objectId"))
    if not event or not bucket or not key:
        return Unreadable("it lacks the attributes eventType, bucketId and objectId of a Cloud Storage notification")
    if event != _GCS_ARRIVAL:
        return Notice(others=(event,))
    size: int | None = None
    if attributes.get("payloadFormat") == "JSON_API_V1":
        try:
            size = _integer(_json_object(body).get("size"))
        except _NotANoticeError:
            # The attributes name the object; its size can be asked for.
            size = None
    generation = attributes.get("objectGeneration", "")
    return Notice((Announced(bucket, key, generation, size, _moment(attributes.get("eventTime"))),))


def _read(value: Mapping[str, Any], depth: int) -> Notice:
    if depth > _DEEPEST:
        raise _NotANoticeError("it is an envelope in an envelope in an envelope")
    if value.get("Event") == "s3:TestEvent":
        return Notice(others=("s3:TestEvent",))
    if isinstance(value.get("Records"), list):
        return _records(value["Records"])
    if value.get("source") == "aws.s3" and "detail-type" in value:
        return _eventbridge(value)
    if "TopicArn" in value and isinstance(value.get("Type"), str):
        if value["Type"] != "Notification":
            return Notice(others=(value["Type"],))
        return _read(_json_object(value.get("Message")), depth + 1)
    raise _NotANoticeError("it is JSON, but neither an S3 event nor one that SNS or EventBridge has passed on")


def _records(records: list[Any]) -> Notice:
    announced, others = [], []
    for record in records:
        if not isinstance(record, dict) or not str(record.get("eventSource", "")).endswith(":s3"):
            raise _NotANoticeError("it holds a record that does not come from S3")
        name = str(record.get("eventName", "")).removeprefix("s3:")
        if not name.startswith(_S3_ARRIVALS):
            others.append(name or "an event without a name")
            continue
        place = _mapping(record, "s3")
        described = _mapping(place, "object")
        try:
            # S3 writes keys like a form: a blank as +, every other special byte as %XX.
            key = unquote_plus(_text(described, "key"), errors="strict")
        except UnicodeDecodeError:
            raise _NotANoticeError("its key is not UTF-8") from None
        announced.append(_announced(place, key, described.get("eTag"), described, record.get("eventTime")))
    return Notice(tuple(announced), tuple(others))


def _eventbridge(event: Mapping[str, Any]) -> Notice:
    name = str(event["detail-type"])
    if name not in _EVENTBRIDGE_ARRIVALS:
        return Notice(others=(name,))
    detail = _mapping(event, "detail")
    described = _mapping(detail, "object")
    # Unlike S3's own notifications, EventBridge carries the key as it is.
    return Notice((_announced(detail, _text(described, "key"), described.get("etag"), described, event.get("time")),))


def _announced(
    place: Mapping[str, Any], key: str, etag: object, described: Mapping[str, Any], time: object
) -> Announced:
    identity = etag.strip('"') if isinstance(etag, str) else ""
    return Announced(
        _text(_mapping(place, "bucket"), "name"), key, identity, _integer(described.get("size")), _moment(time)
    )


def _json_object(text: object) -> Mapping[str, Any]:
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        raise _NotANoticeError("it is not JSON") from None
    if not isinstance(value, dict):
        raise _NotANoticeError("it is no JSON object")
    return value


def _mapping(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    if not isinstance(found, dict):
        raise _NotANoticeError(f"an event in it has no {name!r}")
    return found


def _text(value: Mapping[str, Any], name: str) -> str:
    found = value.get(name)
    if not isinstance(found, str) or not found:
        raise _NotANoticeError(f"an event in it has no {name!r}")
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
