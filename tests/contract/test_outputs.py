"""What every output of an export does alike: a directory, S3 on moto, GCS on our fake."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harvester.errors import ConnectionFailed, HarvesterError, NoSuchBucket, UsageError
from harvester.tables.exports.export_types import ExportOptions
from harvester.tables.exports.exporting import export_rows
from harvester.tables.outputs.output_store import DirectoryOutput, OutputStore, open_output
from harvester.tables.outputs.s3_output import PIECE_BYTES
from scripts.servers.fake_gcs import FakeGcs
from scripts.servers.gcs_discovery import DOCUMENT, request_fault, resource_fault
from scripts.servers.loopback_server import Answer, LoopbackServer, Request
from tests.unit.tables.memory_rows import MemorySource


@pytest.fixture
def url(output_url: str) -> str:
    return output_url


@pytest.fixture
def store(url: str) -> Iterator[OutputStore]:
    with open_output(url) as opened:
        yield opened


def written(store: OutputStore, content: bytes) -> Path:
    path = store.scratch()
    path.write_bytes(content)
    return path


def test_a_file_is_created_once(store: OutputStore) -> None:
    assert store.read("claims/a/0.json") is None
    assert store.create("claims/a/0.json", b"first")
    assert not store.create("claims/a/0.json", b"second")
    assert store.read("claims/a/0.json") == b"first"


def test_a_file_is_published_once_and_removed_here(store: OutputStore) -> None:
    first, second = written(store, b"first"), written(store, b"second")
    assert store.publish(first, "data/t/landed_day=2026-11-30/a.parquet")
    assert not store.publish(second, "data/t/landed_day=2026-11-30/a.parquet")
    assert not first.exists()
    assert not second.exists()
    assert store.read("data/t/landed_day=2026-11-30/a.parquet") == b"first"


def test_names_are_those_below_a_folder(store: OutputStore) -> None:
    assert list(store.names("data/t/")) == []
    for name in ("data/t/b/1", "data/t/a/2", "data/other/3", "claims/t/4"):
        store.create(name, b"x")
    assert sorted(store.names("data/t/")) == ["data/t/a/2", "data/t/b/1"]
    assert sorted(store.names("data/none/")) == []


def test_a_file_is_copied_whole_and_removed(store: OutputStore) -> None:
    store.publish(written(store, b"content"), "staging/a/1")
    for _ in range(2):
        store.copy("staging/a/1", "data/t/1")
        assert store.exists("data/t/1")
    for _ in range(2):
        store.remove("staging/a/1")
        assert not store.exists("staging/a/1")
    assert store.read("data/t/1") == b"content"
    assert list(store.names("staging/")) == []
    with pytest.raises(HarvesterError):
        store.copy("staging/a/1", "data/t/2")


def test_of_many_writers_at_once_one_creates_the_file(store: OutputStore) -> None:
    with ThreadPoolExecutor(8) as threads:
        created = list(threads.map(lambda number: store.create("claims/t/0.json", b"%d" % number), range(16)))
    assert created.count(True) == 1
    assert store.read("claims/t/0.json") == b"%d" % created.index(True)


def test_an_export_is_complete_in_every_output(store: OutputStore, url: str) -> None:
    source = MemorySource()
    for number in range(5):
        source.add({"n": number})
    report = export_rows(source, store, ExportOptions(part_bytes=1))
    assert report.output == url
    assert len(list(store.names("data/job_rows/"))) == 5
    source.add({"n": 5})
    with open_output(url) as again:
        assert export_rows(source, again, ExportOptions(part_bytes=1)).tables["job_rows"].rows == 1


def test_a_large_file_is_uploaded_in_pieces_to_s3(s3_bucket: str) -> None:
    content = b"0123456789abcdef" * (PIECE_BYTES // 16) + b"rest"
    with open_output(f"s3://{s3_bucket}/out") as store:
        assert store.publish(written(store, content), "data/large")
        assert not store.publish(written(store, content[::-1]), "data/large")
        assert store.read("data/large") == content


def test_a_large_file_is_uploaded_in_chunks_to_cloud_storage(fake_gcs: FakeGcs) -> None:
    name, content = f"b-{uuid.uuid4().hex}", b"0123456789abcdef" * 600_000
    fake_gcs.create_bucket(name)
    with open_output(f"gs://{name}/out") as store:
        assert store.publish(written(store, content), "data/large")
        assert not store.publish(written(store, content[::-1]), "data/large")
        assert store.read("data/large") == content


def request(method: str, target: str) -> Request:
    return Request(method, target, {}, b"")


@pytest.mark.parametrize(
    ("method", "target", "fault"),
    [
        ("POST", "/upload/storage/v1/b/x/o?uploadType=multipart&ifGenerationMatch=0", ""),
        ("POST", "/upload/storage/v1/b/x/o?uploadType=multipart&ifGenerationMatch=none", "is no int64"),
        ("POST", "/upload/storage/v1/b/x/o?if-generation-match=0", "no parameter"),
        ("PUT", "/storage/v1/b/x/o", "no method"),
        ("GET", "/storage/v1/b/x/o?prefix=a&startOffset=b", ""),
        ("GET", "/storage/v1/b/x/o?startAfter=b", "no parameter"),
    ],
)
def test_our_cloud_storage_takes_the_requests_of_the_discovery_document(method: str, target: str, fault: str) -> None:
    found = request_fault(request(method, target))
    assert fault in found
    assert bool(found) == bool(fault)


def test_our_cloud_storage_answers_as_the_discovery_document_states(fake_gcs: FakeGcs) -> None:
    fake_gcs.create_bucket("answers")
    stored = fake_gcs.put("answers", "a/b", b"x", content_encoding="gzip", kms_key="k")
    assert resource_fault(stored.resource("answers"), "Object") == ""
    listed = json.loads(fake_gcs.respond(request("GET", "/storage/v1/b/answers/o")).body)
    assert resource_fault(listed, "Objects") == ""
    copied = fake_gcs.respond(request("POST", "/storage/v1/b/answers/o/a%2Fb/rewriteTo/b/answers/o/c"))
    assert resource_fault(json.loads(copied.body), "RewriteResponse") == ""
    assert resource_fault({"size": 5}, "Object") != ""
    assert resource_fault({"sise": "5"}, "Object") != ""


def test_preconditions_mean_what_the_discovery_document_states(fake_gcs: FakeGcs) -> None:
    (meaning,) = {
        method["parameters"]["ifGenerationMatch"]["description"]
        for method in DOCUMENT["methods"].values()
        if "ifGenerationMatch" in method["parameters"]
    }
    assert "succeed only if there are no live versions of the object" in meaning
    fake_gcs.create_bucket("preconditions")
    target = "/upload/storage/v1/b/preconditions/o?uploadType=media&name=a&ifGenerationMatch="
    assert fake_gcs.respond(request("POST", f"{target}1")).status == 412
    first = fake_gcs.respond(request("POST", f"{target}0"))
    assert first.status == 200
    assert fake_gcs.respond(request("POST", f"{target}0")).status == 412
    generation = json.loads(first.body)["generation"]
    assert fake_gcs.respond(request("POST", target + generation)).status == 200
    assert fake_gcs.respond(request("POST", target + generation)).status == 412
    fake_gcs.delete("preconditions", "a")
    assert fake_gcs.respond(request("POST", f"{target}0")).status == 200


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_a_bucket_that_does_not_exist_is_an_error(scheme: str, s3_bucket: str, fake_gcs: FakeGcs) -> None:
    with pytest.raises(NoSuchBucket), open_output(f"{scheme}://no-bucket-of-this-name/out") as store:
        list(store.names("data/"))
    with pytest.raises(HarvesterError), open_output(f"{scheme}://no-bucket-of-this-name/out") as store:
        store.create("data/a", b"")


LISTED = "<ListBucketResult><IsTruncated>{}</IsTruncated>{}</ListBucketResult>"


@pytest.mark.parametrize(
    ("scheme", "answer"),
    [
        ("s3", LISTED.format("true", "")),
        ("s3", LISTED.format("true", "<NextContinuationToken>t</NextContinuationToken>")),
        ("s3", LISTED.format("false", "<Contents><Size>1</Size></Contents>")),
        ("gs", '{"items":' + "[" * 100_000),
        ("gs", '{"items":[5]}'),
    ],
)
def test_a_listing_that_breaks_its_interface_is_an_error_of_the_store(
    monkeypatch: pytest.MonkeyPatch, scheme: str, answer: str
) -> None:
    with LoopbackServer(lambda _: Answer(200, answer.encode())) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        with pytest.raises(ConnectionFailed), open_output(f"{scheme}://bucket/out") as store:
            list(store.names("data/"))


@pytest.mark.parametrize("url", ["abfs://container/out", "http://example.com/out", "dbfs://x"])
def test_other_outputs_are_refused_with_the_reason(url: str) -> None:
    with pytest.raises(UsageError, match="cannot be written"), open_output(url):
        pass


def test_what_a_killed_export_left_is_removed_a_day_later(tmp_path: Path) -> None:
    import os
    import time

    store = DirectoryOutput(tmp_path)
    old, new = written(store, b"old"), written(store, b"new")
    os.utime(old, (time.time() - 100_000,) * 2)
    DirectoryOutput(tmp_path)
    assert not old.exists()
    assert new.exists()


def test_a_directory_opens_while_another_export_removes_its_files(tmp_path: Path) -> None:
    scratch = tmp_path / "tmp"
    scratch.mkdir()

    def remove(files: list[Path]) -> None:
        for file in files:
            file.unlink()

    with ThreadPoolExecutor(1) as other:
        for _ in range(20):
            files = [scratch / f"{number:04d}" for number in range(400)]
            for file in files:
                file.touch()
            removed = other.submit(remove, files)
            while not removed.done():
                DirectoryOutput(tmp_path)
            removed.result()
