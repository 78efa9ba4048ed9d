"""``watch --queue`` with messages that other stores and services send, and with invalid messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scripts.commands.installed_command import Ended, run, tree
from scripts.commands.output_schemas import validate
from scripts.inputs.announcements import envelope, s3_event
from scripts.servers.memory_s3 import MemoryS3
from scripts.servers.memory_sqs import MemorySqs


def watch(
    store: MemoryS3, queue: MemorySqs, destination: Path, *options: str, location: str = "s3://bucket/r/"
) -> Ended:
    arguments = ("--queue", queue.queue_url, "--once", "--endpoint-url", store.url, "--retries", "0")
    return run("watch", location, destination, *arguments, "--format", "json", *options)


def event(store: MemoryS3, key: str, written: str | None = None, source: str = "aws:s3") -> Any:
    """Store an object and return its event, the key as it is written there."""
    body = envelope(key)
    store.put(key, body)
    value = s3_event("bucket", written or key, store.etag(key), len(body))
    value["Records"][0]["eventSource"] = source
    return value


def send(queue: MemorySqs, *messages: object) -> None:
    for message in messages:
        queue.send(message if isinstance(message, str) else json.dumps(message))


def names(destination: Path) -> set[str]:
    return set(tree(destination))


def test_keys_that_ceph_does_not_encode_land(store: MemoryS3, queue: MemorySqs, tmp_path: Path) -> None:
    keys = ["r/a+b.json", "r/a b%41.json", "r/ä.json"]
    send(queue, *(event(store, key, source="ceph:s3") for key in keys))
    # The decoded key of the first one exists as well, and is another object.
    store.put("r/a b.json", envelope("another"))
    ended = watch(store, queue, tmp_path / "d")
    assert ended.code == 0, ended.err
    validate("watch-report", ended.document)
    assert names(tmp_path / "d") == {"a+b.json", "a b.json", "a b%41.json", "ä.json"}
    assert ended.document["messages"]["gone"] == 0
    assert queue.waiting == 0


def test_an_object_that_is_announced_again_after_it_landed_is_settled(
    store: MemoryS3, queue: MemorySqs, tmp_path: Path
) -> None:
    queue.send(json.dumps(event(store, "r/a.json")), again=3)
    ended = watch(store, queue, tmp_path / "d")
    assert ended.code == 0, ended.err
    assert (ended.document["counts"]["landed"], ended.document["counts"]["unchanged"]) == (1, 3)
    assert ended.document["messages"]["deleted"] == 4
    assert queue.waiting == 0


def test_an_object_is_gone_only_under_both_keys(store: MemoryS3, queue: MemorySqs, tmp_path: Path) -> None:
    send(queue, event(store, "r/a+b.json"), s3_event("bucket", "r/never+there.json", "e", 1))
    ended = watch(store, queue, tmp_path / "d")
    assert ended.code == 3
    assert names(tmp_path / "d") == {"a+b.json"}
    assert ended.document["messages"]["gone"] == 1
    assert queue.waiting == 0


def test_what_eventbridge_lambda_and_cloudtrail_forward_lands(
    store: MemoryS3, queue: MemorySqs, tmp_path: Path
) -> None:
    written = [event(store, f"r/{number}.json") for number in range(5)]
    detail = {"bucket": {"name": "bucket"}, "object": {"key": "r/0.json", "size": None, "etag": store.etag("r/0.json")}}
    called = {"eventSource": "s3.amazonaws.com", "eventName": "PutObject"}
    request = {"requestParameters": {"bucketName": "bucket", "key": "r/1.json"}}
    send(
        queue,
        [{"source": "aws.s3", "detail-type": "Object Created", "detail": detail}],
        {"source": "aws.s3", "detail-type": "AWS API Call via CloudTrail", "detail": called | request},
        {"version": "1.0", "requestContext": {"condition": "RetriesExhausted"}, "requestPayload": written[2]},
        {"Records": [{"EventSource": "aws:sns", "Sns": {"Type": "Notification", "Message": json.dumps(written[3])}}]},
        "\ufeff" + json.dumps(written[4]),
    )
    ended = watch(store, queue, tmp_path / "d")
    assert ended.code == 0, ended.err
    assert names(tmp_path / "d") == {f"{number}.json" for number in range(5)}
    assert queue.waiting == 0


def test_messages_that_are_not_understood_are_left_and_delay_no_other(
    store: MemoryS3, queue: MemorySqs, tmp_path: Path
) -> None:
    good = event(store, "r/good.json")
    beside = event(store, "r/beside.json")
    bad: list[object] = [
        s3_event("bucket", "r/\ud800.json", "e", 1),
        s3_event("bucket", "r/huge.json", "e", 10**30),
        s3_event("bucket", "r/negative.json", "e", -1),
        "[" * 50_000,
        "9" * 5_000,
        "{}",
        {"source": "aws.s3", "detail-type": "Object Invented", "detail": {}},
        s3_event("bucket", "r/good.json", "e", 1, "ObjectInvented:Now"),
        {"Records": [*beside["Records"], *s3_event("bucket", "r/x", "e", 10**30)["Records"]]},
    ]
    for position in (0, len(bad)):
        send(queue, *bad[:position], good, *bad[position:])
    ended = watch(store, queue, tmp_path / "d")
    assert ended.code == 3
    validate("watch-report", ended.document)
    assert names(tmp_path / "d") == {"good.json", "beside.json"}
    messages = ended.document["messages"]
    assert (messages["deleted"], messages["left_by_reason"]) == (2, {"unreadable": 2 * len(bad)})
    assert queue.waiting == 2 * len(bad)


def test_an_object_that_cannot_be_looked_up_delays_no_other(store: MemoryS3, queue: MemorySqs, tmp_path: Path) -> None:
    good = event(store, "r/good.json")
    nameless = s3_event("bucket", "r/" + "x" * 1022, "", 1)
    send(queue, nameless, good)
    ended = watch(store, queue, tmp_path / "d")
    assert names(tmp_path / "d") == {"good.json"}
    assert ended.document["messages"]["gone"] == 1


def test_an_alias_of_an_access_point_needs_the_name_of_the_bucket(
    store: MemoryS3, queue: MemorySqs, tmp_path: Path
) -> None:
    send(queue, event(store, "r/a.json"))
    alias = "s3://my-ap-hrzrlukc5m36ft7okagglf3gmwluquse1b-s3alias/r/"
    ended = watch(store, queue, tmp_path / "d", "--foreign", "delete", location=alias)
    assert ended.code == 2
    assert "--event-bucket" in ended.err
    assert queue.waiting == 1
    assert watch(store, queue, tmp_path / "d", "--event-bucket", "bucket", location=alias).code == 0
    assert names(tmp_path / "d") == {"a.json"}


def test_an_empty_receive_is_no_empty_queue_while_messages_of_a_group_are_in_flight(
    store: MemoryS3, tmp_path: Path
) -> None:
    with MemorySqs(fifo=True) as queue:
        for number in range(25):
            send(queue, event(store, f"r/{number}.json"))
        ended = watch(store, queue, tmp_path / "d")
        assert ended.code == 0, ended.err
        assert len(names(tmp_path / "d")) == 25
        assert queue.waiting == 0
