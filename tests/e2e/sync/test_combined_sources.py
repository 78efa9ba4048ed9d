"""Several sources of one destination in one process: a queue, webhooks and full listings."""

from __future__ import annotations

import json
from pathlib import Path

import httpx

from scripts.commands.background_command import Running, wait_until
from scripts.commands.installed_command import run, tree
from scripts.inputs.announcements import envelope, s3_event
from scripts.servers.memory_s3 import MemoryS3
from scripts.servers.memory_sqs import MemorySqs
from scripts.servers.nimble_server import NimbleApi, Scenario

LOCATION = "s3://bucket/r/"


def put(store: MemoryS3, name: str, queue: MemorySqs | None = None) -> None:
    key, body = f"r/{name}.json", envelope(name)
    store.put(key, body)
    if queue is not None:
        queue.send(json.dumps(s3_event("bucket", key, store.etag(key), len(body))))


def names(destination: Path) -> set[str]:
    return {name.removesuffix(".json") for name in tree(destination)}


def test_a_watch_on_a_queue_lists_fully_as_well(store: MemoryS3, queue: MemorySqs, tmp_path: Path) -> None:
    put(store, "lost")
    put(store, "announced", queue)
    arguments = ("watch", LOCATION, tmp_path / "d", "--queue", queue.queue_url, "--endpoint-url", store.url)
    ended = run(*arguments, "--full-listing-every", "24h", "--once", "--format", "json")
    assert ended.code == 0, ended.err
    assert names(tmp_path / "d") == {"lost", "announced"}
    assert ended.document["messages"]["deleted"] == 1
    assert ended.document["counts"]["landed"] == 2
    put(store, "unlisted")
    assert run(*arguments, "--once", "--format", "json").code == 0
    assert names(tmp_path / "d") == {"lost", "announced"}
    assert run(*arguments, "--full-listing-every", "10s", "--once").code == 2
    assert run("watch", LOCATION, tmp_path / "d", "--full-listing-every", "24h").code == 2
    assert run("verify", tmp_path / "d").code == 0


def test_a_receiver_takes_a_queue_and_listings_as_well(store: MemoryS3, queue: MemorySqs, tmp_path: Path) -> None:
    put(store, "lost")
    put(store, "announced", queue)
    with NimbleApi(Scenario()) as api:
        environment = {
            "NIMBLE_API_KEY": api.scenario.api_key,
            "NIMBLE_BASE_URL": api.url,
            "AWS_ENDPOINT_URL": store.url,
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "none",
        }
        with api.lock:
            api.tasks["by-webhook"] = {"id": "by-webhook", "state": "success"}
        arguments = ("listen", tmp_path / "d", "--location", LOCATION, "--port", "0", "--format", "json")
        sources = ("--queue", queue.queue_url, "--full-listing-every", "24h")
        with Running(tmp_path / "receiver", *arguments, *sources, **environment) as receiver:
            url = receiver.listening_url()
            wait_until(lambda: names(tmp_path / "d") == {"lost", "announced"}, "listing and queue have landed")
            put(store, "by-webhook")
            assert httpx.post(url, json={"task": {"id": "by-webhook"}}).status_code == 200
            put(store, "later", queue)
            expected = {"lost", "announced", "by-webhook", "later"}
            wait_until(lambda: names(tmp_path / "d") == expected, "all sources have landed")
            wait_until(lambda: queue.waiting == 0, "the messages are deleted")
            # Checked while it runs.
            heartbeats = run("status", tmp_path / "d", "--max-age", "1h", "--format", "json")
            assert heartbeats.code == 0
            assert [beat["verb"] for beat in heartbeats.document["heartbeats"] if beat["succeeded_at"]] == ["listen"]
            receiver.stop()
    assert receiver.document["messages"]["deleted"] == 2
    assert receiver.document["tasks"] == {"landed": 1}
    assert receiver.document["counts"]["landed"] == 4
    assert run("verify", tmp_path / "d").code == 0
