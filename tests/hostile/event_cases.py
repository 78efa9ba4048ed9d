"""Invalid messages and webhooks, and valid ones of other stores and services."""

from __future__ import annotations

import json
from typing import Any, Literal, NamedTuple

from scripts.inputs.announcements import s3_event
from tests.hostile.surrounding_cases import Surrounding


class MessageCase(NamedTuple):
    """One message of a queue of ``s3://bucket/r/``."""

    name: str
    """What it is."""
    body: str
    """Its body."""
    outcome: Literal["lands", "left", "deleted", "lands and left"]
    """What becomes of its object, and of the message: one that lands is deleted."""


class WebhookCase(NamedTuple):
    """One webhook."""

    name: str
    """What it is."""
    body: bytes
    """Its body."""
    status: int
    """The HTTP status of the answer."""


def _record(key: str = "r/a.json", name: str = "ObjectCreated:Put", source: str = "aws:s3", **described: object) -> Any:
    event = s3_event("bucket", key, "e", 5, name)
    event["Records"][0]["eventSource"] = source
    event["Records"][0]["s3"]["object"] |= described
    return event


def _bus(kind: str, detail: object = None) -> Any:
    stored = {"bucket": {"name": "bucket"}, "object": {"key": "r/a.json", "size": 5, "etag": "e"}}
    return {"source": "aws.s3", "detail-type": kind, "detail": stored if detail is None else detail}


def _trail(call: str, **more: object) -> Any:
    request = {"requestParameters": {"bucketName": "bucket", "key": "r/a.json"}}
    return _bus("AWS API Call via CloudTrail", {"eventSource": "s3.amazonaws.com", "eventName": call} | request | more)


def _case(name: str, body: object, outcome: Literal["lands", "left", "deleted", "lands and left"]) -> MessageCase:
    return MessageCase(name, body if isinstance(body, str) else json.dumps(body), outcome)


_GOOD = _record()
_DETAIL = _bus("Object Created")["detail"] | {"request-id": "r", "requester": "111122223333"}
_TOPIC = {"Type": "Notification", "TopicArn": "t", "Message": json.dumps(_GOOD)}
_NESTED = _TOPIC | {"Message": json.dumps(_TOPIC | {"Message": json.dumps(_TOPIC | {"Message": json.dumps(_TOPIC)})})}

MESSAGES = (
    _case("S3's event, direct", _GOOD, "lands"),
    _case("through SNS", _TOPIC, "lands"),
    _case("through SNS, as Lambda receives it", {"Records": [{"EventSource": "aws:sns", "Sns": _TOPIC}]}, "lands"),
    _case("through EventBridge", _bus("Object Created"), "lands"),
    _case("a batch of EventBridge Pipes", [_bus("Object Created")], "lands"),
    _case("the detail of EventBridge's event alone", _DETAIL | {"reason": "PutObject"}, "lands"),
    _case("an event as a JSON string", json.dumps(json.dumps(_GOOD)), "lands"),
    _case("a failed Lambda invocation", {"requestContext": {}, "requestPayload": _GOOD}, "lands"),
    _case("CloudTrail's PutObject", _trail("PutObject"), "lands"),
    _case("a byte order mark before the JSON", "\ufeff" + json.dumps(_GOOD), "lands"),
    _case("a size of null", _record(size=None), "lands"),
    _case("an ETag with a line end: looked up", _record(eTag="e\r\nx: y"), "lands"),
    _case("Ceph's key, not encoded", _record("r/a+b.json", source="ceph:s3"), "lands"),
    _case("S3's test event", {"Service": "Amazon S3", "Event": "s3:TestEvent"}, "deleted"),
    _case("a removal", _record(name="ObjectRemoved:Delete"), "deleted"),
    _case("the detail of a deletion alone", _DETAIL | {"reason": "DeleteObject", "deletion-type": "x"}, "deleted"),
    _case("a PutObject that was denied", _trail("PutObject", errorCode="AccessDenied"), "deleted"),
    _case("a confirmation of a subscription", _TOPIC | {"Type": "SubscriptionConfirmation"}, "deleted"),
    _case("an unknown event of S3", _record(name="ObjectInvented:Now"), "left"),
    _case("an unknown event of EventBridge", _bus("Object Invented"), "left"),
    _case("the detail of an unknown event", _DETAIL | {"reason": "Invented"}, "left"),
    _case("an unknown call of CloudTrail", _trail("InventObject"), "left"),
    _case("a size of 10^30", _record(size=10**30), "left"),
    _case("a negative size", _record(size=-1), "left"),
    _case("half a surrogate pair in the key", _record("r/\ud800"), "left"),
    _case("a key that is not UTF-8", _record("r/%ff"), "left"),
    _case("a key of more than 1,024 bytes", _record("r/" + "x" * 1023), "left"),
    _case("no key", _record(""), "left"),
    _case("no record", {"Records": []}, "left"),
    _case("a good record and one that cannot be read", {"Records": [*_GOOD["Records"], "x"]}, "lands and left"),
    _case("an envelope in an envelope in an envelope …", _NESTED, "left"),
    _case("a hundred thousand brackets", "[" * 100_000, "left"),
    _case("a number of five thousand digits", "9" * 5_000, "left"),
    _case("an event of another service", {"Records": [{"eventSource": "aws:dynamodb"}]}, "left"),
    _case("not JSON", "hello", "left"),
    _case("nothing", "", "left"),
)

WEBHOOKS = (
    WebhookCase("a task", b'{"task": {"id": "t1", "state": "success"}}', 200),
    WebhookCase("no JSON", b"task=t1", 400),
    WebhookCase("not UTF-8", b'{"task": {"id": "\xff"}}', 400),
    WebhookCase("no task", b'{"status": "success"}', 400),
    WebhookCase("an id that is a path", b'{"task": {"id": "../t1"}}', 400),
    WebhookCase("an id that is a number", b'{"task": {"id": 1e999}}', 400),
    WebhookCase("an id of 201 characters", b'{"task": {"id": "' + b"x" * 201 + b'"}}', 400),
    WebhookCase("half a surrogate pair as id", b'{"task": {"id": "\\ud800"}}', 400),
    WebhookCase("a hundred thousand brackets", b"[" * 100_000, 400),
)

_ODD = "tests/e2e/events/test_watch_odd_events.py::test_"
_HTTP = "tests/unit/nimble_api/test_bounded_http.py::test_"
_API = "tests/unit/nimble_api/test_decoding.py::test_"

EVENT_SURROUNDINGS = (
    Surrounding(
        "an announced object is not there",
        "gone, exit 3, the message is deleted: only after a second look-up under the key as the message writes it",
        _ODD + "an_object_is_gone_only_under_both_keys",
    ),
    Surrounding(
        "messages that cannot be read among good ones",
        "the good ones land and are deleted; the others are left, exit 3",
        _ODD + "messages_that_are_not_understood_are_left_and_delay_no_other",
    ),
    Surrounding(
        "any mixture of good messages, damaged ones, ones about nothing or another bucket, untrue ones, and junk",
        "every good one lands and is deleted; none is deleted that may announce an object which has not landed",
        "tests/contract/test_hostile_messages.py::test_no_message_harms_another",
    ),
    Surrounding(
        "the same on a subscription of Pub/Sub, by attributes, payloads and generations",
        "the same",
        "tests/contract/test_hostile_pubsub.py::test_no_message_harms_another",
    ),
    Surrounding(
        "LOCATION names the alias of an access point",
        "exit 2 before a message is received: `--event-bucket` takes the bucket's own name",
        _ODD + "an_alias_of_an_access_point_needs_the_name_of_the_bucket",
    ),
    Surrounding(
        "a FIFO queue returns nothing while a message of the group is in flight",
        "`--once` goes on until the queue is empty",
        _ODD + "an_empty_receive_is_no_empty_queue_while_messages_of_a_group_are_in_flight",
    ),
    Surrounding(
        "a thousand idle or half-open connections to `listen`",
        "they give way to new ones; every webhook is accepted",
        "tests/e2e/events/test_listen_connections.py::test_a_thousand_idle_or_half_open_connections_keep_no_webhook_out",
    ),
    Surrounding(
        "webhooks with ids that Nimble does not know",
        "at most five API requests a second after the first hundred",
        "tests/unit/events/test_lookup_budget.py::test_unknown_ids_never_exceed_the_rate_and_the_burst",
    ),
    Surrounding(
        "Nimble's API redirects",
        "exit 6; the API key is sent nowhere else",
        _HTTP + "no_redirect_is_followed",
    ),
    Surrounding(
        "Nimble's API sends more than `--max-api-bytes`, as it is or inflated",
        "exit 7, without a retry; a rescue goes on with the other tasks",
        _HTTP + "a_body_beyond_the_limit_is_one_error_without_a_retry",
    ),
    Surrounding(
        "numbers over 63 bits, years before 1970 or after 2261, half surrogate pairs in what the API sends",
        "unknown, or replaced; the task counts all the same",
        _API + "numbers_texts_and_times_are_bounded",
    ),
    Surrounding(
        "an altered or damaged state of events",
        "what is no message or id is skipped; a file that is no database: exit 7",
        "tests/unit/events/test_event_state.py::test_rows_that_are_none_are_skipped",
    ),
)
