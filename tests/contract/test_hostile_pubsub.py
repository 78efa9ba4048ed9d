"""Whatever Pub/Sub delivers, good messages land and are acknowledged, and no other is acknowledged unread.

The client library, the event loop, a session and its worker process are the real ones; both services are on loopback.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from harvester.events.queue.queue_worker import QueueWorker
from harvester.location import parse_location
from harvester.queues.pubsub import PubsubQueue
from harvester.transfer.session import SyncSession
from scripts.servers.fake_gcs import FakeGcs
from scripts.servers.fake_pubsub import FakePubsub
from scripts.servers.hostile_s3 import result
from tests.contract.settling import Fate, settling_worker

LOCATION = parse_location("gs://bucket/r/")
OBJECTS = 12
# In place of the number of the example, each of which has keys of its own, and of the generation of the object.
EXAMPLE, GENERATION = "EXAMPLE", "GENERATION"


class Sent(NamedTuple):
    """One message."""

    attributes: Mapping[str, str]
    """Its attributes; `EXAMPLE` stands for the number of the example, `GENERATION` for that of the object."""
    data: bytes
    """Its payload."""
    fate: Fate
    """What becomes of it."""
    number: int = 0
    """The number of the object that it announces."""
    lands: bool = False
    """Whether that lands for certain."""


def key_of(number: int) -> str:
    return f"r/{EXAMPLE}-{number}.json"


def payload(number: int, **described: object) -> bytes:
    return json.dumps({"kind": "storage#object", "size": str(len(result(number))), **described}).encode()


def attributes(number: int, **changed: str | None) -> dict[str, str]:
    """Return the attributes of an announcement, with some of them changed, or left out where None."""
    named: dict[str, str | None] = {
        "eventType": "OBJECT_FINALIZE",
        "payloadFormat": "JSON_API_V1",
        "bucketId": "bucket",
        "objectId": key_of(number),
        "objectGeneration": GENERATION,
        "eventTime": "2026-01-24T12:36:24.685000Z",
        **changed,
    }
    return {name: value for name, value in named.items() if value is not None}


def announced(number: int, announce: Callable[[int], tuple[dict[str, str], bytes]]) -> Sent:
    found, data = announce(number)
    return Sent(found, data, "deleted", number, lands=True)


# Where a message states no generation or size that Cloud Storage could, the bucket is asked.
ANNOUNCEMENTS: list[Callable[[int], tuple[dict[str, str], bytes]]] = [
    lambda number: (attributes(number), payload(number)),
    lambda number: (attributes(number), payload(number, size=None)),
    lambda number: (attributes(number), b""),
    lambda number: (attributes(number), b"\xff\xfe"),
    lambda number: (attributes(number), b"[" * 100_000),
    lambda number: (attributes(number, payloadFormat="NONE"), b'{"size": -1}'),
    lambda number: (attributes(number, payloadFormat=None), b""),
    lambda number: (attributes(number, objectGeneration=None), payload(number)),
    lambda number: (attributes(number, objectGeneration="²"), payload(number)),
    lambda number: (attributes(number, objectGeneration="1\r\nHost: x"), payload(number)),
    lambda number: (attributes(number, objectGeneration="9" * 400), payload(number)),
    lambda number: (attributes(number, eventTime="0000-00-00", unknown="\x00"), payload(number)),
]
NOTHING = ["OBJECT_METADATA_UPDATE", "OBJECT_DELETE", "OBJECT_ARCHIVE"]
SIZES: list[Any] = [-1, 2**63, 10**30, "9" * 19, "1" * 30, 1.5, True, [], "x"]
UNREADABLE: list[tuple[dict[str, str], bytes]] = [
    *((attributes(0, eventType=name), payload(0)) for name in (None, "", "OBJECT_INVENTED", "object_finalize", "\x00")),
    *((attributes(0, bucketId=name), payload(0)) for name in (None, "", "b" * 300)),
    *((attributes(0, objectId=key), payload(0)) for key in (None, "", "r/" + "x" * 1030, "r/" + "ä" * 600)),
    *((attributes(0), payload(0, size=size)) for size in SIZES),
]
FOREIGN = [attributes(0, bucketId="other"), attributes(0, objectId="outside/a.json")]
# What they state of an object is not so, or there is no such object.
DOUBTFUL: list[tuple[dict[str, str], bytes]] = [
    *((attributes(0), payload(0, size=size)) for size in (0, "7", 2**63 - 1)),
    *((attributes(0, objectGeneration=generation), payload(0)) for generation in ("0", "7", "9" * 19, "9" * 30)),
]
EVERY_KIND = [
    *(announced(number, announce) for number, announce in enumerate(ANNOUNCEMENTS)),
    *(Sent(attributes(0, eventType=name), payload(0), "deleted") for name in NOTHING),
    *(Sent(*message, "left") for message in UNREADABLE),
    *(Sent(found, payload(0), "left") for found in FOREIGN),
]

numbers = st.integers(0, OBJECTS - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
datas = st.binary(max_size=60) | st.just(payload(0))
good = st.builds(announced, numbers, st.sampled_from(ANNOUNCEMENTS))
announces_nothing = st.builds(
    lambda name, key, data: Sent(attributes(0, eventType=name, objectId=key), data, "deleted"),
    st.sampled_from(NOTHING),
    texts,
    datas,
)
foreign = st.builds(lambda found, data: Sent(found, data, "left"), st.sampled_from(FOREIGN), st.just(b""))
unknown = st.builds(
    lambda found, data: Sent(found, data, "left"),
    st.dictionaries(st.sampled_from(sorted(attributes(0))) | texts.filter(bool), texts, max_size=6),
    datas,
)
unreadable = st.sampled_from(UNREADABLE).map(lambda message: Sent(*message, "left")) | unknown
absent = st.builds(
    lambda key, data: Sent(attributes(0, objectId=f"r/{EXAMPLE}/{key}", objectGeneration="7"), data, "either"),
    texts | st.sampled_from(["../../x", "a//b", "\x00", "a\nb", "%00", "?", "#", "x" * 900]),
    datas,
)
doubtful = st.sampled_from(DOUBTFUL).map(lambda message: Sent(*message, "either")) | absent
messages = st.lists(good | unreadable | announces_nothing | foreign | doubtful, min_size=1, max_size=25)


class EventLoop:
    """A worker that settles messages of a subscription in an open session."""

    def __init__(self, gcs: FakeGcs, pubsub: FakePubsub, session: SyncSession, worker: QueueWorker) -> None:
        self._gcs, self._pubsub, self._session, self._worker = gcs, pubsub, session, worker
        self._example = self._sent = 0

    def settle(self, sent: Sequence[Sent]) -> tuple[str, list[bool]]:
        """Settle messages; return the number of the example, and for each message whether it was acknowledged."""
        self._example += 1
        number = str(self._example)
        keys = [key_of(place).replace(EXAMPLE, number) for place in range(OBJECTS)]
        generations = [self._gcs.put("bucket", key, result(place)).generation for place, key in enumerate(keys)]
        ids = []
        for message in sent:
            generation = str(generations[message.number])
            filled: dict[str, Any] = {
                name: value.replace(EXAMPLE, number).replace(GENERATION, generation)
                for name, value in message.attributes.items()
            }
            ids.append(self._pubsub.publish(filled, message.data))
        self._sent += len(sent)
        while self._worker.counts().received < self._sent:
            self._worker.step(1.0)
        return number, [each in self._pubsub.acknowledged for each in ids]

    def has_landed(self, number: int, example: str) -> bool:
        row = self._session.landed_row(key_of(number).replace(EXAMPLE, example))
        return row is not None and row.size == len(result(number))


@pytest.fixture
def loop(fake_gcs: FakeGcs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EventLoop]:
    fake_gcs.create_bucket("bucket")
    with FakePubsub() as pubsub:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub.host)
        queue = PubsubQueue(pubsub.subscription)
        with settling_worker(LOCATION, queue, tmp_path / "dest") as (session, worker):
            yield EventLoop(fake_gcs, pubsub, session, worker)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(messages)
@example(EVERY_KIND)
def test_no_message_harms_another(loop: EventLoop, sent: list[Sent]) -> None:
    number, acknowledged = loop.settle(sent)
    for message, is_acknowledged in zip(sent, acknowledged, strict=True):
        assert message.fate in ("either", "deleted" if is_acknowledged else "left"), message
        assert not message.lands or loop.has_landed(message.number, number)
