"""Whatever a queue delivers, good messages land and are deleted, and no other is deleted unread.

The event loop, a session and its worker process are the real ones; the store is on loopback, the queue in memory.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from harvester.events.queue.queue_worker import QueueWorker
from harvester.location import parse_location
from harvester.queues.message_queue import QueueMessage, QueueSettings, received_message
from harvester.transfer.session import SyncSession
from scripts.inputs.announcements import s3_event
from scripts.servers.hostile_s3 import HostileS3, md5, result
from tests.contract.settling import Fate, settling_worker

LOCATION = parse_location("s3://bucket/r/")
ADDRESS = "https://sqs.us-east-1.amazonaws.com/111122223333/q"
OBJECTS = 12
# In place of the number of the example: each has keys of its own.
EXAMPLE = "EXAMPLE"


class Sent(NamedTuple):
    """One message."""

    body: str
    """Its body; `EXAMPLE` stands for the number of the example."""
    fate: Fate
    """What becomes of it."""
    lands: tuple[int, ...] = ()
    """Numbers of the objects that it announces as they are."""


def key_of(number: int) -> str:
    return f"r/{EXAMPLE}-{number}.json"


def event_of(number: int, name: str = "ObjectCreated:Put", **described: object) -> Any:
    body = result(number)
    event = s3_event("bucket", key_of(number), md5(body), len(body), name)
    event["Records"][0]["s3"]["object"] |= described
    return event


def bus(number: int) -> Any:
    body = result(number)
    stored = {"key": key_of(number), "size": len(body), "etag": md5(body)}
    detail = {"bucket": {"name": "bucket"}, "object": stored}
    return {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}


def trail(number: int, **more: object) -> Any:
    call = {"eventSource": "s3.amazonaws.com", "eventName": "PutObject"}
    detail = call | {"requestParameters": {"bucketName": "bucket", "key": key_of(number)}} | more
    return {"source": "aws.s3", "detail-type": "AWS API Call via CloudTrail", "detail": detail}


def at_time(event: Any, time: object) -> Any:
    event["Records"][0]["eventTime"] = time
    return event


def topic(event: object, kind: str = "Notification") -> Any:
    return {"Type": kind, "TopicArn": "t", "Message": json.dumps(event)}


wrappers: st.SearchStrategy[Callable[[Any], Any]] = st.sampled_from(
    [
        lambda event: event,
        topic,
        lambda event: topic(topic(event)),
        lambda event: [event],
        lambda event: {"requestContext": {}, "requestPayload": event},
        lambda event: {"Records": [{"EventSource": "aws:sns", "Sns": topic(event)}]},
    ]
)
# Where an event states no ETag, size or time that a store could, the store is asked.
ANNOUNCEMENTS: list[Callable[[int], Any]] = [
    event_of,
    bus,
    trail,
    lambda number: event_of(number, eTag=""),
    lambda number: event_of(number, eTag="\r\nHost: x"),
    lambda number: event_of(number, eTag="\ud800"),
    lambda number: event_of(number, eTag=5),
    lambda number: event_of(number, size=None),
    lambda number: event_of(number, size=str(len(result(number)))),
    lambda number: event_of(number, key=key_of(number).replace("/", "%2F")),
    lambda number: at_time(event_of(number), "0000-00-00"),
    lambda number: at_time(event_of(number), 10**30),
]
NOTHING = [
    {"Service": "Amazon S3", "Event": "s3:TestEvent"},
    event_of(0, "ObjectRemoved:Delete"),
    trail(0, errorCode="AccessDenied"),
    topic("", "SubscriptionConfirmation"),
]
numbers = st.integers(0, OBJECTS - 1)
good = st.builds(
    lambda number, announce, wrap: Sent(json.dumps(wrap(announce(number))), "deleted", (number,)),
    numbers,
    st.sampled_from(ANNOUNCEMENTS),
    wrappers,
)
announces_nothing = st.builds(
    lambda event, wrap: Sent(json.dumps(wrap(event)), "deleted"), st.sampled_from(NOTHING), wrappers
)

TEMPTING = [
    *("Records", "Event", "eventName", "eventSource", "s3", "object", "bucket", "key", "name", "source", "detail-type"),
    *("detail", "TopicArn", "Type", "Message", "requestPayload", "requestContext", "Sns"),
]
ODD: list[Any] = [None, True, 5, -1, 10**30, 1e308, "", "x", "\ud800", "9" * 400, [], {}, [[]], {"key": None}]
texts = st.text(st.characters(), max_size=30)
documents = st.recursive(
    st.sampled_from([*ODD, "aws.s3", "aws:s3", "Notification", "ObjectCreated:Put", "Object Created"]) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(TEMPTING) | texts, inner, max_size=4),
    max_leaves=8,
)
DAMAGED = st.sampled_from(
    [("eventName",), ("eventSource",), ("s3",), ("s3", "bucket"), ("s3", "bucket", "name"), ("s3", "object"),
     ("s3", "object", "key"), ("s3", "object", "size")]
)  # fmt: skip


def damaged(number: int, path: Sequence[str], value: object) -> Any:
    """Return an event with one field replaced by what it cannot hold."""
    event = event_of(number)
    place = event["Records"][0]
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return event


def is_valid(path: Sequence[str], value: object) -> bool:
    """Return whether a field may hold a value: then the event is about another object, or without a size."""
    if path[-1] == "size":
        return value is None or value == 5
    return value == "x" and path[-1] in ("name", "key")


broken = st.tuples(numbers, DAMAGED, st.sampled_from(ODD)).filter(lambda drawn: not is_valid(*drawn[1:]))
SIZES: list[Any] = [-1, 2**63, 10**30, "9" * 19, "1" * 30, 1.5, True, []]
UNREADABLE = [
    event_of(0, "ObjectInvented:Now"),
    *(event_of(0, size=size) for size in SIZES),
    event_of(0, key=""),
    event_of(0, key="r/%ff"),
    event_of(0, key="r/\ud800"),
    event_of(0, key="r/" + "x" * 1030),
    {"Records": []},
    {"Records": [{"eventSource": "aws:dynamodb"}]},
    topic(event_of(0), "Invented"),
    topic(topic(topic(topic(topic(event_of(0)))))),
]
BODIES = ["", "\ufeff", "[" * 100_000, "9" * 5_000, '{"Records":[', "\x00", "-", "\ud800"]
unreadable_events = broken.map(lambda drawn: damaged(*drawn)) | st.sampled_from(UNREADABLE)
unreadable = st.one_of(
    st.builds(lambda event, wrap: Sent(json.dumps(wrap(event)), "left"), unreadable_events, wrappers),
    documents.map(lambda document: Sent(json.dumps(document), "left")),
    texts.map(lambda text: Sent(text, "left")),
    st.sampled_from(BODIES).map(lambda text: Sent(text, "left")),
)
FOREIGN = [s3_event("other", key_of(0), "e", 5), s3_event("bucket", "outside/a.json", "e", 5)]
foreign = st.builds(
    lambda event, wrap: Sent(json.dumps(wrap(event)), "left"),
    st.sampled_from(FOREIGN),
    wrappers,
)
# Beside an event that cannot be read, those that can be land, and the message stays.
mixed = st.builds(
    lambda number, event: Sent(json.dumps([event_of(number), event]), "left", (number,)), numbers, unreadable_events
)
# What they state of an object is not so, or there is no such object.
untrue = st.builds(
    lambda number, described: Sent(json.dumps(event_of(number, **described)), "either"),
    numbers,
    st.sampled_from([{"size": 7}, {"eTag": "0" * 32}, {"size": 0, "eTag": "e"}, {"size": 2**63 - 1}]),
)
absent = st.builds(
    lambda key, etag: Sent(json.dumps(event_of(0, key=f"r/{EXAMPLE}/{key}", eTag=etag, size=5)), "either"),
    texts | st.sampled_from(["../../x", "a//b", "\x00", "a\nb", "%00", "%0d%0aHost: x", "?", "#", "x" * 900]),
    st.sampled_from(["e", "", "\r\n"]),
)
others = st.one_of(unreadable, unreadable, announces_nothing, foreign, mixed, untrue, absent)
messages = st.lists(good | others, min_size=1, max_size=25)
# Beside a true announcement of the same object, no event that is misread can hide behind the failure to land it.
EVERY_KIND = [
    *(Sent(json.dumps(announce(number)), "deleted", (number,)) for number, announce in enumerate(ANNOUNCEMENTS)),
    *(Sent(json.dumps(event), "deleted") for event in NOTHING),
    *(Sent(json.dumps(event), "left") for event in (*UNREADABLE, *FOREIGN)),
    *(Sent(body, "left") for body in BODIES),
]


class MemoryQueue:
    """A queue that delivers each message once."""

    address = ADDRESS

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[QueueMessage] = deque()
        self.deleted: set[str] = set()

    def send(self, receipts: Sequence[str], bodies: Sequence[str]) -> None:
        with self._changed:
            for receipt, body in zip(receipts, bodies, strict=True):
                message = received_message(receipt, receipt, body, {}, "1")
                assert message is not None
                self._waiting.append(message)
            self._changed.notify_all()

    def settings(self) -> QueueSettings:
        return QueueSettings(dead_letters=True, max_deliveries=None)

    def receive(self, limit: int, *, wait: float, lease: float) -> list[QueueMessage]:
        del lease
        with self._changed:
            if not self._waiting:
                self._changed.wait(min(wait, 0.1))
            return [self._waiting.popleft() for _ in range(min(limit, len(self._waiting)))]

    def extend(self, receipts: Sequence[str], lease: float) -> list[str]:
        del receipts, lease
        return []

    def delete(self, receipts: Sequence[str]) -> list[str]:
        self.deleted.update(receipts)
        return []


class EventLoop:
    """A worker that settles messages in an open session."""

    def __init__(self, store: HostileS3, session: SyncSession, queue: MemoryQueue, worker: QueueWorker) -> None:
        self.store, self.session = store, session
        self._queue, self._worker = queue, worker
        self._example = self._sent = 0

    def settle(self, sent: Sequence[Sent]) -> tuple[str, list[bool]]:
        """Settle messages; return the number of the example, and for each message whether it was deleted."""
        self._example += 1
        example = str(self._example)
        for number in range(OBJECTS):
            self.store.objects[key_of(number).replace(EXAMPLE, example)] = result(number)
        receipts = [f"{example}-{place}" for place in range(len(sent))]
        self._queue.send(receipts, [message.body.replace(EXAMPLE, example) for message in sent])
        self._sent += len(sent)
        while self._worker.counts().received < self._sent:
            self._worker.step(1.0)
        return example, [receipt in self._queue.deleted for receipt in receipts]

    def has_landed(self, number: int, example: str) -> bool:
        row = self.session.landed_row(key_of(number).replace(EXAMPLE, example))
        return row is not None and row.size == len(result(number))


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[EventLoop]:
    queue = MemoryQueue()
    with (
        HostileS3({}) as store,
        settling_worker(LOCATION, queue, tmp_path / "dest", store.url) as (session, worker),
    ):
        yield EventLoop(store, session, queue, worker)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(messages)
@example(EVERY_KIND)
def test_no_message_harms_another(loop: EventLoop, sent: list[Sent]) -> None:
    example, deleted = loop.settle(sent)
    for message, is_deleted in zip(sent, deleted, strict=True):
        assert message.fate in ("either", "deleted" if is_deleted else "left"), message.body[:500]
        assert all(loop.has_landed(number, example) for number in message.lands)
