"""Keys from files: plain lists, and S3 Inventory in a bucket of moto."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

import pytest

from harvester import IntegrityError, ObjectRef, UsageError, read_key_list
from harvester.location import Location, parse_location
from harvester.storage.base import RefusedObject

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

HERE = parse_location("s3://bucket/results/")
COLUMNS = [
    "Bucket",
    "Key",
    "VersionId",
    "IsLatest",
    "IsDeleteMarker",
    "Size",
    "LastModifiedDate",
    "ETag",
    "StorageClass",
]
MODIFIED = "2026-11-30T10:00:00.000Z"
SECONDS = 1_796_032_800.0


def entries(source: object, location: Location = HERE) -> list[str | ObjectRef | RefusedObject]:
    return list(read_key_list(str(source), location).entries)


# Plain lists


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_a_plain_list_has_a_key_a_line(tmp_path: Path) -> None:
    content = "\ufeffresults/b\r\n\nresults/a \nresults/é\r\nresults/{x}\nresults/b".encode()

    assert entries(write(tmp_path / "keys.txt", content)) == [
        "results/b", "results/a ", "results/é", "results/{x}", "results/b",
    ]  # fmt: skip
    assert entries(write(tmp_path / "keys.gz", gzip.compress(content)))[0] == "results/b"
    assert entries(write(tmp_path / "empty", b"")) == []


def test_a_line_that_is_no_key_is_refused_alone(tmp_path: Path) -> None:
    found = entries(write(tmp_path / "keys", b"a\n" + b"x" * 100_000 + b"\nb\n\xff\n"))

    assert found[0] == "a"
    assert isinstance(found[1], RefusedObject)
    assert found[1].reason == "invalid_key"
    assert found[2:] == ["b", "\udcff"]


def test_json_lines_describe_objects_or_name_keys(tmp_path: Path) -> None:
    whole = {"key": "results/a", "size": 7, "etag": "tag", "last_modified": MODIFIED}
    lines = [
        whole,
        {"key": "results/new\nline"},
        {**whole, "size": None},
        {**whole, "last_modified": "yesterday"},
        {**whole, "size": 2**63},
        {**whole, "size": True},
        {**whole, "size": -1},
        ["results/a"],
        {"key": 5},
    ]
    path = write(tmp_path / "keys.jsonl", b"\n".join(json.dumps(line).encode() for line in lines) + b"\n{\n")

    found = entries(path)

    assert found[:4] == [ObjectRef("results/a", 7, "tag", SECONDS), "results/new\nline", "results/a", "results/a"]
    assert [entry.reason for entry in found[4:] if isinstance(entry, RefusedObject)] == [
        "invalid_size", "invalid_size", "invalid_size", "invalid_key", "invalid_key", "invalid_key",
    ]  # fmt: skip


def test_a_list_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        entries(tmp_path / "none")
    with pytest.raises(UsageError, match="cannot read"):
        entries(tmp_path)
    with pytest.raises(IntegrityError):
        entries(write(tmp_path / "cut.gz", gzip.compress(b"results/a\n" * 1000)[:-10]))


# S3 Inventory


class InventoryBucket:
    """An inventory of ``bucket``, in a bucket of moto."""

    def __init__(self, s3: S3Client, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self.files: list[dict[str, Any]] = []
        self.url = f"s3://{bucket}/inventory/bucket/daily/2026-11-30T01-00Z/manifest.json"

    def put(self, key: str, body: bytes) -> None:
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=body)

    def add(self, body: bytes, md5: str = "") -> None:
        key = f"inventory/bucket/daily/data/{len(self.files)}.gz"
        self.put(key, body)
        digest = md5 or hashlib.md5(body, usedforsecurity=False).hexdigest()
        self.files.append({"key": key, "size": len(body), "MD5checksum": digest})

    def finish(self, checksum: str = "", **changes: object) -> str:
        document = {
            "sourceBucket": "bucket",
            "destinationBucket": f"arn:aws:s3:::{self._bucket}",
            "version": "2016-11-30",
            "creationTimestamp": "1796032800000",
            "fileFormat": "CSV",
            "fileSchema": ", ".join(COLUMNS),
            "files": self.files,
        }
        body = json.dumps({**document, **changes}).encode()
        self.put(self.url.partition(f"{self._bucket}/")[2], body)
        stated = checksum or hashlib.md5(body, usedforsecurity=False).hexdigest()
        self.put(self.url.partition(f"{self._bucket}/")[2].replace(".json", ".checksum"), f"{stated}\n".encode())
        return self.url


@pytest.fixture
def inventory(s3: S3Client, s3_bucket: str) -> InventoryBucket:
    return InventoryBucket(s3, s3_bucket)


def rows(*changes: dict[str, str]) -> bytes:
    text = io.StringIO()
    table = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    for change in changes:
        row = {
            "Bucket": "bucket",
            "Key": "results/a",
            "VersionId": "",
            "IsLatest": "true",
            "IsDeleteMarker": "false",
            "Size": "7",
            "LastModifiedDate": MODIFIED,
            "ETag": "tag",
            "StorageClass": "STANDARD",
        }
        table.writerow({**row, **change}.values())
    return gzip.compress(text.getvalue().encode())


def test_an_inventory_describes_objects(inventory: InventoryBucket) -> None:
    name = 'results/ü +&"x,\n%.json'
    inventory.add(rows({"Key": quote_plus(name)}, {"IsDeleteMarker": "true", "Size": "", "ETag": ""}))
    inventory.add(rows({"IsLatest": "false"}, {"IsLatest": "false"}, {"Key": "results/b", "ETag": ""}))

    keys = read_key_list(inventory.finish(), HERE)

    for _ in range(2):
        assert list(keys.entries) == [ObjectRef(name, 7, "tag", SECONDS, "STANDARD"), "results/b"]
        assert keys.skipped == {"delete_marker": 1, "old_version": 2}


def test_rows_that_are_not_believed_are_refused_alone(inventory: InventoryBucket) -> None:
    inventory.add(
        rows(
            {"Bucket": "another"},
            {"Size": "1e3"},
            {"Size": str(2**63)},
            {"IsLatest": "maybe"},
            {"Key": "results/%FF"},
            {"Key": "results/z"},
        )
    )
    inventory.add(gzip.compress(b'"bucket","results/short"\n"x\n'))

    found = entries(inventory.finish())

    assert [entry.reason for entry in found if isinstance(entry, RefusedObject)] == [
        "outside_prefix", "invalid_size", "invalid_size", "invalid_key", "invalid_key", "invalid_key",
    ]  # fmt: skip
    assert [entry.key for entry in found if isinstance(entry, ObjectRef)] == ["results/\udcff", "results/z"]


@pytest.mark.parametrize(
    ("changes", "error", "cause"),
    [
        ({"checksum": "0" * 32}, IntegrityError, "manifest.checksum"),
        ({"checksum": "none"}, IntegrityError, "manifest.checksum"),
        ({"sourceBucket": "another"}, UsageError, "the location is in bucket"),
        ({"fileFormat": "ORC"}, UsageError, "CSV or Parquet"),
        ({"fileSchema": "Key, Size"}, IntegrityError, "Bucket and Key"),
        ({"files": [{"key": "x", "size": 2**64, "MD5checksum": "0" * 32}]}, IntegrityError, "no manifest"),
        ({"files": [{"key": "x", "size": 1, "MD5checksum": "short"}]}, IntegrityError, "no manifest"),
        ({"files": "none"}, IntegrityError, "no manifest"),
        ({"creationTimestamp": "yesterday"}, IntegrityError, "no manifest"),
        ({"creationTimestamp": 1796032800000}, IntegrityError, "no manifest"),
        ({"creationTimestamp": "1" * 16}, IntegrityError, "no manifest"),
    ],
)
def test_a_manifest_that_is_not_believed_is_an_error(
    inventory: InventoryBucket, changes: dict[str, Any], error: type[UsageError], cause: str
) -> None:
    with pytest.raises(error) as raised:
        read_key_list(inventory.finish(**changes), HERE)
    assert cause in raised.value.cause


def test_a_list_states_when_its_inventory_was_begun(inventory: InventoryBucket) -> None:
    assert read_key_list(inventory.finish(), HERE).begun_at == 1_796_032_800
    assert read_key_list(inventory.finish(creationTimestamp=None), HERE).begun_at is None


def test_a_file_with_another_checksum_is_an_error_before_its_rows_are_used(inventory: InventoryBucket) -> None:
    inventory.add(rows({}), md5="0" * 32)

    with pytest.raises(IntegrityError, match="not what S3 Inventory wrote"):
        entries(inventory.finish())


def test_a_manifest_that_is_not_there_is_a_usage_error(inventory: InventoryBucket) -> None:
    with pytest.raises(UsageError, match="there is no s3://"):
        read_key_list(inventory.url, HERE)
    with pytest.raises(UsageError, match="not in a bucket"):
        read_key_list("/tmp/manifest.json", HERE)


def test_an_inventory_in_parquet_has_keys_as_they_are(inventory: InventoryBucket, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    moment = pa.array([1_796_032_800_000] * 4, pa.int64()).cast(pa.timestamp("ms"))
    table = pa.table(
        {
            "bucket": ["bucket"] * 4,
            "key": ["results/a%20b+c", "results/old", "results/gone", "results/unknown"],
            "is_latest": [True, False, True, True],
            "is_delete_marker": [False, False, True, False],
            "size": pa.array([7, 7, None, None], pa.int64()),
            "last_modified_date": moment,
            "e_tag": ["tag", "tag", None, "tag"],
        }
    )
    pq.write_table(table, tmp_path / "file.parquet", version="1.0")
    inventory.add((tmp_path / "file.parquet").read_bytes())
    keys = read_key_list(inventory.finish(fileFormat="Parquet", fileSchema="message s3.inventory { }"), HERE)

    assert list(keys.entries) == [ObjectRef("results/a%20b+c", 7, "tag", SECONDS), "results/unknown"]
    assert keys.skipped == {"delete_marker": 1, "old_version": 1}


def test_a_file_that_is_no_parquet_is_damaged(inventory: InventoryBucket) -> None:
    pytest.importorskip("pyarrow")
    inventory.add(b"PAR1 no PAR1")

    with pytest.raises(IntegrityError):
        entries(inventory.finish(fileFormat="Parquet"))
