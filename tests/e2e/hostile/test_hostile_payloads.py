"""Bodies that are not what they should be: each has its stated outcome, through the whole of a sync."""

from __future__ import annotations

import gzip
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import harvester
from scripts.commands import installed_command
from scripts.servers.loopback_server import Answer, LoopbackServer, Request
from scripts.servers.memory_s3 import MemoryS3
from tests.hostile.payload_cases import HOSTILE_PAYLOADS

CASES = {f"{number:03}/{payload.key}": payload for number, payload in enumerate(HOSTILE_PAYLOADS)}
BODIES = {key: payload.make() for key, payload in CASES.items()}


@pytest.fixture(scope="module")
def store() -> Iterator[MemoryS3]:
    with MemoryS3(BODIES) as server:
        yield server


def _landed(key: str) -> tuple[str, bytes]:
    """Return where a payload lands and with what bytes."""
    body = BODIES[key]
    packed = body.startswith(b"\x1f\x8b")
    return key.removesuffix(".gz"), gzip.decompress(body) if packed else body


def test_every_payload_has_its_stated_outcome(store: MemoryS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", store.url)
    destination = tmp_path / "destination"
    by_outcome = Counter(payload.outcome for payload in CASES.values())

    ended = installed_command.sync("s3://bucket/", destination)

    assert ended.code == 3, ended
    assert ended.problems == {
        key: ("quarantined" if payload.outcome == "quarantined" else "landed", payload.reason)
        for key, payload in CASES.items()
        if payload.reason is not None
    }
    assert ended.nonzero == {
        "landed": by_outcome["landed"] + by_outcome["landed, rows reported"],
        "quarantined": by_outcome["quarantined"],
    }
    landing = [key for key, payload in CASES.items() if payload.outcome != "quarantined"]
    assert installed_command.tree(destination) == dict(map(_landed, landing))
    # What is quarantined is kept as it was delivered.
    quarantine = installed_command.tree(destination / ".nimble-harvester" / "quarantine", but=())
    kept = Counter(body for key, body in BODIES.items() if CASES[key].outcome == "quarantined")
    assert Counter(quarantine.values()) == kept
    assert installed_command.leftovers(destination) == []
    assert installed_command.verify(destination).code == 0

    again = installed_command.sync("s3://bucket/", destination, "--fail-on", "new")
    assert again.code == 0, again
    assert again.nonzero == {"unchanged": len(landing), "quarantined": by_outcome["quarantined"]}
    assert again.document["bytes_fetched"] == 0


def test_a_bomb_by_size_is_quarantined_as_it_was_delivered(tmp_path: Path) -> None:
    source, destination = tmp_path / "source", tmp_path / "destination"
    source.mkdir()
    # Far from the ratio of a bomb; only the bound, lowered here, stops it.
    bomb = gzip.compress(b'{"status":"success","data":{"html":"' + os.urandom(200_000).hex().encode() + b'"}}')
    (source / "bomb.json.gz").write_bytes(bomb)
    (source / "other.json").write_bytes(b'{"status":"success","data":{"html":""},"status_code":200}')
    options = harvester.SyncOptions(result=harvester.ResultOptions(max_content_bytes=300_000))

    report = harvester.sync(f"file://{source}", destination, options)

    assert report.exit_code == 3
    assert [(problem.outcome, problem.reason) for problem in report.problems] == [("quarantined", "too_large")]
    assert report.counts.landed == 1
    assert list(installed_command.tree(destination / ".nimble-harvester" / "quarantine", but=()).values()) == [bomb]


def test_no_report_quotes_a_payload(store: MemoryS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", store.url)
    secret = b"correct-horse-battery-staple"
    bad = {
        "broken.json": b'{"status":"success","data":{"html":"' + secret,
        "wrong-type.json": b'{"status":"success","data":"' + secret + b'","status_code":200}',
        "scalar.json": b'"' + secret + b'"',
        "rows.jsonl": b'{"a":1}\n{"a":' + secret + b"}\n",
    }
    for key, body in bad.items():
        store.put(f"private/{key}", body)

    for output in ("table", "json", "jsonl"):
        ended = installed_command.run("sync", "s3://bucket/private/", tmp_path / output, "--format", output)
        assert ended.code == 3, ended
        assert secret.decode() not in ended.out + ended.err


def test_a_remote_reference_in_a_schema_is_never_fetched(tmp_path: Path) -> None:
    asked: list[Request] = []

    def answer(request: Request) -> Answer:
        asked.append(request)
        return Answer(200, b"{}", {"content-type": "application/json"})

    source = tmp_path / "source"
    source.mkdir()
    (source / "a.json").write_bytes(b'{"status":"success","data":{"parsing":{"price":1}},"status_code":200}')
    with LoopbackServer(answer) as server:
        schema = tmp_path / "schema.json"
        schema.write_text(json.dumps({"$ref": f"{server.url}/price.json"}))
        ended = installed_command.run("sync", f"file://{source}", tmp_path / "destination", "--schema", schema)

    assert ended.code == 2, ended
    assert asked == []
    assert installed_command.tree(tmp_path / "destination") == {}
