"""``listen``: real posts to the real receiver, the real SDK to a real API, a real bucket."""

from __future__ import annotations

import json
import socket
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest

from scripts.commands.background_command import Running, wait_until
from scripts.commands.installed_command import run, tree
from scripts.inputs.announcements import PREFIX, envelope
from scripts.servers.nimble_server import NimbleApi, Scenario

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SECRET = "c0ffee-c0ffee-c0ffee"


class World:
    """A bucket, an API that knows its tasks, and the receiver between them."""

    def __init__(self, folder: Path, s3: S3Client, bucket: str, api: NimbleApi) -> None:
        self.folder = folder
        self.destination = folder / "results"
        self.s3 = s3
        self.bucket = bucket
        self.api = api
        self.location = f"s3://{bucket}/{PREFIX}"

    def task(self, state: str = "success", **fields: Any) -> str:
        """Let the API know a task."""
        task_id = str(uuid.uuid4())
        with self.api.lock:
            self.api.tasks[task_id] = {"id": task_id, "state": state, "api_type": "extract", **fields}
        return task_id

    def deliver(self, task_id: str, key: str | None = None) -> str:
        """Store a task's result; return its key."""
        key = key or f"{PREFIX}{task_id}.json"
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=envelope(task_id))
        return key

    def receiver(self, *options: str, environment: dict[str, str] | None = None) -> Running:
        known = {"NIMBLE_API_KEY": self.api.scenario.api_key, "NIMBLE_BASE_URL": self.api.url}
        arguments = ("listen", self.destination, "--port", "0", "--location", self.location, "--format", "json")
        return Running(self.folder / "receiver", *arguments, *options, **{**known, **(environment or {})})

    def landed(self) -> set[str]:
        return {name.removesuffix(".json") for name in tree(self.destination)}


@pytest.fixture
def world(tmp_path: Path, s3: S3Client, s3_bucket: str) -> Iterator[World]:
    with NimbleApi(Scenario()) as api:
        yield World(tmp_path, s3, s3_bucket, api)


def metric(url: str, name: str) -> int:
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    return next((int(float(line.split()[-1])) for line in lines if line.startswith(f"nimble_harvester_{name} ")), 0)


def post_alone(address: str, body: str) -> str:
    """Post over a new connection, as each sender does; return the status."""
    with closing(HTTPConnection(address, timeout=60)) as connection:
        connection.request("POST", "/", body)
        answer = connection.getresponse()
        assert answer.status == 200
        return str(json.loads(answer.read())["status"])


def webhook(task_id: str, state: str = "success") -> dict[str, Any]:
    return {"task": {"id": task_id, "state": state, "status_code": 200, "input": {}, "api_type": "extract"}}


def test_each_documented_body_lands_its_object_and_nothing_else(world: World) -> None:
    ids = [world.task() for _ in range(4)]
    for task_id in ids:
        world.deliver(task_id)
    world.deliver(str(uuid.uuid4()))
    bodies = [
        webhook(ids[0]),
        {"task": {"id": ids[1], "state": "completed", "api_type": "extract", "download_url": "https://e.example/r"}},
        {"status": "success", "task": {"id": ids[2], "state": "success", "output_url": "s3://somewhere/else.json"}},
        {"status": "success", "task": {"id": ids[3], "state": "pending", "input": {}}},
    ]
    with world.receiver() as receiver:
        url = receiver.listening_url()
        for body in bodies:
            answer = httpx.post(f"{url}/any/path", json=body)
            assert (answer.status_code, answer.json()) == (200, {"status": "accepted"})
        wait_until(lambda: world.landed() == set(ids), "four landed")
        assert receiver.stop() == 143
    report = receiver.document
    assert report["webhooks"] == {"accepted": 4}
    assert report["tasks"] == {"landed": 4}
    assert report["counts"]["landed"] == report["counts"]["listed"] == 4
    assert run("verify", world.destination).code == 0


def test_a_burst_of_a_thousand_with_duplicates_lands_each_task_once(world: World) -> None:
    ids = [world.task() for _ in range(100)]
    for task_id in ids:
        world.deliver(task_id)

    posts = [json.dumps(webhook(task_id)) for task_id in ids for _ in range(10)]

    with world.receiver() as receiver:
        with ThreadPoolExecutor(50) as senders:
            address = urlsplit(receiver.listening_url()).netloc
            answered = Counter(senders.map(lambda body: post_alone(address, body), posts))
        assert answered == {"accepted": 100, "duplicate": 900}
        wait_until(lambda: world.landed() == set(ids), "all landed")
        # Long after it has landed, the same webhook is news no more.
        assert httpx.post(receiver.listening_url(), json=webhook(ids[0])).json() == {"status": "duplicate"}
        receiver.stop()
    assert receiver.document["counts"]["landed"] == 100
    assert receiver.document["tasks"] == {"landed": 100}


@pytest.mark.parametrize(
    ("body", "status", "answer"),
    [
        (b"not json", 400, "not_json"),
        (b"[1, 2]", 400, "no_task"),
        (b'{"task": {"state": "success"}}', 400, "no_task"),
        (b'{"task": {"id": "../../etc/passwd"}}', 400, "no_task"),
        (b"[" * 100_000, 400, "not_json"),
        (b'{"task": {"id": "' + b"a" * 300_000 + b'"}}', 413, "too_large"),
    ],
)
def test_an_invalid_webhook_has_its_status(shared: str, body: bytes, status: int, answer: str) -> None:
    response = httpx.post(shared, content=body, headers={"X-Nimble-Harvester-Secret": SECRET})
    assert (response.status_code, response.json()["status"]) == (status, answer)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/", {}, 401),
        ("/wrong-wrong-wrong", {}, 401),
        ("/", {"X-Nimble-Harvester-Secret": SECRET[:-1]}, 401),
        (f"/{SECRET}/more", {}, 401),
        (f"/{SECRET}", {}, 400),
        (f"/webhooks/nimble/{SECRET}", {}, 400),
        ("/", {"X-Nimble-Harvester-Secret": SECRET}, 400),
        (f"/{SECRET}/", {}, 400),
        ("/", {"Authorization": f"Bearer {SECRET}"}, 400),
        ("/", {"Authorization": f"bearer {SECRET}"}, 400),
        ("/", {"Authorization": f"Basic {SECRET}"}, 401),
        ("/", {"Authorization": SECRET}, 401),
    ],
)
def test_a_secret_is_asked_for_in_a_header_or_the_path(
    shared: str, path: str, headers: dict[str, str], status: int
) -> None:
    assert httpx.post(shared + path, content=b"{}", headers=headers).status_code == status


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, moto: Any, s3: S3Client) -> Iterator[str]:
    """One receiver for the posts that land nothing."""
    s3.create_bucket(Bucket="of-no-results")
    folder = tmp_path_factory.mktemp("shared")
    secret = folder / "secret"
    secret.write_text(SECRET + "\n")
    environment = {
        "NIMBLE_API_KEY": "k",
        "NIMBLE_BASE_URL": "http://127.0.0.1:9",
        "AWS_ENDPOINT_URL": moto.url,
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "none",
    }
    arguments = ("listen", folder / "results", "--location", "s3://of-no-results/prefix/", "--port", "0")
    limits = ("--secret-file", secret, "--max-body", "200kB", "--body-timeout", "1s")
    with Running(folder / "receiver", *arguments, *limits, **environment) as receiver:
        yield receiver.listening_url()
        receiver.stop()
        assert SECRET not in receiver.err + receiver.out


def test_a_body_of_100_mb_is_refused_before_it_is_read(shared: str) -> None:
    parts = urlsplit(shared)
    with socket.create_connection((parts.hostname, parts.port)) as sender:
        sender.sendall(
            f"POST /{SECRET} HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n".encode() + b"x" * 10_000
        )
        assert sender.recv(4096).startswith(b"HTTP/1.1 413")


def test_a_body_of_unknown_length_is_refused_beyond_the_limit(shared: str) -> None:
    parts = urlsplit(shared)
    with socket.create_connection((parts.hostname, parts.port)) as sender:
        sender.sendall(f"POST /{SECRET} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
        sent = 0
        try:
            for _ in range(3000):
                sender.sendall(chunk)
                sent += 1
        except OSError:
            pass
        assert sent < 3000
    assert httpx.get(f"{shared}/healthz").text == "ok\n"


def test_a_slow_client_delays_no_other(shared: str) -> None:
    parts = urlsplit(shared)
    with socket.create_connection((parts.hostname, parts.port)) as slow:
        slow.sendall(f"POST /{SECRET} HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n{{".encode())
        assert httpx.post(f"{shared}/{SECRET}", content=b"{}").status_code == 400
        assert slow.recv(4096).startswith(b"HTTP/1.1 408")


def test_other_methods_and_places(shared: str) -> None:
    assert httpx.put(shared).status_code == 405
    # A browser on the webhook's address.
    visited = httpx.get(f"{shared}/{SECRET}")
    assert (visited.status_code, visited.headers["Allow"]) == (405, "POST")
    assert SECRET not in visited.text
    assert httpx.get(f"{shared}/healthz").status_code == 200
    text = httpx.get(f"{shared}/metrics").text
    assert "# TYPE nimble_harvester_webhooks_total counter" in text
    assert "nimble_harvester_landing_up 1.0" in text


def test_the_body_is_not_trusted(world: World) -> None:
    """Failed, unknown and foreign tasks, running ones, and one whose object comes late."""
    failed = world.task("error", error="blocked by target", error_type="blocked")
    elsewhere = world.task(output_url="s3://another-bucket/x.json")
    running = world.task("pending")
    late = world.task()
    encoded = world.task(output_url=f"{world.location}a%20b.json")
    world.deliver(encoded, f"{PREFIX}a b.json")
    zipped = world.task(output_url=f"{world.location}named.json")
    world.deliver(zipped, f"{PREFIX}named.json.gz")
    unknown = str(uuid.uuid4())
    with world.receiver() as receiver:
        url = receiver.listening_url()
        for task_id in (failed, elsewhere, running, late, encoded, zipped, unknown):
            # All of them claim success, and where to find it.
            body = webhook(task_id) | {"output_url": f"{world.location}{failed}.json"}
            assert httpx.post(url, json=body).status_code == 200
        wait_until(lambda: world.landed() == {"a b", "named"}, "what is there has landed")
        receiver.wait_for_line(f"task {failed} has failed at Nimble: blocked: blocked by target")
        receiver.wait_for_line(f"Nimble knows no task {unknown}")
        receiver.wait_for_line(f"task {elsewhere} was delivered outside")
        receiver.wait_for_line(f"the result of task {late} is not in {world.location} yet")
        assert metric(url, "tasks_waiting") == 2
        with world.api.lock:
            world.api.tasks[running] = {"id": running, "state": "success"}
        world.deliver(running)
        world.deliver(late)
        # Another webhook of a task that waits makes it due at once.
        assert httpx.post(url, json=webhook(running)).json() == {"status": "duplicate"}
        wait_until(lambda: world.landed() == {"a b", "named", running, late}, "late ones have landed")
        receiver.stop()
    assert receiver.document["tasks"] == {"elsewhere": 1, "failed_upstream": 1, "landed": 4, "unknown_task": 1}
    assert receiver.document["waiting"] == 0


def test_accepted_tasks_survive_a_kill_and_a_full_queue_is_answered_with_503(world: World) -> None:
    ids = [world.task("pending") for _ in range(5)]
    with world.receiver("--max-waiting", "3") as receiver:
        url = receiver.listening_url()
        answers = [httpx.post(url, json=webhook(task_id)) for task_id in ids]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 503, 503]
        assert answers[-1].headers["Retry-After"] == "30"
        receiver.kill()
        with world.api.lock:
            for task_id in ids:
                world.api.tasks[task_id]["state"] = "success"
        for task_id in ids:
            world.deliver(task_id)
        receiver.start()
        wait_until(lambda: world.landed() == set(ids[:3]), "the accepted ones have landed")
        assert httpx.post(receiver.listening_url(), json=webhook(ids[3])).json() == {"status": "accepted"}
        wait_until(lambda: ids[3] in world.landed(), "a task is accepted again")
        receiver.stop()
    assert run("status", world.destination, "--format", "json").document["landed"] == 4


def test_an_outage_of_the_api_is_retried(world: World) -> None:
    task_id = world.task()
    world.deliver(task_id)
    world.api.scenario.faults = [{"path": "/tasks/.*", "times": 3, "status": 500, "body": {"success": "false"}}]
    with world.receiver() as receiver:
        url = receiver.listening_url()
        assert httpx.get(f"{url}/healthz").status_code == 200
        httpx.post(url, json=webhook(task_id))
        wait_until(lambda: httpx.get(f"{url}/healthz").status_code == 503, "the health check reports the outage")
        assert metric(url, "landing_up") == 0
        receiver.wait_for_line("the state of task")
        wait_until(lambda: world.landed() == {task_id}, "it has landed in the end")
        assert httpx.get(f"{url}/healthz").status_code == 200
        receiver.stop()


def test_a_receiver_that_cannot_start_is_an_error(world: World, tmp_path: Path) -> None:
    with world.receiver() as receiver:
        url = receiver.listening_url()
        key = {"NIMBLE_API_KEY": "k"}
        second = run("listen", world.destination, "--port", "0", "--location", world.location, **key)
        assert second.code == 11, second.err
        port = str(urlsplit(url).port)
        taken = run("listen", tmp_path / "b", "--port", port, "--location", world.location, **key)
        assert taken.code == 8
        assert "cannot listen on 127.0.0.1" in taken.err
    unbound = run("listen", tmp_path / "never", **key)
    assert unbound.code == 2
    assert "--location" in unbound.err
    assert run("listen", tmp_path / "c", "--location", "file:///tmp/x", **key).code == 2
    assert run("listen", tmp_path / "d", "--location", world.location, NIMBLE_API_KEY="").code == 8
    nowhere = run("listen", tmp_path / "d", "--port", "0", "--location", "s3://no-such-bucket-/", **key)
    assert nowhere.code == 5, nowhere.err
    short = run("listen", tmp_path / "d", "--location", world.location, "--secret", "abc", **key)
    assert short.code == 2
    assert "abc" not in short.err


def test_a_destination_knows_its_source_after_the_first_run(world: World, moto: Any, monkeypatch: Any) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    done = run("sync", world.location, world.destination, "--endpoint-url", moto.url)
    assert done.code == 0, done.err
    task_id = world.task()
    world.deliver(task_id)
    known = {"NIMBLE_API_KEY": world.api.scenario.api_key, "NIMBLE_BASE_URL": world.api.url}
    with Running(
        world.folder / "receiver", "listen", world.destination, "--port", "0", "--format", "jsonl", **known
    ) as receiver:
        httpx.post(receiver.listening_url(), json=webhook(task_id))
        wait_until(lambda: world.landed() == {task_id}, "it has landed")
        receiver.stop()
    lines = [json.loads(line) for line in receiver.out.splitlines()]
    assert [line["event"] for line in lines] == ["object", "report"]
    assert lines[0]["key"] == f"{PREFIX}{task_id}.json"
