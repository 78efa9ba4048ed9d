"""Parse bucket notifications: S3's own, through SNS, EventBridge or CloudTrail, and those of GCS. Pure.

Every event is one of three: it announces an object, it is documented to announce none, or it is unknown. A message with
an unknown or invalid event is unreadable, and must not be deleted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from harvester.events.queue.announced_object import AnnouncedObject, InvalidEvent, exact_object, form_encoded_object

_DEEPEST = 4
# SQS limits a message to 1 MiB, Pub/Sub to 10 MB.
_LONGEST_BODY = 16 * 1024 * 1024
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html
# https://docs.ceph.com/en/latest/radosgw/notifications/ (ObjectSynced), MinIO's additional types.
# An object restored from its archive class can be fetched from now on, so it counts as an arrival.
_S3_ARRIVALS = ("ObjectCreated:", "ObjectRestore:Completed", "ObjectSynced:Create")
_S3_OTHERS = (
    *("ObjectRemoved:", "ObjectRestore:Post", "ObjectRestore:Delete", "ReducedRedundancyLostObject", "Replication:"),
    *("LifecycleExpiration:", "LifecycleTransition", "IntelligentTiering", "ObjectTagging:", "ObjectAcl:Put"),
    *("ObjectAccessed:", "ObjectLifecycle:", "ObjectSynced:Delet", "ObjectTransition:", "BucketCreated:"),
    "BucketRemoved:",
)
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventBridge.html
_EVENTBRIDGE_ARRIVALS = frozenset({"Object Created", "Object Restore Completed"})
_EVENTBRIDGE_OTHERS = frozenset(
    {
        *("Object Deleted", "Object Restore Initiated", "Object Restore Expired", "Object Storage Class Changed"),
        *("Object Access Tier Changed", "Object ACL Updated", "Object Tags Added", "Object Tags Deleted"),
    }
)
_REASONS_OF_ARRIVAL = frozenset({"PutObject", "POST Object", "CopyObject", "CompleteMultipartUpload"})
_CLOUDTRAIL = "AWS API Call via CloudTrail"
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/cloudtrail-logging-s3-info.html
_CLOUDTRAIL_ARRIVALS = frozenset({"PutObject", "CopyObject", "CompleteMultipartUpload", "PostObject"})
_CLOUDTRAIL_OTHERS = (
    *("Get", "Head", "List", "Delete", "PutBucket", "PutObjectAcl", "PutObjectTagging", "PutObjectRetention"),
    *("PutObjectLegalHold", "CreateBucket", "CreateMultipartUpload", "UploadPart", "AbortMultipartUpload"),
    *("RestoreObject", "SelectObjectContent"),
)
# https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
_SNS_OTHERS = frozenset({"SubscriptionConfirmation", "UnsubscribeConfirmation"})
# https://cloud.google.com/storage/docs/pubsub-notifications
_GCS_ARRIVAL = "OBJECT_FINALIZE"
_GCS_OTHERS = frozenset({"OBJECT_METADATA_UPDATE", "OBJECT_DELETE", "OBJECT_ARCHIVE"})


@dataclass(frozen=True, slots=True)
class BucketNotification:
    """Content of a message."""

    announced: tuple[AnnouncedObject, ...] = ()
    """The objects it announces."""
    others: tuple[str, ...] = ()
    """Names of its events that announce no object: removals, S3's test event, a topic's confirmation."""
    unreadable: str = ""
    """Why an event in it, or all of it, cannot be read; empty if it can. Contains no text of the message."""


def parse_s3_message(body: str) -> BucketNotification:
    """Parse an SQS message about an S3 bucket: direct, through SNS, EventBridge, CloudTrail or Lambda."""
    try:
        return _parse(_json(body), 0)
    except InvalidEvent as error:
        return BucketNotification(unreadable=str(error))


def parse_gcs_message(attributes: Mapping[str, str], body: str) -> BucketNotification:
    """Parse a Pub/Sub message about a GCS bucket; its payload may be empty (``payloadFormat`` NONE)."""
    event = attributes.get("eventType")
    if event in _GCS_OTHERS:
        return BucketNotification(others=(event,))
    if event != _GCS_ARRIVAL:
        return BucketNotification(unreadable="its attribute eventType is not one of Cloud Storage")
    size: object = None
    if attributes.get("payloadFormat") == "JSON_API_V1":
        try:
            size = _mapping(_json(body), "payload").get("size")
        except InvalidEvent:
            # The attributes identify the object; its size can be looked up.
            size = None
    generation = attributes.get("objectGeneration", "")
    try:
        found = exact_object(
            attributes.get("bucketId"),
            attributes.get("objectId"),
            etag=generation if generation.isascii() and generation.isdigit() else "",
            size=size,
            time=attributes.get("eventTime"),
        )
    except InvalidEvent as error:
        return BucketNotification(unreadable=str(error))
    return BucketNotification((found,))


def _parse(value: object, depth: int) -> BucketNotification:
    if depth > _DEEPEST:
        raise InvalidEvent("its envelopes are nested too deeply")
    if isinstance(value, list):
        # EventBridge Pipes and other forwarders send batches.
        return _join(value, depth)
    if isinstance(value, str):
        # Some forwarders send the event's text as a JSON string.
        return _parse(_json(value), depth + 1)
    event = _mapping(value, "message")
    if event.get("Event") == "s3:TestEvent":
        return BucketNotification(others=("s3:TestEvent",))
    if isinstance(event.get("Records"), list):
        return _join(event["Records"], depth)
    if "eventName" in event and "s3" in event:
        return _s3_record(event)
    if event.get("source") == "aws.s3" and "detail-type" in event:
        return _eventbridge(event)
    if "TopicArn" in event and isinstance(event.get("Type"), str):
        return _sns(event, depth)
    if event.get("EventSource") == "aws:sns":
        # A topic's message as Lambda receives it.
        return _sns(_mapping(event.get("Sns"), "Sns"), depth)
    if "reason" in event and "request-id" in event and isinstance(event.get("object"), dict):
        # The detail of EventBridge's event alone, as a rule with the input path $.detail sends it.
        return _eventbridge_detail(event)
    if "requestPayload" in event and "requestContext" in event:
        # The record of a failed Lambda invocation.
        return _parse(event["requestPayload"], depth + 1)
    raise InvalidEvent("it is JSON, but neither an S3 event nor one forwarded by a service of AWS")


def _join(values: Iterable[object], depth: int) -> BucketNotification:
    """Parse several events; one that cannot be read harms no other, but makes the message unreadable."""
    announced: list[AnnouncedObject] = []
    others: list[str] = []
    unreadable = "it contains no event"
    for place, value in enumerate(values):
        try:
            found = _parse(value, depth + 1)
        except InvalidEvent as error:
            found = BucketNotification(unreadable=str(error))
        announced += found.announced
        others += found.others
        unreadable = found.unreadable if place == 0 else unreadable or found.unreadable
    return BucketNotification(tuple(announced), tuple(others), unreadable)


def _sns(event: Mapping[str, Any], depth: int) -> BucketNotification:
    kind = event.get("Type")
    if kind in _SNS_OTHERS:
        return BucketNotification(others=(str(kind),))
    if kind != "Notification":
        raise InvalidEvent("it is a message of a topic of an unknown type")
    return _parse(_json(event.get("Message")), depth + 1)


def _s3_record(record: Mapping[str, Any]) -> BucketNotification:
    source = record.get("eventSource")
    if not isinstance(source, str) or not source.endswith(":s3"):
        raise InvalidEvent("it contains a record that does not come from S3")
    name = _name(record.get("eventName")).removeprefix("s3:")
    if name.startswith(_S3_ARRIVALS):
        place = _mapping(record.get("s3"), "s3")
        described = _mapping(place.get("object"), "object")
        found = form_encoded_object(
            _mapping(place.get("bucket"), "bucket").get("name"),
            described.get("key"),
            etag=described.get("eTag"),
            size=described.get("size"),
            time=record.get("eventTime"),
            # AWS and MinIO form-encode keys; Ceph does in some releases only.
            ambiguous=source not in ("aws:s3", "minio:s3"),
        )
        return BucketNotification((found,))
    if name.startswith(_S3_OTHERS):
        return BucketNotification(others=(name,))
    raise InvalidEvent("it contains an event of S3 of an unknown type")


def _eventbridge(event: Mapping[str, Any]) -> BucketNotification:
    name = _name(event.get("detail-type"))
    if name == _CLOUDTRAIL:
        return _cloudtrail(_mapping(event.get("detail"), "detail"))
    if name in _EVENTBRIDGE_ARRIVALS:
        return BucketNotification((_described(_mapping(event.get("detail"), "detail"), event.get("time")),))
    if name in _EVENTBRIDGE_OTHERS:
        return BucketNotification(others=(name,))
    raise InvalidEvent("it is an event of S3 of an unknown type")


def _eventbridge_detail(detail: Mapping[str, Any]) -> BucketNotification:
    """Parse the detail of an event of EventBridge whose type was left out: what was done states it."""
    reason = _name(detail.get("reason"))
    if reason in _REASONS_OF_ARRIVAL:
        return BucketNotification((_described(detail, None),))
    if "deletion-type" in detail:
        return BucketNotification(others=(reason,))
    raise InvalidEvent("it is the detail of an event of an unknown type")


def _described(detail: Mapping[str, Any], time: object) -> AnnouncedObject:
    described = _mapping(detail.get("object"), "object")
    # Unlike S3's own notifications, EventBridge does not encode the key.
    return exact_object(
        _mapping(detail.get("bucket"), "bucket").get("name"),
        described.get("key"),
        etag=described.get("etag"),
        size=described.get("size"),
        time=time,
    )


def _cloudtrail(detail: Mapping[str, Any]) -> BucketNotification:
    name = _name(detail.get("eventName"))
    if detail.get("eventSource") != "s3.amazonaws.com":
        raise InvalidEvent("it is an API call to another service than S3")
    if detail.get("errorCode") is not None or name.startswith(_CLOUDTRAIL_OTHERS):
        return BucketNotification(others=(name,))
    if name not in _CLOUDTRAIL_ARRIVALS:
        raise InvalidEvent("it is an API call of an unknown type")
    # The call carries neither the ETag nor the length of the object.
    call = _mapping(detail.get("requestParameters"), "requestParameters")
    found = exact_object(call.get("bucketName"), call.get("key"), etag=None, size=None, time=detail.get("eventTime"))
    return BucketNotification((found,))


def _name(value: object) -> str:
    if not isinstance(value, str) or not value or len(value) > 100 or not value.isprintable():
        raise InvalidEvent("it contains an event without a name")
    return value


def _json(text: object) -> object:
    if not isinstance(text, str) or len(text) > _LONGEST_BODY:
        raise InvalidEvent("it is not text, or too long")
    try:
        return json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        raise InvalidEvent("it is not JSON") from None


def _mapping(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InvalidEvent(f"{name} is not a JSON object")
    return value
