"""Messages become announcements, or a reason why not; never an exception."""

from __future__ import annotations

import json
from urllib.parse import quote_plus

from hypothesis import given
from hypothesis import strategies as st

from harvester.events.bucket_events import (
    AnnouncedObject,
    BucketNotification,
    UnreadableMessage,
    parse_gcs_message,
    parse_s3_message,
)
from scripts.inputs.announcements import s3_event

KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["Records", "s3", "object", "key", "Type", "Message", "TopicArn", "source", "detail-type", "detail"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(KEYS)
def test_a_key_comes_back_as_it_was_whichever_way_it_came(key: str) -> None:
    written = s3_event("b", quote_plus(key), "e", 5)
    event = {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {"bucket": {"name": "b"}, "object": {"key": key, "size": 5, "etag": "e"}},
    }
    envelopes = [
        written,
        event,
        {"Type": "Notification", "TopicArn": "t", "Message": json.dumps(written)},
        {"Type": "Notification", "TopicArn": "t", "Message": json.dumps(event)},
    ]
    for body in envelopes:
        notice = parse_s3_message(json.dumps(body))
        assert isinstance(notice, BucketNotification), notice
        assert [(each.key, each.etag, each.size) for each in notice.announced] == [(key, "e", 5)]


@given(ANY_JSON)
def test_any_json_is_read_or_refused(value: object) -> None:
    assert isinstance(parse_s3_message(json.dumps(value)), BucketNotification | UnreadableMessage)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert isinstance(parse_s3_message(text), BucketNotification | UnreadableMessage)
    assert isinstance(
        parse_gcs_message({"eventType": text, "bucketId": "b", "objectId": "k"}, text),
        BucketNotification | UnreadableMessage,
    )


def test_events_that_announce_no_object() -> None:
    removed = s3_event("b", "k", "e", 1, "ObjectRemoved:Delete")
    assert parse_s3_message(json.dumps(removed)) == BucketNotification(others=("ObjectRemoved:Delete",))
    test = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-01-24T12:36:24.685Z", "Bucket": "b"}
    assert parse_s3_message(json.dumps(test)) == BucketNotification(others=("s3:TestEvent",))
    confirmation = {"Type": "SubscriptionConfirmation", "TopicArn": "t", "Message": "You have chosen …"}
    assert parse_s3_message(json.dumps(confirmation)) == BucketNotification(others=("SubscriptionConfirmation",))
    deleted = {"source": "aws.s3", "detail-type": "Object Deleted", "detail": {}}
    assert parse_s3_message(json.dumps(deleted)) == BucketNotification(others=("Object Deleted",))


def test_several_records_and_other_services() -> None:
    both = {"Records": [*s3_event("b", "1", "e", 1)["Records"], *s3_event("b", "2", "f", 2)["Records"]]}
    notice = parse_s3_message(json.dumps(both))
    assert isinstance(notice, BucketNotification)
    assert [each.key for each in notice.announced] == ["1", "2"]
    minio = s3_event("b", "k", "e", 1, "s3:ObjectCreated:Put")
    minio["Records"][0]["eventSource"] = "minio:s3"
    assert isinstance(parse_s3_message(json.dumps(minio)), BucketNotification)
    for body in ("", "nonsense", "[]", "{}", json.dumps({"Records": [{"eventSource": "aws:dynamodb"}]})):
        assert isinstance(parse_s3_message(body), UnreadableMessage)
    half = s3_event("b", "%ff", "e", 1)
    assert isinstance(parse_s3_message(json.dumps(half)), UnreadableMessage)


def test_what_cloud_storage_sends() -> None:
    attributes = {
        "eventType": "OBJECT_FINALIZE",
        "payloadFormat": "JSON_API_V1",
        "bucketId": "b",
        "objectId": "a b+ä.json",
        "objectGeneration": "1556835845511018",
        "eventTime": "2026-01-24T12:36:24.685000Z",
    }
    body = json.dumps({"kind": "storage#object", "name": "a b+ä.json", "size": "12"})
    full = parse_gcs_message(attributes, body)
    assert full == BucketNotification((AnnouncedObject("b", "a b+ä.json", "1556835845511018", 12, 1769258184.685),))
    bare = parse_gcs_message(attributes | {"payloadFormat": "NONE"}, "")
    assert isinstance(bare, BucketNotification)
    assert bare.announced[0].size is None
    assert parse_gcs_message(attributes | {"eventType": "OBJECT_DELETE"}, body) == BucketNotification(
        others=("OBJECT_DELETE",)
    )
    assert isinstance(parse_gcs_message({}, body), UnreadableMessage)
