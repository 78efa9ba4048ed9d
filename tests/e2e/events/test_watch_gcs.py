"""``watch`` of a bucket of GCS through a Pub/Sub subscription that speaks gRPC."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.commands.background_command import Running, wait_until
from scripts.commands.installed_command import Ended, run, tree
from scripts.inputs.announcements import envelope
from scripts.servers.fake_gcs import FakeGcs
from scripts.servers.fake_pubsub import FakePubsub

BUCKET = "acme-results"


class World:
    def __init__(self, gcs: FakeGcs, pubsub: FakePubsub, folder: Path) -> None:
        self.gcs = gcs
        self.pubsub = pubsub
        self.destination = folder / "r"
        self.location = f"gs://{BUCKET}/nimble/"
        gcs.create_bucket(BUCKET)

    def deliver(self, key: str) -> int:
        stored = self.gcs.put(BUCKET, key, envelope(key))
        return stored.generation

    def announce(
        self, key: str, generation: int, *, event: str = "OBJECT_FINALIZE", payload: bool = True, twice: bool = False
    ) -> None:
        attributes = {
            "eventType": event,
            "payloadFormat": "JSON_API_V1" if payload else "NONE",
            "bucketId": BUCKET,
            "objectId": key,
            "objectGeneration": str(generation),
            "eventTime": "2026-01-24T12:36:24.685000Z",
        }
        described = {"kind": "storage#object", "name": key, "size": str(len(envelope(key)))}
        self.pubsub.publish(attributes, json.dumps(described).encode() if payload else b"", twice=twice)

    @property
    def arguments(self) -> tuple[str | Path, ...]:
        return ("watch", self.location, self.destination, "--queue", self.pubsub.subscription, "--format", "json")

    def watch_once(self, *options: str) -> Ended:
        return run(*self.arguments, "--once", *options)


@pytest.fixture
def world(fake_gcs: FakeGcs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with FakePubsub() as pubsub:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub.host)
        yield World(fake_gcs, pubsub, tmp_path)


def test_what_is_announced_lands_and_is_acknowledged(world: World) -> None:
    generations = {key: world.deliver(f"nimble/{key}") for key in ("a.json", "b c+ä.json", "bare.json", "twice.json")}
    for key, generation in generations.items():
        world.announce(f"nimble/{key}", generation, payload=key != "bare.json", twice=key == "twice.json")
    world.announce("nimble/a.json", generations["a.json"], event="OBJECT_METADATA_UPDATE")
    world.announce("other/x.json", 1)
    world.pubsub.publish({}, b"hello")
    world.announce("nimble/gone.json", 1, payload=False)
    ended = world.watch_once()
    assert ended.code == 3, ended.err
    assert set(tree(world.destination)) == set(generations)
    report = ended.document
    assert report["counts"]["landed"] == 4
    assert report["messages"]["left_by_reason"] == {"foreign": 1, "unreadable": 1}
    assert report["messages"]["gone"] == 1
    assert report["messages"]["other_events"] == {"OBJECT_METADATA_UPDATE": 1}
    # What was acknowledged comes again, as it may.
    again = world.watch_once().document
    assert again["messages"]["redelivered"] + report["messages"]["redelivered"] >= 1
    assert again["counts"]["landed"] == 0
    assert world.pubsub.waiting == 2
    assert run("verify", world.destination).code == 0


def test_a_killed_worker_takes_its_messages_up_again(world: World) -> None:
    for number in range(40):
        key = f"nimble/{number}.json"
        world.announce(key, world.deliver(key))
    worker = Running(world.destination.parent / "w", *world.arguments, "--lease", "10s")
    with worker:
        wait_until(lambda: bool(tree(world.destination)), "the first has landed")
        worker.kill()
    assert world.watch_once().code == 0
    if world.pubsub.waiting:
        # Given out, and not yet written down: they come again when their lease is over.
        assert run(*world.arguments, "--idle-exit", "12s").code == 0
    assert world.pubsub.waiting == 0
    assert len(tree(world.destination)) == 40
    assert run("verify", world.destination).code == 0


def test_a_subscription_that_cannot_be_read(world: World) -> None:
    missing = run("watch", world.location, world.destination, "--queue", world.pubsub.subscription + "-gone", "--once")
    assert missing.code == 2
    assert "the queue does not exist" in missing.err
    world.pubsub.denied = True
    denied = world.watch_once()
    assert denied.code == 4
    assert "roles/pubsub.subscriber" in denied.err
