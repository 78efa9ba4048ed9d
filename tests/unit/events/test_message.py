"""What messages mean for one location."""

from __future__ import annotations

import json
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from harvester.events.queue.announced_object import AnnouncedObject
from harvester.events.queue.message import newest_versions, object_outcome, parse_message, second_look_ups
from harvester.location import parse_location
from harvester.queues.message_queue import QueueMessage
from harvester.storage.base import ObjectRef
from scripts.inputs.announcements import s3_event

_announced = st.builds(
    AnnouncedObject,
    st.just("bucket"),
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(["", "1", "2"]),
    st.sampled_from([None, 5]),
    st.just(0.0),
    st.just(""),
    st.just(False),
)


def read(body: object, location: str = "s3://bucket/in/") -> tuple[list[str], str | None, str]:
    reading = parse_message(QueueMessage("1", "r", json.dumps(body), {}, 1), parse_location(location))
    elsewhere = reading.foreign.key if reading.foreign is not None else None
    return [each.key for each in reading.announced], elsewhere, reading.unreadable


def test_a_message_is_read_for_one_place() -> None:
    inside, outside = s3_event("bucket", "in/a", "e", 1), s3_event("bucket", "out/a", "e", 1)
    both = {"Records": inside["Records"] + outside["Records"]}
    assert read(inside) == (["in/a"], None, "")
    assert read(both) == (["in/a"], "out/a", "")
    assert read(inside, "s3://other/in/") == ([], "in/a", "")
    assert read("no notification")[2]


@given(st.lists(_announced), st.randoms(use_true_random=False), st.sets(st.sampled_from(["a", "b", "c"])))
def test_neither_order_nor_repetition_decides(
    announced: list[AnnouncedObject], random: Random, known: set[str]
) -> None:
    def knows_another(ref: ObjectRef) -> bool:
        return ref.key in known

    refs, unclear = newest_versions(announced, knows_another)
    assert {each.key for each in announced} == refs.keys() | set(unclear)
    assert not refs.keys() & set(unclear)
    for key, ref in refs.items():
        assert {(each.etag, each.size) for each in announced if each.key == key} == {(ref.etag, ref.size)}
        assert ref.etag
        assert key not in known
    shuffled = announced * 2
    random.shuffle(shuffled)
    assert newest_versions(shuffled, knows_another) == (refs, unclear)


def announce(key: str, etag: str, size: int | None = 5, at: float = 0.0) -> AnnouncedObject:
    return AnnouncedObject("bucket", key, etag, size, at)


def newest(*announced: AnnouncedObject, known: tuple[str, ...] = ()) -> tuple[dict[str, str], list[str]]:
    refs, unclear = newest_versions(announced, lambda ref: ref.key in known)
    return {key: ref.etag for key, ref in refs.items()}, unclear


def test_one_version_is_the_newest() -> None:
    assert newest(announce("a", "1"), announce("b", "2")) == ({"a": "1", "b": "2"}, [])


def test_the_same_version_at_another_time_is_the_same_version() -> None:
    assert newest(announce("a", "1", at=1.0), announce("a", "1", at=2.0)) == ({"a": "1"}, [])


def test_two_versions_leave_the_newest_to_the_store() -> None:
    assert newest(announce("a", "1"), announce("a", "2"), announce("b", "3")) == ({"b": "3"}, ["a"])
    assert newest(announce("a", "1", 5), announce("a", "1", 6)) == ({}, ["a"])


def test_a_version_beside_another_known_one_is_unclear() -> None:
    assert newest(announce("a", "1"), announce("b", "1"), known=("a",)) == ({"b": "1"}, ["a"])


def test_an_announcement_without_etag_or_size_is_unclear() -> None:
    assert newest(announce("b", "", 5), announce("a", "1", None), announce("c", "1")) == ({"c": "1"}, ["a", "b"])


def test_a_message_of_pubsub_is_read_by_its_attributes() -> None:
    attributes = {
        "eventType": "OBJECT_FINALIZE",
        "bucketId": "bucket",
        "objectId": "in/a",
        "objectGeneration": "7",
        "payloadFormat": "JSON_API_V1",
    }
    message = QueueMessage("1", "r", '{"size": "5"}', attributes, 1)
    inside = parse_message(message, parse_location("gs://bucket/in/"))
    assert [(each.key, each.etag, each.size) for each in inside.announced] == [("in/a", "7", 5)]
    assert (inside.message, inside.foreign, inside.unreadable, inside.others) == (message, None, "", ())
    assert parse_message(message, parse_location("s3://bucket/in/")).unreadable


def test_the_keys_of_an_object_are_those_under_the_prefix() -> None:
    ceph = s3_event("bucket", "in/a+b", "e", 1)
    ceph["Records"][0]["eventSource"] = "ceph:s3"
    message = QueueMessage("1", "r", json.dumps(ceph), {}, 1)

    def keys(location: str) -> list[tuple[str, str]]:
        return [(each.key, each.written_key) for each in parse_message(message, parse_location(location)).announced]

    assert keys("s3://bucket/in/") == [("in/a b", "in/a+b")]
    assert keys("s3://bucket/in/a b/") == []
    # Only the key as written is under the prefix, or only the decoded one.
    slashed = json.dumps(ceph).replace("in/a+b", "in/a+b/c")
    message = message._replace(body=slashed)
    assert keys("s3://bucket/in/a+b/") == [("in/a+b/c", "")]
    assert keys("s3://bucket/in/a b/") == [("in/a b/c", "")]
    amazon = message._replace(body=slashed.replace("ceph:s3", "aws:s3"))
    outside = parse_message(amazon, parse_location("s3://bucket/in/a+b/"))
    assert (outside.announced, outside.foreign is not None) == ((), True)


def test_a_location_that_names_an_alias_is_compared_by_the_name_of_the_bucket() -> None:
    message = QueueMessage("1", "r", json.dumps(s3_event("bucket", "in/a", "e", 1)), {}, 1)
    place = parse_location("s3://my-ap-hrzrlukc5m36ft7okagglf3gmwluquse1b-s3alias/in/")
    assert parse_message(message, place).foreign is not None
    assert [each.key for each in parse_message(message, place, bucket="bucket").announced] == ["in/a"]
    assert parse_message(message, parse_location("s3://bucket/in/"), bucket="other").foreign is not None


def test_an_ambiguous_key_is_looked_up_under_both_names() -> None:
    ambiguous = AnnouncedObject("bucket", "a b", "1", 5, 0.0, "a+b", ambiguous=True)
    assert newest(ambiguous, announce("c", "1")) == ({"c": "1"}, ["a b", "a+b"])
    assert newest(ambiguous._replace(written_key="")) == ({}, ["a b"])


def test_gone_requires_a_look_up_of_the_key_as_written() -> None:
    plain = announce("a", "1")
    encoded = AnnouncedObject("bucket", "a b", "1", 5, 0.0, "a+b")
    ambiguous = encoded._replace(ambiguous=True)
    assert second_look_ups([plain, encoded], {"a": "gone", "a b": "gone"}) == ["a+b"]
    assert second_look_ups([encoded], {"a b": "gone", "a+b": "landed"}) == []
    assert second_look_ups([encoded], {"a b": "landed"}) == []
    assert second_look_ups([encoded, encoded], {}) == []
    for announced, outcomes, outcome in (
        (plain, {}, None),
        (plain, {"a": "gone"}, "gone"),
        (encoded, {"a b": "landed"}, "landed"),
        (encoded, {"a b": "gone"}, None),
        (encoded, {"a b": "gone", "a+b": "gone"}, "gone"),
        (encoded, {"a b": "gone", "a+b": "landed"}, "landed"),
        (encoded, {"a b": "failed", "a+b": "landed"}, "failed"),
        (ambiguous, {"a b": "landed"}, None),
        (ambiguous, {"a b": "landed", "a+b": "gone"}, "landed"),
        (ambiguous, {"a b": "landed", "a+b": "failed"}, "failed"),
        (ambiguous, {"a b": "gone", "a+b": "gone"}, "gone"),
    ):
        assert object_outcome(announced, outcomes) == outcome
