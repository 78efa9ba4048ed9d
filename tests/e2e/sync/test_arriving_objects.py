"""Large objects are decoded while they arrive: broken, replaced, damaged and killed on the way."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import harvester
from scripts.commands import installed_command
from scripts.commands.background_command import Running, wait_until
from scripts.servers.fault_proxy import Call, Delay, Fault, FaultProxy, FlippedByte, HalfBody, Rule, Stall, Upstream
from scripts.servers.loopback_server import Answer, Request
from tests.e2e.sync.stalling_values import ANY_STEPS, EXPONENTIAL, STALLING, envelope

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEY = "runs/output.jsonl.gz"
SMALLEST = 4 * 1024**2


def rows(seed: int) -> bytes:
    source = random.Random(seed)
    return b"".join(b'{"row":%d,"text":"%b"}\n' % (row, source.randbytes(64).hex().encode()) for row in range(58_000))


CONTENT, OTHER = rows(1), rows(2)
BODY, REPLACEMENT = gzip.compress(CONTENT, 1, mtime=0), gzip.compress(OTHER, 1, mtime=0)


@pytest.fixture
def location(s3: S3Client, s3_bucket: str) -> str:
    assert min(len(BODY), len(REPLACEMENT)) > SMALLEST
    s3.put_object(Bucket=s3_bucket, Key=KEY, Body=BODY)
    return f"s3://{s3_bucket}/runs/"


@pytest.mark.parametrize("fault", [HalfBody(), FlippedByte(3_000_000)], ids=["broken", "damaged"])
def test_it_lands_as_it_was_stored(tmp_path: Path, location: str, fault_proxy: FaultProxy, fault: Fault) -> None:
    fault_proxy.add(Rule(fault, path=f"{KEY}$", method="GET", times=1))

    ended = installed_command.sync(location, tmp_path / "destination")

    assert ended.code == 0, ended
    assert installed_command.tree(tmp_path / "destination") == {"output.jsonl": CONTENT}
    assert installed_command.leftovers(tmp_path / "destination") == []
    assert fault_proxy.count(KEY, "GET") == 2


def test_one_replaced_on_the_way_lands_as_it_is_now(
    tmp_path: Path, location: str, s3: S3Client, s3_bucket: str, fault_proxy: FaultProxy
) -> None:
    def half_then_replace(request: Request, upstream: Upstream) -> Answer:
        answer = HalfBody().apply(request, upstream)
        s3.put_object(Bucket=s3_bucket, Key=KEY, Body=REPLACEMENT)
        return answer

    fault_proxy.add(Rule(Call(half_then_replace), path=f"{KEY}$", method="GET", times=1))

    ended = installed_command.sync(location, tmp_path / "destination")

    assert ended.code == 0, ended
    assert installed_command.tree(tmp_path / "destination") == {"output.jsonl": OTHER}
    assert installed_command.leftovers(tmp_path / "destination") == []


def test_what_is_no_gzip_to_its_end_is_quarantined_whole(
    tmp_path: Path, location: str, s3: S3Client, s3_bucket: str
) -> None:
    s3.put_object(Bucket=s3_bucket, Key="runs/more.jsonl.gz", Body=BODY + b"more")
    s3.put_object(Bucket=s3_bucket, Key="runs/cut.jsonl.gz", Body=BODY[:-9])

    ended = installed_command.sync(location, tmp_path / "destination")

    assert ended.code == 3, ended
    assert ended.problems == {
        "runs/more.jsonl.gz": ("quarantined", "gzip_trailing_bytes"),
        "runs/cut.jsonl.gz": ("quarantined", "truncated_gzip"),
    }
    kept = {path.name: path.read_bytes() for path in (tmp_path / "destination").rglob("quarantine/*")}
    assert sorted(map(len, kept.values())) == [len(BODY) - 9, len(BODY) + 4]
    assert installed_command.leftovers(tmp_path / "destination") == []


@pytest.mark.parametrize("interrupt", [False, True], ids=["killed", "interrupted"])
def test_one_that_was_ended_on_the_way_leaves_nothing(
    tmp_path: Path, location: str, fault_proxy: FaultProxy, interrupt: bool
) -> None:
    destination = tmp_path / "destination"
    fault_proxy.add(Rule(Stall(after_bytes=3_000_000), path=f"{KEY}$", method="GET", times=1))

    with Running(tmp_path / "run", "sync", location, destination) as running:
        # The delivered bytes, what they are inflated into, and the space reserved for the manifest.
        wait_until(lambda: len(installed_command.leftovers(destination)) == 3, "it is decoded as it arrives")
        if interrupt:
            running.stop()
            assert installed_command.leftovers(destination) == []
        else:
            running.kill()

    ended = installed_command.sync(location, destination)
    assert ended.code == 0, ended
    assert installed_command.tree(destination) == {"output.jsonl": CONTENT}
    assert installed_command.leftovers(destination) == []


def test_one_that_is_slow_on_the_way_is_no_stalled_decoder(
    tmp_path: Path, location: str, fault_proxy: FaultProxy
) -> None:
    fault_proxy.add(Rule(HalfBody(), path=f"{KEY}$", method="GET", times=1))
    fault_proxy.add(Rule(Delay(4000), path=f"{KEY}$", method="GET", times=1))
    options = harvester.SyncOptions(workers=1, worker_limits=harvester.WorkerLimits(silent_seconds=2.5))

    report = harvester.sync(location, tmp_path / "destination", options)

    assert report.counts.landed == 1
    assert installed_command.tree(tmp_path / "destination") == {"output.jsonl": CONTENT}
    # The same worker asked for the rest.
    ranges = [request.headers.get("range") for request in fault_proxy.log if KEY in request.path]
    assert ranges == [None, f"bytes={len(BODY) // 2}-"]


# To count the steps of a check, which is Python, each definition looks at every element again.
COUNTED = {
    "$defs": {
        **{str(number): {"items": {}, "anyOf": [{"$ref": f"#/$defs/{number + 1}"}] * 2} for number in range(80)},
        "80": {"type": "array"},
    },
    "properties": {"deep": {"$ref": "#/$defs/0"}},
}
MANY_NUMBERS = f"[{'1234567890,' * 400_000}0]"
STALLING_DECODERS = {
    "in-native-code": (EXPONENTIAL, envelope(STALLING, MANY_NUMBERS)),
    "in-python": (COUNTED, envelope(MANY_NUMBERS)),
}


@pytest.mark.parametrize("decoder", STALLING_DECODERS)
def test_one_that_stalls_its_decoder_is_quarantined_alone(
    tmp_path: Path, location: str, s3: S3Client, s3_bucket: str, decoder: str
) -> None:
    stalling, content = STALLING_DECODERS[decoder]
    body = gzip.compress(content, 0)
    assert len(body) > SMALLEST
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps(stalling))
    s3.put_object(Bucket=s3_bucket, Key="runs/stalls.json.gz", Body=body)
    limits = ["--max-schema-steps", ANY_STEPS, "--decode-timeout", "1s", "--workers", "1"]

    ended = installed_command.sync(location, tmp_path / "destination", "--schema", str(schema), *limits)

    assert ended.code == 3, ended
    assert ended.problems == {"runs/stalls.json.gz": ("quarantined", "time_exceeded")}
    assert installed_command.tree(tmp_path / "destination") == {"output.jsonl": CONTENT}
    assert installed_command.leftovers(tmp_path / "destination") == []
