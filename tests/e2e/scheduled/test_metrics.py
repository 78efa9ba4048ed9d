"""Metrics of sync, watch and listen, in a file and over HTTP."""

from __future__ import annotations

import json
from pathlib import Path

import httpx

from scripts.commands.background_command import Running, wait_until
from scripts.commands.installed_command import run
from scripts.inputs.announcements import envelope, s3_event
from scripts.servers.memory_s3 import MemoryS3
from scripts.servers.memory_sqs import MemorySqs
from tests.e2e.scheduled.scheduled_commands import samples

LOCATION = "s3://bucket/r/"


def test_a_sync_leaves_its_metrics_and_a_failed_one_keeps_the_last_success(tmp_path: Path) -> None:
    source, destination, file = tmp_path / "source", tmp_path / "results", tmp_path / "sync.prom"
    source.mkdir()
    (source / "a.json").write_bytes(envelope("a"))
    arguments = ("sync", f"file://{source}/", destination, "--metrics-file", file)
    assert run(*arguments).code == 0
    first = samples(file.read_text())
    assert (first["run_objects landed"], first["run_exit_code"], first["landed_objects"]) == (1, 0, 1)
    assert first["last_success_timestamp_seconds"] == first["run_timestamp_seconds"]
    assert first["newest_delivery_timestamp_seconds"] > 0
    assert f'destination="{destination}"' in file.read_text()
    (source / "bad.json").write_bytes(b"{")
    assert run(*arguments).code == 3
    second = samples(file.read_text())
    assert second["run_exit_code"] == 3
    assert second["last_success_timestamp_seconds"] == first["last_success_timestamp_seconds"]
    assert sum(number for name, number in second.items() if name.startswith("problems ")) == 1
    assert run("sync", f"file://{tmp_path}/missing/", destination, "--metrics-file", file).code != 0
    assert samples(file.read_text())["last_success_timestamp_seconds"] == first["last_success_timestamp_seconds"]
    # What was reported before does not fail the run again; a success it is when a person has accepted it.
    assert run(*arguments).code == 0
    assert samples(file.read_text())["last_success_timestamp_seconds"] == first["last_success_timestamp_seconds"]
    run("problems", "accept", destination, "--reason", "invalid_json")
    assert run(*arguments).code == 0
    assert samples(file.read_text())["last_success_timestamp_seconds"] > first["last_success_timestamp_seconds"]


def test_metrics_that_cannot_be_written_are_an_error_of_a_sync(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    ended = run("sync", f"file://{source}/", tmp_path / "d", "--metrics-file", tmp_path / "missing" / "x.prom")
    assert ended.code == 12
    assert "--metrics-file" in ended.err


def test_a_watch_by_listing_writes_and_serves_its_metrics(tmp_path: Path) -> None:
    source, file = tmp_path / "source", tmp_path / "watch.prom"
    source.mkdir()
    (source / "a.json").write_bytes(envelope("a"))
    options = ("--every", "1s", "--metrics-file", file, "--metrics-port", "0")
    with Running(tmp_path / "watch", "watch", f"file://{source}/", tmp_path / "d", *options) as watcher:
        url = watcher.wait_for_line(r"metrics are at (http://\S+)/metrics")[1]
        wait_until(lambda: samples(httpx.get(f"{url}/metrics").text).get("objects_total landed") == 1, "it has landed")
        assert httpx.get(f"{url}/healthz").text == "ok\n"
        assert httpx.get(f"{url}/elsewhere").status_code == 404
        wait_until(file.is_file, "the file is written")
        watcher.stop()
    found = samples(file.read_text())
    assert found["objects_total landed"] == 1
    assert found["landing_up"] == 1
    assert found["bytes_total written"] == len(envelope("a"))
    assert found["last_success_timestamp_seconds"] > 0


def test_a_watch_on_a_queue_counts_messages(tmp_path: Path) -> None:
    file = tmp_path / "watch.prom"
    body = envelope("a")
    with MemoryS3({"r/a.json": body}) as store, MemorySqs() as queue:
        queue.send(json.dumps(s3_event("bucket", "r/a.json", store.etag("r/a.json"), len(body))))
        queue.send("nothing")
        arguments = ("watch", LOCATION, tmp_path / "d", "--queue", queue.queue_url, "--endpoint-url", store.url)
        assert run(*arguments, "--once", "--metrics-file", file).code == 3
    found = samples(file.read_text())
    assert (found["messages_total deleted"], found["messages_total left"]) == (1, 1)
    assert (found["objects_total landed"], found["landed_objects"]) == (1, 1)
    assert found["bytes_total fetched"] == found["bytes_total written"] == len(body)
    assert found["run_seconds"] > 0
