"""Messages become announcements, or a reason why not; never an exception."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.events.queue.announced_object import AnnouncedObject
from harvester.events.queue.bucket_events import BucketNotification, parse_gcs_message, parse_s3_message
from scripts.inputs.announcements import s3_event

KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
FIELDS = (
    *("Records", "s3", "object", "key", "size", "bucket", "name", "eTag", "etag", "eventName", "eventSource", "Event"),
    *(
        "Type",
        "Message",
        "TopicArn",
        "source",
        "detail-type",
        "detail",
        "requestParameters",
        "bucketName",
        "EventSource",
    ),
    *("Sns", "requestPayload", "requestContext", "errorCode"),
)
VALUES = ("aws.s3", "aws:s3", "ceph:s3", "ObjectCreated:Put", "Object Created", "Notification", "aws:sns", "PutObject")
ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**30, -1, 2**63, 2**63 - 1])
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.sampled_from([*VALUES, "\ud800", "a+b", "%ff", "AWS API Call via CloudTrail", "s3.amazonaws.com"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6),
    max_leaves=30,
)


def record(key: str = "k", name: str = "ObjectCreated:Put", source: str = "aws:s3", **described: object) -> Any:
    event = s3_event("b", key, "e", 5, name)
    event["Records"][0]["eventSource"] = source
    event["Records"][0]["s3"]["object"] |= described
    return event


def eventbridge(kind: str = "Object Created", key: object = "k", **described: object) -> Any:
    detail = {"bucket": {"name": "b"}, "object": {"key": key, "size": 5, "etag": "e", **described}}
    return {"source": "aws.s3", "detail-type": kind, "time": "2026-01-24T12:36:24Z", "detail": detail}


def cloudtrail(call: str = "PutObject", **detail: object) -> Any:
    described = {"eventSource": "s3.amazonaws.com", "eventName": call, "eventTime": "2026-01-24T12:36:24Z"}
    called = {"requestParameters": {"bucketName": "b", "key": "a b+c"}}
    return {"source": "aws.s3", "detail-type": "AWS API Call via CloudTrail", "detail": described | called | detail}


def sns(message: object, kind: str = "Notification") -> Any:
    return {"Type": kind, "TopicArn": "t", "Message": json.dumps(message)}


def parse(value: object) -> BucketNotification:
    return parse_s3_message(value if isinstance(value, str) else json.dumps(value))


def keys(value: object) -> list[str]:
    found = parse(value)
    assert not found.unreadable
    assert not found.others
    return [each.key for each in found.announced]


@given(KEYS)
def test_a_key_is_read_exactly_in_every_envelope(key: str) -> None:
    written = s3_event("b", quote_plus(key), "e", 5)
    event = eventbridge(key=key)
    lambda_record = {"EventSource": "aws:sns", "Sns": sns(written)}
    failed_call = {"version": "1.0", "requestContext": {"condition": "RetriesExhausted"}, "requestPayload": written}
    for body in (written, event, sns(written), sns(event), [event], {"Records": [lambda_record]}, failed_call):
        found = parse(body)
        assert not found.unreadable
        assert [(each.bucket, each.key, each.etag, each.size) for each in found.announced] == [("b", key, "e", 5)]
    assert parse("\ufeff" + json.dumps(written)) == parse(written)


@given(ANY_JSON)
def test_any_json_is_announced_known_or_unreadable(value: object) -> None:
    found = parse(value)
    assert found.announced or found.others or found.unreadable
    for each in found.announced:
        assert each.bucket.encode()
        assert 0 < len(each.key.encode()) <= 1024
        assert each.written_key.encode() is not None
        assert each.etag.isascii()
        assert each.size is None or 0 <= each.size < 2**63


@given(st.text(max_size=200))
def test_any_text_is_read_or_unreadable(text: str) -> None:
    assert parse_s3_message(text).unreadable or text
    attributes = {"eventType": text, "bucketId": "b", "objectId": "k"}
    assert parse_gcs_message(attributes, text).unreadable
    finalized = {"eventType": "OBJECT_FINALIZE", "bucketId": "b", "objectId": text, "payloadFormat": "JSON_API_V1"}
    found = parse_gcs_message(finalized, text)
    assert found.unreadable or [each.key for each in found.announced] == [text]


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (record(name="ObjectRemoved:Delete"), "ObjectRemoved:Delete"),
        (record(name="s3:ObjectRemoved:DeleteMarkerCreated"), "ObjectRemoved:DeleteMarkerCreated"),
        (record(name="ObjectRestore:Post"), "ObjectRestore:Post"),
        (record(name="LifecycleTransition"), "LifecycleTransition"),
        ({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}, "s3:TestEvent"),
        (sns("You have chosen …", "SubscriptionConfirmation"), "SubscriptionConfirmation"),
        (sns("You have chosen …", "UnsubscribeConfirmation"), "UnsubscribeConfirmation"),
        (eventbridge("Object Deleted"), "Object Deleted"),
        (eventbridge("Object Tags Added"), "Object Tags Added"),
        (cloudtrail("GetObject"), "GetObject"),
        (cloudtrail("UploadPart"), "UploadPart"),
        (cloudtrail(errorCode="AccessDenied"), "PutObject"),
    ],
)
def test_events_that_are_known_to_announce_no_object(body: object, name: str) -> None:
    assert parse(body) == BucketNotification(others=(name,))


# As the pages of AWS, Ceph and MinIO list them, see the sources in bucket_events.
NO_ARRIVALS = [
    "ObjectRemoved:Delete",
    "ObjectRemoved:DeleteMarkerCreated",
    "ObjectRestore:Post",
    "ObjectRestore:Delete",
    "ReducedRedundancyLostObject",
    "Replication:OperationFailedReplication",
    "Replication:OperationMissedThreshold",
    "LifecycleExpiration:Delete",
    "LifecycleExpiration:DeleteMarkerCreated",
    "LifecycleTransition",
    "IntelligentTiering",
    "ObjectTagging:Put",
    "ObjectTagging:Delete",
    "ObjectAcl:Put",
    "ObjectAccessed:Get",
    "ObjectAccessed:Head",
    "ObjectLifecycle:Expiration:Current",
    "ObjectSynced:Delete",
    "ObjectSynced:DeletionMarkerCreated",
    "ObjectTransition:Complete",
    "BucketCreated:*",
    "BucketRemoved:*",
]
NO_ARRIVAL_CALLS = [
    "GetObject",
    "HeadObject",
    "ListObjectVersions",
    "DeleteObject",
    "DeleteObjects",
    "PutBucketPolicy",
    "PutObjectAcl",
    "PutObjectTagging",
    "PutObjectRetention",
    "PutObjectLegalHold",
    "CreateBucket",
    "CreateMultipartUpload",
    "UploadPart",
    "UploadPartCopy",
    "AbortMultipartUpload",
    "RestoreObject",
    "SelectObjectContent",
]


@pytest.mark.parametrize("name", NO_ARRIVALS)
def test_every_documented_event_without_an_arrival(name: str) -> None:
    assert parse(record(name=name)) == BucketNotification(others=(name,))
    assert parse(record(name=f"X{name}")).unreadable


@pytest.mark.parametrize("name", NO_ARRIVAL_CALLS)
def test_every_documented_call_without_an_arrival(name: str) -> None:
    assert parse(cloudtrail(name)) == BucketNotification(others=(name,))


@pytest.mark.parametrize(
    "kind",
    [
        *("Object Deleted", "Object Restore Initiated", "Object Restore Expired", "Object Storage Class Changed"),
        *("Object Access Tier Changed", "Object ACL Updated", "Object Tags Added", "Object Tags Deleted"),
    ],
)
def test_every_documented_eventbridge_event_without_an_arrival(kind: str) -> None:
    assert parse(eventbridge(kind)) == BucketNotification(others=(kind,))


@pytest.mark.parametrize(
    "body",
    [
        *("", "nonsense", "[]", "{}", "7", "null", '"text"', "[" * 100_000, '{"Records":[]}'),
        {"Records": [{"eventSource": "aws:dynamodb"}]},
        {"Records": ["text"]},
        record(name="ObjectInvented:Now"),
        record(name=""),
        record(name=7),  # type: ignore[arg-type]  # a hostile value
        record(source="s3"),
        record("%ff"),
        record("k" * 1025),
        record("\ud800"),
        record(""),
        record(size=10**30),
        record(size=2**63),
        record(size=-1),
        record(size=True),
        record(size=5.0),
        record(size="5x"),
        eventbridge("Object Invented"),
        eventbridge(key="\udfff"),
        eventbridge(key=None),
        eventbridge(key="ä" * 513),
        cloudtrail("InventObject"),
        cloudtrail(eventSource="ec2.amazonaws.com"),
        cloudtrail(requestParameters=None),
        sns({}, "Invented"),
        {"Type": "Notification", "TopicArn": "t"},
        {"EventSource": "aws:sns", "Sns": "text"},
        sns(sns(sns(sns(sns(record()))))),
        {"source": "aws.ec2", "detail-type": "Object Created"},
    ],
)
def test_what_is_not_understood_is_unreadable(body: object) -> None:
    found = parse(body)
    assert found.unreadable
    assert not found.announced
    assert not found.others


def test_an_unreadable_event_hides_no_other_of_its_message() -> None:
    good, removed = record("good")["Records"], record(name="ObjectRemoved:Delete")["Records"]
    for bad in (record("\ud800")["Records"], ["text"], record(size=10**30)["Records"]):
        for order in ([*good, *removed, *bad], [*bad, *removed, *good], [*removed, *bad, *good]):
            found = parse({"Records": order})
            assert [each.key for each in found.announced] == ["good"]
            assert found.others == ("ObjectRemoved:Delete",)
            assert found.unreadable
    assert keys({"Records": [*good, *record("2")["Records"]]}) == ["good", "2"]


def test_a_reason_contains_nothing_of_the_message() -> None:
    for body in (record("SECRET\ud800"), record("SECRET", size="SECRET"), eventbridge("SECRET"), cloudtrail("SECRET")):
        assert "SECRET" not in parse(body).unreadable


def test_the_arrivals_of_every_kind() -> None:
    for name in ("ObjectCreated:Put", "s3:ObjectCreated:Put", "ObjectRestore:Completed", "ObjectSynced:Create"):
        assert keys(record(name=name)) == ["k"]
    assert keys(eventbridge("Object Restore Completed")) == ["k"]
    for call in ("PutObject", "CopyObject", "CompleteMultipartUpload", "PostObject"):
        # CloudTrail neither encodes the key nor knows ETag and length.
        assert parse(cloudtrail(call)).announced == (AnnouncedObject("b", "a b+c", "", None, 1769258184.0),)


def test_a_size_or_etag_that_is_not_stated_is_looked_up() -> None:
    for stated, size in ((None, None), (0, 0), (2**63 - 1, 2**63 - 1), ("12", 12)):
        assert parse(record(size=stated)).announced[0].size == size
    for etag, read in (('"abc-2"', "abc-2"), (None, ""), (7, ""), ("a\r\nb", ""), ("x" * 257, ""), ("é", "")):
        assert parse(record(eTag=etag)).announced[0].etag == read


def test_the_time_is_read_where_it_is_one() -> None:
    for time, at in (("2026-01-24T12:36:24.685Z", 1769258184.685), ("soon", 0.0), (None, 0.0), (7, 0.0)):
        event = record()
        event["Records"][0]["eventTime"] = time
        assert parse(event).announced[0].at == at


def test_the_key_as_written_is_kept_where_it_differs() -> None:
    amazon = parse(record("a+b")).announced[0]
    assert (amazon.key, amazon.written_key, amazon.ambiguous) == ("a b", "a+b", False)
    ceph = parse(record("a+b", source="ceph:s3")).announced[0]
    assert (ceph.key, ceph.written_key, ceph.ambiguous) == ("a b", "a+b", True)
    minio = parse(record("a%2Bb", source="minio:s3")).announced[0]
    assert (minio.key, minio.ambiguous) == ("a+b", False)
    plain = parse(record("plain", source="ceph:s3")).announced[0]
    assert (plain.written_key, plain.ambiguous) == ("", False)
    # Not encoded, as only Ceph writes it.
    assert parse(record("100%ff", source="ceph:s3")).announced[0].key == "100%ff"
    encoded = quote_plus("ä" * 300)
    assert parse(record(encoded)).announced[0].written_key == ""


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
    for payload in ("", "not json", "[]", "{}"):
        assert parse_gcs_message(attributes, payload).announced[0].size is None
    assert parse_gcs_message(attributes | {"payloadFormat": "NONE"}, body).announced[0].size is None
    assert parse_gcs_message(attributes | {"objectGeneration": "x"}, body).announced[0].etag == ""
    for event in ("OBJECT_DELETE", "OBJECT_ARCHIVE", "OBJECT_METADATA_UPDATE"):
        assert parse_gcs_message(attributes | {"eventType": event}, body) == BucketNotification(others=(event,))
    for changed in ({"eventType": "OBJECT_INVENTED"}, {"objectId": ""}, {"objectId": "\ud800"}, {"bucketId": ""}):
        found = parse_gcs_message(attributes | changed, body)
        assert found.unreadable
        assert not found.announced
    assert parse_gcs_message(attributes, json.dumps({"size": str(10**30)})).unreadable
    assert parse_gcs_message({}, body).unreadable


@pytest.mark.parametrize(("surplus", "found"), [(0, ["k"]), (1, [])])
def test_a_body_is_read_up_to_sixteen_mebibytes(surplus: int, found: list[str]) -> None:
    body = json.dumps(record())
    padded = " " * (16 * 1024 * 1024 - len(body) + surplus) + body
    notification = parse_s3_message(padded)
    assert [each.key for each in notification.announced] == found
    assert bool(notification.unreadable) is not bool(found)


@pytest.mark.parametrize(("length", "unreadable"), [(100, False), (101, True)])
def test_a_name_has_up_to_a_hundred_characters(length: int, *, unreadable: bool) -> None:
    name = "ObjectTagging:".ljust(length, "x")
    assert bool(parse(record(name=name)).unreadable) is unreadable


def test_four_envelopes_are_opened_the_list_of_records_among_them() -> None:
    assert keys(sns(sns(sns(record("deep"))))) == ["deep"]
    assert parse(sns(sns(sns(sns(record("deep")))))).unreadable == "its envelopes are nested too deeply"


@pytest.mark.parametrize("body", [{"s3": {}}, {"eventName": "ObjectCreated:Put"}])
def test_half_a_record_is_no_record(body: object) -> None:
    assert "neither an S3 event" in parse(body).unreadable


def failed_invocation(message: object) -> Any:
    return {"requestPayload": message, "requestContext": {}}


def test_failed_invocations_are_envelopes_as_well() -> None:
    assert keys(failed_invocation(failed_invocation(failed_invocation(record("deep"))))) == ["deep"]
    four = failed_invocation(failed_invocation(failed_invocation(failed_invocation(record("deep")))))
    assert parse(four).unreadable == "its envelopes are nested too deeply"


def test_a_message_of_a_topic_of_an_unknown_type_is_not_opened() -> None:
    found = parse(sns(record(), "Invented"))
    assert not found.announced
    assert found.unreadable == "it is a message of a topic of an unknown type"


PUT = {"eventName": "ObjectCreated:Put", "eventSource": "aws:s3"}
CREATED = {"source": "aws.s3", "detail-type": "Object Created"}


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({"EventSource": "aws:sns", "Sns": "text"}, "Sns"),
        ("7", "message"),
        (PUT | {"s3": 7}, "s3"),
        (PUT | {"s3": {"bucket": {"name": "b"}}}, "object"),
        (PUT | {"s3": {"object": {"key": "k"}}}, "bucket"),
        (CREATED, "detail"),
        (CREATED | {"detail": {"bucket": {"name": "b"}}}, "object"),
        (CREATED | {"detail": {"object": {"key": "k"}}}, "bucket"),
        ({"source": "aws.s3", "detail-type": "AWS API Call via CloudTrail"}, "detail"),
        (cloudtrail(requestParameters=None), "requestParameters"),
    ],
)
def test_a_reason_names_the_part_that_is_wrong(body: object, part: str) -> None:
    assert parse(body).unreadable == f"{part} is not a JSON object"


def test_a_message_without_a_generation_has_no_etag() -> None:
    attributes = {"eventType": "OBJECT_FINALIZE", "bucketId": "b", "objectId": "k"}
    assert parse_gcs_message(attributes, "").announced[0].etag == ""
