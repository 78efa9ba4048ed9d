"""``watch``: a queue of moto, notifications of moto's S3, and workers that are killed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest

from scripts.commands.background_command import Running, wait_until
from scripts.commands.installed_command import Ended, run, tree
from scripts.commands.output_schemas import validate
from scripts.inputs.announcements import PREFIX, AnnouncedBucket, envelope, s3_event
from scripts.servers.fault_proxy import FaultProxy, Rule, Status
from scripts.servers.server_process import ServerProcess
from scripts.soak_test.event_soak import soak

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

Make = Callable[..., AnnouncedBucket]


@pytest.fixture
def announced(s3: S3Client, sqs: SQSClient, moto: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> Make:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto.url)
    return lambda **options: AnnouncedBucket(s3, sqs, **options)


def watch_once(bucket: AnnouncedBucket, destination: Path, *options: str) -> Ended:
    arguments = ("watch", bucket.location, destination, "--queue", bucket.queue, "--once", "--format", "json")
    ended = run(*arguments, *options)
    validate("watch-report", ended.document)
    return ended


def names(destination: Path) -> set[str]:
    return set(tree(destination))


def test_what_s3_announces_lands_and_its_messages_are_deleted(announced: Make, tmp_path: Path) -> None:
    bucket = announced(max_deliveries=5)
    bucket.notify()
    keys = ["plain.json", "sub folder/ä+b&c=d%41.json", "twice.json", "#.json"]
    for key in keys:
        bucket.deliver(PREFIX + key)
    bucket.deliver(PREFIX + "twice.json", envelope("twice", "second"))
    bucket.deliver("elsewhere.json")
    bucket.s3.delete_object(Bucket=bucket.name, Key="elsewhere.json")
    bucket.send({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": bucket.name})
    ended = watch_once(bucket, tmp_path / "r", "--foreign", "delete")
    assert ended.code == 0, ended.err
    assert names(tmp_path / "r") == set(keys)
    assert b"second" in (tmp_path / "r" / "twice.json").read_bytes()
    messages = ended.document["messages"]
    assert messages["deleted"] == messages["received"]
    assert messages["other_events"]["ObjectRemoved:Delete"] == 1
    assert messages["other_events"]["s3:TestEvent"] >= 1
    assert bucket.waiting() == 0
    assert run("verify", tmp_path / "r", "--remote").code == 0
    again = run("sync", bucket.location, tmp_path / "r", "--format", "json")
    assert again.counts["landed"] == 0


def test_every_way_a_notification_comes(announced: Make, tmp_path: Path, moto: ServerProcess) -> None:
    bucket = announced(max_deliveries=5)
    etags = {name: bucket.deliver(f"{PREFIX}{name} +ä.json") for name in ("direct", "topic", "bus", "real")}
    written = {name: f"{PREFIX}{name}+%2B%C3%A4.json" for name in etags}
    sizes = {name: len(envelope(f"{PREFIX}{name} +ä.json")) for name in etags}
    bucket.send(s3_event(bucket.name, written["direct"], etags["direct"], sizes["direct"]))
    event = s3_event(bucket.name, written["topic"], etags["topic"], sizes["topic"])
    bucket.send({"Type": "Notification", "TopicArn": "arn:aws:sns:us-east-1:1:t", "Message": json.dumps(event)})
    detail = {
        "bucket": {"name": bucket.name},
        "object": {"key": f"{PREFIX}bus +ä.json", "size": sizes["bus"], "etag": etags["bus"], "sequencer": "00"},
        "reason": "PutObject",
    }
    bucket.send({"version": "0", "source": "aws.s3", "detail-type": "Object Created", "detail": detail})
    sns = boto3.client("sns", endpoint_url=moto.url, region_name="us-east-1")
    topic = sns.create_topic(Name=f"t-{bucket.name}")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=bucket.arn(bucket.queue))
    sns.publish(
        TopicArn=topic, Message=json.dumps(s3_event(bucket.name, written["real"], etags["real"], sizes["real"]))
    )
    ended = watch_once(bucket, tmp_path / "r")
    assert ended.code == 0, ended.err
    assert names(tmp_path / "r") == {f"{name} +ä.json" for name in etags}
    assert bucket.waiting() == 0


def test_duplicates_and_disorder_change_nothing(announced: Make, tmp_path: Path) -> None:
    bucket = announced(max_deliveries=5)
    key = f"{PREFIX}a.json"
    first = bucket.deliver(key, envelope("a", "first"))
    second = bucket.deliver(key, envelope("a", "second one"))
    sizes = len(envelope("a", "first")), len(envelope("a", "second one"))
    for _ in range(2):
        bucket.send(s3_event(bucket.name, key, second, sizes[1]))
    assert watch_once(bucket, tmp_path / "r").document["counts"]["landed"] == 1
    # The older version's event comes last, and twice; then the newer one's again.
    for etag, size in ((first, sizes[0]), (first, sizes[0]), (second, sizes[1])):
        bucket.send(s3_event(bucket.name, key, etag, size))
        ended = watch_once(bucket, tmp_path / "r")
        assert ended.document["counts"] | {"listed": 0} == dict.fromkeys(ended.document["counts"], 0) | {"unchanged": 1}
    assert b"second one" in (tmp_path / "r" / "a.json").read_bytes()
    status = run("status", tmp_path / "r", "--format", "json").document
    assert status["last_seq"] == status["landed"] == 1


def test_messages_that_cannot_be_settled_are_left_and_reported(announced: Make, tmp_path: Path) -> None:
    bucket = announced(max_deliveries=2)
    etag = bucket.deliver(f"{PREFIX}a.json")
    size = len(envelope(f"{PREFIX}a.json"))
    bucket.send("not json")
    bucket.send({"Records": [{"eventSource": "aws:sqs"}]})
    bucket.send(s3_event("another-bucket", f"{PREFIX}a.json", etag, size))
    bucket.send(s3_event(bucket.name, "other/a.json", etag, size))
    bucket.send(s3_event(bucket.name, f"{PREFIX}a.json", etag, size))
    ended = watch_once(bucket, tmp_path / "r")
    assert ended.code == 3
    messages = ended.document["messages"]
    assert messages["received"] == 5
    assert messages["deleted"] == 1
    assert messages["left_by_reason"] == {"foreign": 2, "unreadable": 2}
    assert "it is not JSON" in ended.err
    assert "s3://another-bucket/nimble/a.json, which is not in" in ended.err
    assert bucket.waiting() == 4
    # The only consumer of a queue may delete them.
    bucket.send(s3_event("another-bucket", f"{PREFIX}a.json", etag, size))
    owned = watch_once(bucket, tmp_path / "r", "--foreign", "delete")
    assert owned.document["messages"]["deleted"] == 1
    assert "is deleted" in owned.err


def test_an_invalid_result_is_settled_and_a_denied_one_is_not(
    announced: Make, tmp_path: Path, moto: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = announced(max_deliveries=2)
    for name, body in (("broken", b'{"url": '), ("denied", envelope("denied"))):
        etag = bucket.deliver(f"{PREFIX}{name}.json", body)
        bucket.send(s3_event(bucket.name, f"{PREFIX}{name}.json", etag, len(body)))
    with FaultProxy(moto.url) as proxy:
        proxy.add(Rule(Status(403, "AccessDenied"), path="denied.json"))
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        ended = watch_once(bucket, tmp_path / "r")
    assert ended.code == 3
    assert (ended.document["counts"]["quarantined"], ended.document["counts"]["failed"]) == (1, 1)
    assert ended.document["messages"]["deleted"] == 1
    assert ended.document["messages"]["left_by_reason"] == {"failed": 1}
    assert ended.problems[f"{PREFIX}broken.json"][0] == "quarantined"
    assert ended.problems[f"{PREFIX}denied.json"] == ("failed", "object_denied")
    assert "denied.json could not be fetched" in ended.err
    assert bucket.waiting() == 1


def test_queues_that_cannot_be(announced: Make, tmp_path: Path, moto: ServerProcess) -> None:
    bucket = announced()
    missing = run("watch", bucket.location, tmp_path / "r", "--queue", bucket.queue + "-gone")
    assert (missing.code, missing.out) == (2, "")
    assert "the queue does not exist" in missing.err
    for address in ("results", "projects/p/subscriptions/s"):
        assert run("watch", bucket.location, tmp_path / "r", "--queue", address).code == 2
    nowhere = run("watch", "s3://no-such-bucket-/", tmp_path / "r", "--queue", bucket.queue)
    assert nowhere.code == 5, nowhere.err
    for option in (("--lease", "1m"), ("--beside", tmp_path), ("--foreign", "leave")):
        without = run("watch", bucket.location, tmp_path / "r", "--once", *option)
        assert without.code == 2
        assert "add --queue QUEUE" in without.err
    assert not (tmp_path / "r").exists()
    directory = run("watch", f"file://{tmp_path}/source", tmp_path / "r", "--queue", bucket.queue)
    assert directory.code == 2
    both = run("watch", bucket.location, tmp_path / "r", "--queue", bucket.queue, "--every", "1m")
    assert both.code == 2
    beside = watch_once(bucket, tmp_path / "r", "--beside", str(tmp_path / "never"))
    assert beside.code == 0, beside.err
    no_dead_letters = watch_once(bucket, tmp_path / "r")
    assert no_dead_letters.code == 0
    assert "no dead-letter queue" in no_dead_letters.err


def test_a_worker_that_is_asked_to_stop_gives_back_what_it_has_not_begun(announced: Make, tmp_path: Path) -> None:
    bucket = announced(max_deliveries=50)
    bucket.notify()
    for number in range(60):
        bucket.deliver(f"{PREFIX}{number}.json")
    worker = Running(
        tmp_path / "w", "watch", bucket.location, tmp_path / "r", "--queue", bucket.queue, "--format", "json"
    )
    with worker:
        wait_until(lambda: bool(names(tmp_path / "r")), "the first has landed")
        assert worker.stop() == 143
    messages = worker.document["messages"]
    assert messages["received"] == messages["deleted"] + messages["released"]
    rest = watch_once(bucket, tmp_path / "r")
    assert rest.code == 0, rest.err
    assert len(names(tmp_path / "r")) == 60
    assert bucket.waiting() == 0
    assert run("verify", tmp_path / "r").code == 0
    assert run("status", tmp_path / "r", "--format", "json").document["last_seq"] == 60


def test_two_workers_killed_at_any_moment_land_everything_once(tmp_path: Path) -> None:
    """Both are killed now and then and started anew, while objects arrive and every message comes twice."""
    found = soak(tmp_path, 300, 4, seed=7, again=1, lease=20)
    # On a fast machine everything may have landed before the last kill.
    assert 1 <= found.kills <= 4
    assert found.deliveries >= 600
    assert found.landed == 300
    assert set(found.files.values()) == {1}
    assert len(found.files) == 300
    assert found.left == 0
    assert found.verified


class TestByListing:
    def source(self, folder: Path) -> Path:
        source = folder / "bucket"
        source.mkdir()
        (source / "a.json").write_bytes(envelope("a"))
        return source

    def test_once_is_one_look(self, tmp_path: Path) -> None:
        source = self.source(tmp_path)
        ended = run("watch", f"file://{source}", tmp_path / "r", "--once", "--format", "json")
        assert ended.code == 0, ended.err
        assert ended.document["runs"] == 1
        assert ended.document["counts"]["landed"] == 1
        assert ended.document["queue"] is None
        missing = run("watch", f"file://{tmp_path}/nowhere", tmp_path / "s", "--once")
        assert missing.code not in (0, 1)

    def test_it_lands_what_arrives_and_holds_the_destination(self, tmp_path: Path) -> None:
        source = self.source(tmp_path)
        arguments = ("watch", f"file://{source}", tmp_path / "r", "--every", "1s", "--format", "json")
        with Running(tmp_path / "w", *arguments) as watcher:
            wait_until(lambda: names(tmp_path / "r") == {"a.json"}, "the first")
            assert run("sync", f"file://{source}", tmp_path / "r").code == 11
            (source / "b.json").write_bytes(envelope("b"))
            wait_until(lambda: names(tmp_path / "r") == {"a.json", "b.json"}, "the second")
            assert run("sync", f"file://{source}", tmp_path / "r").code == 11
            assert watcher.stop() == 143
        assert watcher.document["counts"]["landed"] == 2
        runs = run("status", tmp_path / "r", "--format", "json").document["runs"]
        assert len([each for each in runs if each["counts"] and each["counts"]["landed"]]) == 2
        # Looks that found nothing leave no record behind, however many there were.
        assert len(runs) <= 3

    def test_it_ends_when_nothing_comes(self, tmp_path: Path) -> None:
        source = self.source(tmp_path)
        idle = ("--every", "1s", "--idle-exit", "2s", "--format", "json")
        ended = run("watch", f"file://{source}", tmp_path / "r", *idle)
        assert ended.code == 0
        assert ended.document["runs"] >= 2

    def test_an_outage_is_retried(self, tmp_path: Path, fault_proxy: FaultProxy, s3_bucket: str, s3: S3Client) -> None:
        s3.put_object(Bucket=s3_bucket, Key="n/a.json", Body=envelope("a"))
        arguments = ("watch", f"s3://{s3_bucket}/n/", tmp_path / "r", "--every", "1s", "--format", "json")
        with Running(tmp_path / "w", *arguments) as watcher:
            wait_until(lambda: names(tmp_path / "r") == {"a.json"}, "the first")
            fault_proxy.add(Rule(Status(403, "AccessDenied"), query="list-type"))
            watcher.wait_for_line("access denied.*retrying in")
            s3.put_object(Bucket=s3_bucket, Key="n/b.json", Body=envelope("b"))
            fault_proxy.clear()
            wait_until(lambda: names(tmp_path / "r") == {"a.json", "b.json"}, "the second")
            assert watcher.stop() == 143
        assert watcher.document["failed_runs"] >= 1
        assert watcher.document["error"]["what"] == "interrupted"
