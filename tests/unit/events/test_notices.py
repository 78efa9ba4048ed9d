"""Messages become announcements, or a reason why not; never an exception."""

from __future__ import annotations

import json
from urllib.parse import quote_plus

from hypothesis import given
from hypothesis import strategies as st

from harvester.events.bucket_events import Announced, Notice, Unreadable, read_gcs_notice, read_s3_notice
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
        notice = read_s3_notice(json.dumps(body))
        assert isinstance(notice, Notice), notice
        assert [(each.key, each.etag, each.size) for each in notice.announced] == [(key, "e", 5)]


@given(ANY_JSON)
def test_any_json_is_read_or_refused(value: object) -> None:
    assert isinstance(read_s3_notice(json.dumps(value)), Notice | Unreadable)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert isinstance(read_s3_notice(text), Notice | Unreadable)
    assert isinstance(read_gcs_notice({"eventType": text, "bucketId": "b", "objectId": "k"}, text), Notice | Unreadable)


def test_events_that_announce_no_object() -> None:
    removed = s3_event("b", "k", "e", 1, "ObjectRemoved:Delete")
    assert read_s3_notice(json.dumps(removed)) == Notice(others=("ObjectRemoved:Delete",))
    test = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-01-24T12:36:24.685Z", "Bucket": "b"}
    assert read_s3_notice(json.dumps(test)) == Notice(others=("s3:TestEvent",))
    confirmation = {"Type": "SubscriptionConfirmation", "TopicArn": "t", "Message": "You have chosen …"}
    assert read_s3_notice(json.dumps(confirmation)) == Notice(others=("SubscriptionConfirmation",))
    deleted = {"source": "aws.s3", "detail-type": "Object Deleted", "detail": {}}
    assert read_s3_notice(json.dumps(deleted)) == Notice(others=("Object Deleted",))


def test_several_records_and_other_services() -> None:
    both = {"Records": [*s3_event("b", "1", "e", 1)["Records"], *s3_event("b", "2", "f", 2)["Records"]]}
    notice = read_s3_notice(json.dumps(both))
    assert isinstance(notice, Notice)
    assert [each.key for each in notice.announced] == ["1", "2"]
    minio = s3_event("b", "k", "e", 1, "s3:ObjectCreated:Put")
    minio["Records"][0]["eventSource"] = "minio:s3"
    assert isinstance(read_s3_notice(json.dumps(minio)), Notice)
    for body in ("", "nonsense", "[]", "{}", json.dumps({"Records": [{"eventSource": "aws:dynamodb"}]})):
        assert isinstance(read_s3_notice(body), Unreadable)
    half = s3_event("b", "%ff", "e", 1)
    assert isinstance(read_s3_notice(json.dumps(half)), Unreadable)


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
    full = read_gcs_notice(attributes, body)
    assert full == Notice((Announced("b", "a b+ä.json", "1556835845511018", 12, 1769258184.685),))
    bare = read_gcs_notice(attributes | {"payloadFormat": "NONE"}, "")
    assert isinstance(bare, Notice)
    assert bare.announced[0].size is None
    assert read_gcs_notice(attributes | {"eventType": "OBJECT_DELETE"}, body) == Notice(others=("OBJECT_DELETE",))
    assert isinstance(read_gcs_notice({}, body), Unreadable)
